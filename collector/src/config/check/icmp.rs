//! `icmp`: echoes that must come back.

use std::time::Duration;

use parallax_model::target::icmp::{ECHOES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN};
use parallax_model::{Family, IcmpCheck};

use crate::config::section::Field;

pub(super) const KEYS: &[&str] =
    &["host", "count", "spacing", "payload", "loss_max", "rtt_max", "family"];

/// Shortest time between two echoes: what `ping` grants others than root.
const SPACING_MIN: Duration = Duration::from_millis(2);

/// An ICMP check.
pub(super) fn read(field: Field<'_>) -> Option<IcmpCheck> {
    let section = field.section("icmp", KEYS)?;
    let usual = IcmpCheck::to("");
    let check = IcmpCheck {
        count: section.get("count").and_then(|f| f.number(1, ECHOES_MAX)).unwrap_or(usual.count),
        spacing: section.get("spacing").and_then(spacing).unwrap_or(usual.spacing),
        payload_bytes: section
            .get("payload")
            .and_then(|f| f.number(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX))
            .unwrap_or(usual.payload_bytes),
        loss_percent_max: section.get("loss_max").and_then(loss).unwrap_or(usual.loss_percent_max),
        rtt_max: section.get("rtt_max").and_then(|f| f.duration()),
        family: section.get("family").and_then(family).unwrap_or_default(),
        ..usual
    };
    let host = section.need("host", "\"gateway.example.com\"")?;
    let text = host.text()?;
    let odd = |c: char| c.is_whitespace() || c == '/';
    if text.is_empty() || text.len() > 253 || text.contains(odd) {
        host.wrong(format!("{text:?} is no host; write \"example.com\" or \"192.0.2.1\""));
        return None;
    }
    Some(IcmpCheck { host: text.to_owned(), ..check })
}

fn spacing(field: Field<'_>) -> Option<Duration> {
    let spacing = field.duration()?;
    if spacing < SPACING_MIN || spacing > Duration::from_secs(10) {
        field.wrong("is not within 2ms and 10s; 200ms is usual");
        return None;
    }
    Some(spacing)
}

/// `"20%"`
fn loss(field: Field<'_>) -> Option<u8> {
    let text = field.text()?;
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    let percent = percent.filter(|percent| *percent < 100);
    if percent.is_none() {
        field.wrong(format!("{text:?} is no part from \"0%\" to \"99%\"; write \"20%\""));
    }
    percent
}

pub(super) fn family(field: Field<'_>) -> Option<Family> {
    let text = field.text()?;
    let family = Family::from_word(text);
    if family.is_none() {
        field.wrong(format!("unknown family {text:?}; use \"any\", \"ipv4\" or \"ipv6\""));
    }
    family
}
