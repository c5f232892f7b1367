//! Small words: lists, counts, shares, times.

use std::fmt::Display;
use std::time::Duration;

use parallax_model::{Confidence, ErrorKind, Timestamp};

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list<T: Display>(items: &[T], max: usize) -> String {
    let shown: Vec<String> = items.iter().take(max).map(ToString::to_string).collect();
    match (items.len().saturating_sub(max), shown.as_slice()) {
        (0, []) => String::new(),
        (0, [one]) => one.clone(),
        (0, [first @ .., last]) => format!("{} and {last}", first.join(", ")),
        (more, shown) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 place`, `5 places`.
pub fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// `1 place looks`, `5 places look`.
pub fn looks(places: u32) -> String {
    if places == 1 { "1 place looks".to_owned() } else { format!("{places} places look") }
}

/// A probability: `99.2 %`; never a rounded-up certainty.
pub fn percent(p: f64) -> String {
    let percent = p * 100.0;
    if percent > 99.95 {
        "over 99.9 %".to_owned()
    } else if percent >= 95.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// What a distance in nats means, as far as nats are believed: `4,790 to 1 against it`.
pub(super) fn odds(nats: f64) -> String {
    let odds = (Confidence::OF_A_NAT * nats.max(0.0)).exp();
    if odds < 1.5 {
        "a tie".to_owned()
    } else if odds >= 1e6 {
        "over a million to 1 against it".to_owned()
    } else {
        // three digits: more would claim a precision that nobody has
        let unit = 10f64.powi((odds.log10().floor() as i32 - 2).max(0));
        format!("{} to 1 against it", thousands(((odds / unit).round() * unit) as u64))
    }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `850 ms`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    let two = |big: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {part}"),
    };
    match s {
        0 => format!("{} ms", d.as_millis()),
        1..60 => format!("{s} s"),
        60..3600 => two(s / 60, "min", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// How long a look takes: `8.4 ms`, `95 ms`, `1.24 s`.
pub fn latency(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        ..1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

/// `2026-11-23 21:09:34 UTC`.
pub fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros())
        .map_or_else(|_| at.to_string(), |t| t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `2026-11-23T21:09:34.123Z` (RFC 3339).
pub fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.millis())
        .map_or_else(|_| at.to_string(), |t| t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// What an error kind means, for people who do not know the word.
pub const fn kind_in_words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::DnsNxdomain => "the name does not exist",
        ErrorKind::DnsServfail => "the resolver failed",
        ErrorKind::DnsTimeout => "the resolver did not answer",
        ErrorKind::DnsRefused => "the resolver refused",
        ErrorKind::Unreachable => "no route",
        ErrorKind::ConnectRefused => "connection refused",
        ErrorKind::ConnectTimeout => "no answer to the connection attempt",
        ErrorKind::Reset => "connection reset",
        ErrorKind::TlsHandshake => "TLS handshake failed",
        ErrorKind::CertExpired => "certificate out of date",
        ErrorKind::CertUntrusted => "certificate not trusted",
        ErrorKind::CertName => "certificate for another name",
        ErrorKind::Timeout => "no answer in time",
        ErrorKind::Closed => "closed before an answer",
        ErrorKind::Protocol => "broken answer",
        ErrorKind::Status4xx => "unexpected status",
        ErrorKind::Status5xx => "server error",
        ErrorKind::Blocked => "refused us",
        ErrorKind::Assertion => "wrong content",
        ErrorKind::CutStream => "answer cut off",
        ErrorKind::PolicyDenied => "forbidden by the agent's policy",
        ErrorKind::Internal => "the agent itself failed",
        ErrorKind::Unspecified => "failed, in a way not known here",
    }
}
