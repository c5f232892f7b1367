//! Errors of the system and of libraries as error kinds, with a sentence a person can use.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use parallax_model::{Certificate, Check, ErrorKind, Stage};
use rustls::{CertificateError, Error as TlsError};

/// Why a look failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, detail: impl AsRef<str>) -> Self {
        Self { kind, detail: parallax_model::result::detail(detail.as_ref()) }
    }

    /// The target's time is over, in this stage. All a DNS check waits for is its resolver.
    pub(super) fn timeout(check: &Check, stage: Option<Stage>, timeout: Duration) -> Self {
        let within = humantime::format_duration(timeout);
        let (kind, what) = match stage {
            _ if matches!(check, Check::Dns(_)) => (ErrorKind::DnsTimeout, "no answer"),
            Some(Stage::Resolve) => (ErrorKind::DnsTimeout, "name not resolved"),
            None | Some(Stage::Connect) => (ErrorKind::ConnectTimeout, "no connection"),
            Some(Stage::Tls) => (ErrorKind::Timeout, "TLS handshake not finished"),
            Some(Stage::FirstByte) => (ErrorKind::Timeout, "no answer"),
            Some(Stage::Transfer | Stage::Assert) => (ErrorKind::Timeout, "answer not complete"),
        };
        Self::new(kind, format!("{what} within {within}"))
    }

    /// The system refused a connection attempt.
    pub(super) fn connecting(error: &io::Error, peer: SocketAddr) -> Self {
        let (kind, what) = connect_kind(error);
        if kind == ErrorKind::Internal {
            return Self::new(kind, format!("cannot connect to {peer}: {error}"));
        }
        Self::new(kind, format!("{what} {peer}"))
    }

    /// An established connection broke off, with an error of the system.
    pub(super) fn cut_off(error: &io::Error, when: &str) -> Self {
        if is_reset(error) {
            return Self::new(ErrorKind::Reset, format!("connection reset {when}"));
        }
        Self::new(ErrorKind::Closed, format!("connection broke {when}: {error}"))
    }

    /// TLS was not agreed on.
    pub(super) fn shaking_hands(error: &io::Error, host: &str) -> Self {
        if let Some(refused) = Self::certificate_refused(error) {
            return refused;
        }
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        match tls {
            Some(TlsError::InvalidCertificate(why)) => certificate(why, host, &[]),
            Some(other) => Self::new(ErrorKind::TlsHandshake, format!("TLS handshake: {other}")),
            None if is_reset(error) => {
                Self::new(ErrorKind::Reset, "connection reset in the TLS handshake")
            }
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::new(ErrorKind::TlsHandshake, "connection closed in the TLS handshake")
            }
            None => Self::new(ErrorKind::TlsHandshake, format!("TLS handshake: {error}")),
        }
    }

    /// The server does not take the certificate that we showed, or wants one: it refuses *us*.
    pub(super) fn certificate_refused(error: &io::Error) -> Option<Self> {
        use rustls::AlertDescription as Alert;
        let inner = error.get_ref()?;
        let refusals = [
            Alert::CertificateRequired,
            Alert::BadCertificate,
            Alert::UnsupportedCertificate,
            Alert::CertificateRevoked,
            Alert::CertificateExpired,
            Alert::CertificateUnknown,
            Alert::UnknownCA,
            Alert::AccessDenied,
        ];
        // HTTP/2 keeps of an error only its words
        let said = inner.to_string();
        let alert =
            refusals.into_iter().find(|&a| said == TlsError::AlertReceived(a).to_string())?;
        let what = if alert == Alert::CertificateRequired {
            "the server wants a client certificate".to_owned()
        } else {
            format!("the server does not take our certificate: {alert:?}")
        };
        Some(Self::new(ErrorKind::Blocked, what))
    }

    /// The certificate that was presented is not valid.
    pub(super) fn judging(error: &TlsError, host: &str, chain: &[Certificate]) -> Self {
        // not a match: the library's errors may grow
        if let TlsError::InvalidCertificate(why) = error {
            return certificate(why, host, chain);
        }
        Self::new(ErrorKind::TlsHandshake, format!("TLS handshake: {error}"))
    }

    /// No answer came, or one that makes no sense. `begun`: its first byte did come.
    pub(super) fn awaiting_answer(error: &hyper::Error, begun: bool) -> Self {
        let io = find_io(error);
        if let Some(refused) = io.and_then(Self::certificate_refused) {
            return refused;
        }
        if error.is_parse_too_large() {
            return Self::new(ErrorKind::Protocol, "the answer's headers are too large");
        }
        if error.is_parse() {
            return Self::new(ErrorKind::Protocol, format!("the answer is not HTTP: {error}"));
        }
        match (begun, io.is_some_and(is_reset)) {
            (true, true) => Self::new(ErrorKind::CutStream, "connection reset amid the headers"),
            (true, false) => Self::new(ErrorKind::CutStream, "connection closed amid the headers"),
            (false, true) => Self::new(ErrorKind::Reset, "connection reset before an answer"),
            (false, false) => Self::new(ErrorKind::Closed, "connection closed before an answer"),
        }
    }

    /// An HTTP/2 connection broke before its answer.
    pub(super) fn speaking_http2(error: &hyper::Error) -> Self {
        use io::ErrorKind as Io;
        if let Some(refused) = find_io(error).and_then(Self::certificate_refused) {
            return refused;
        }
        if let Some(h2) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
            return Self::breaking_http2(h2, false);
        }
        match find_io(error).map(io::Error::kind) {
            Some(Io::ConnectionReset | Io::ConnectionAborted) => {
                Self::new(ErrorKind::Reset, "connection reset before an answer")
            }
            // the library's word for a peer that closed in between
            Some(Io::BrokenPipe | Io::UnexpectedEof) => {
                Self::new(ErrorKind::Closed, "connection closed before an answer")
            }
            _ if error.is_closed() || error.is_canceled() || error.is_incomplete_message() => {
                Self::new(ErrorKind::Closed, "connection closed before an answer")
            }
            _ => {
                let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                Self::new(ErrorKind::Protocol, format!("the answer is not HTTP/2: {why}"))
            }
        }
    }

    /// HTTP/2 broke down. `begun`: the answer's head did come.
    pub(super) fn breaking_http2(error: &h2::Error, begun: bool) -> Self {
        if let Some(refused) = error.get_io().and_then(Self::certificate_refused) {
            return refused;
        }
        let reset = error.get_io().is_some_and(is_reset);
        // that we end it for what the peer sends is no leaving of the peer's
        let gone = error.is_io() || (error.is_go_away() && error.is_remote());
        match (begun, reset) {
            (false, true) => Self::new(ErrorKind::Reset, "connection reset before an answer"),
            (false, false) if gone => {
                Self::new(ErrorKind::Closed, format!("HTTP/2 ended before an answer: {error}"))
            }
            (true, _) if gone || error.is_reset() => {
                Self::new(ErrorKind::CutStream, format!("HTTP/2 ended amid the body: {error}"))
            }
            _ => Self::new(ErrorKind::Protocol, format!("the answer is not HTTP/2: {error}")),
        }
    }

    /// The body did not come whole.
    pub(super) fn reading_body(error: &hyper::Error, read: usize) -> Self {
        let io = find_io(error);
        let malformed = |e: &io::Error| {
            matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        };
        if error.is_parse() || io.is_some_and(malformed) {
            return Self::new(ErrorKind::Protocol, "the answer's body is malformed");
        }
        let how = if io.is_some_and(is_reset) { "reset" } else { "closed" };
        let what = format!("connection {how} amid the body, after {read} bytes");
        Self::new(ErrorKind::CutStream, what)
    }
}

/// The beginning of what came, fit to be shown.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 80;
    let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{:?}{more}", String::from_utf8_lossy(shown))
}

fn connect_kind(error: &io::Error) -> (ErrorKind, &'static str) {
    use io::ErrorKind as Io;
    let kind = error.kind();
    if kind == Io::ConnectionRefused {
        (ErrorKind::ConnectRefused, "connection refused by")
    } else if kind == Io::TimedOut {
        (ErrorKind::ConnectTimeout, "no answer to the connection attempt from")
    } else if is_reset(error) {
        (ErrorKind::Reset, "connection reset by")
    } else if matches!(
        kind,
        Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown | Io::AddrNotAvailable
            // a firewall of our own that rejects looks so
            | Io::PermissionDenied
    ) {
        (ErrorKind::Unreachable, "no route to")
    } else {
        // out of sockets, out of memory: ours
        (ErrorKind::Internal, "")
    }
}

fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind as Io;
    matches!(error.kind(), Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe)
}

/// The system's error within a library's.
fn find_io(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}

fn certificate(why: &CertificateError, host: &str, chain: &[Certificate]) -> Failure {
    use CertificateError as Cert;
    let own = chain.first();
    let until = |own: &Certificate| format!(" ({})", day(own.not_after_s));
    if matches!(why, Cert::Expired | Cert::ExpiredContext { .. }) {
        let on = own.map(until).unwrap_or_default();
        Failure::new(ErrorKind::CertExpired, format!("the certificate has expired{on}"))
    } else if matches!(why, Cert::NotValidYet | Cert::NotValidYetContext { .. }) {
        Failure::new(ErrorKind::CertExpired, "the certificate is not valid yet")
    } else if matches!(why, Cert::NotValidForName | Cert::NotValidForNameContext { .. }) {
        let names = own.map(|own| own.alternative_names.as_str()).filter(|names| !names.is_empty());
        let names = names.map(|names| format!(" but for {names}")).unwrap_or_default();
        Failure::new(ErrorKind::CertName, format!("the certificate is not for {host}{names}"))
    } else if let Some(own) = own.filter(|own| own.subject == own.issuer) {
        let why = format!("the certificate is self-signed ({})", own.subject);
        Failure::new(ErrorKind::CertUntrusted, why)
    } else if let (Cert::UnknownIssuer, [own]) = (why, chain) {
        let why = format!(
            "the certificate leads to no trusted root: the server sent no certificate of its issuer {}",
            own.issuer
        );
        Failure::new(ErrorKind::CertUntrusted, why)
    } else if matches!(why, Cert::UnknownIssuer) {
        Failure::new(ErrorKind::CertUntrusted, "the certificate leads to no trusted root")
    } else {
        Failure::new(ErrorKind::CertUntrusted, format!("the certificate is not trusted: {why}"))
    }
}

/// The day of an instant, `2026-11-25`.
fn day(unix_s: i64) -> String {
    let since = Duration::from_secs(u64::try_from(unix_s).unwrap_or_default());
    let at = std::time::SystemTime::UNIX_EPOCH.checked_add(since);
    let text = at.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default();
    text.get(..10).unwrap_or_default().to_owned()
}
