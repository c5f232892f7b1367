//! The address of a collector, and the rule that nothing travels in the clear.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The port on which a collector hears agents unless told otherwise.
const PORT_DEFAULT: u16 = 7481;

/// A collector's address: `https://`, or `http://` on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl {
    text: String,
    is_encrypted: bool,
}

/// An address that is no collector's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCollector {
    /// Not an address at all.
    #[error("{url:?} is no collector address ({why}); write it like https://parallax.example:7481")]
    Malformed {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// It would travel in the clear.
    #[error(
        "refusing to send results in the clear to {host}: http:// is for a collector on this \
         machine (127.0.0.1, [::1] or localhost); write https:// and join with a token"
    )]
    Clear {
        /// Where to.
        host: String,
    },
}

impl CollectorUrl {
    /// Takes `https://HOST[:PORT]`, and `http://HOST[:PORT]` if HOST is this machine. The port is 7481
    /// unless given.
    pub fn new(text: &str) -> Result<Self, InvalidCollector> {
        let malformed = |why: String| InvalidCollector::Malformed {
            url: text.chars().take(200).collect(),
            why,
        };
        let url = Url::parse(text).map_err(|e| malformed(e.to_string()))?;
        let (is_encrypted, port_implied) = match url.scheme() {
            "https" => (true, 443),
            "http" => (false, 80),
            other => return Err(malformed(format!("the scheme {other:?} is not https"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("a user name or password has no place in it".into()));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(malformed("nothing may follow the port".into()));
        }
        let host = url.host().ok_or_else(|| malformed("it has no host".into()))?;
        if !is_encrypted && !is_this_machine(&host) {
            return Err(InvalidCollector::Clear { host: host.to_string() });
        }
        // a URL forgets a written port that its scheme implies
        let end = format!(":{port_implied}");
        let written = || text.trim_end_matches('/').ends_with(&end).then_some(port_implied);
        let port = url.port().or_else(written).unwrap_or(PORT_DEFAULT);
        Ok(Self { text: format!("{}://{host}:{port}", url.scheme()), is_encrypted })
    }

    /// The address as text, with its port.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for `https://`.
    pub const fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

impl FromStr for CollectorUrl {
    type Err = InvalidCollector;
    fn from_str(text: &str) -> Result<Self, InvalidCollector> {
        Self::new(text)
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_on_this_machine_is_taken() {
        for (text, kept) in [
            ("http://127.0.0.1:7481", "http://127.0.0.1:7481"),
            ("http://localhost", "http://localhost:7481"),
            ("http://[::1]:9/", "http://[::1]:9"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ] {
            assert!(!CollectorUrl::new(text).unwrap().is_encrypted());
            assert_eq!(CollectorUrl::new(text).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn a_collector_elsewhere_is_taken_with_encryption() {
        for (text, kept) in [
            ("https://parallax.example", "https://parallax.example:7481"),
            ("https://203.0.113.9:443/", "https://203.0.113.9:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:7481"),
        ] {
            assert_eq!(CollectorUrl::new(text).unwrap().as_str(), kept);
            assert!(CollectorUrl::new(text).unwrap().is_encrypted());
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        for (text, says) in [
            ("http://203.0.113.9:7481", "in the clear to 203.0.113.9"),
            ("http://collector.example:7481", "in the clear to collector.example"),
            ("ftp://127.0.0.1:7481", "\"ftp\" is not https"),
            ("127.0.0.1:7481", "is no collector address"),
            ("http://u:p@127.0.0.1", "password"),
            ("http://127.0.0.1/x", "nothing may follow"),
        ] {
            let said = CollectorUrl::new(text).unwrap_err().to_string();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
