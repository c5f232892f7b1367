//! HTTP: what is asked for, and what its answer must be.

use super::{Assertion, Family, TlsOptions};

/// How far a body is read where nothing is said: what an assertion looks for stands near the top, and a
/// probe is no download.
pub const BODY_BYTES_USUAL: u32 = 1 << 20;

/// An HTTP(S) request and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Absolute `http://` or `https://` address; validated where it was configured.
    pub url: String,
    /// Request method, upper case.
    pub method: String,
    /// Statuses that are fine.
    pub status: StatusSet,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// How many redirects are followed; the last answer is judged. 0: the first answer is judged.
    pub redirects_max: u8,
    /// Headers sent beside the usual ones; one of the same name (`host`, too) replaces the usual.
    pub headers: Vec<(String, String)>,
    /// The request's body.
    pub body: Option<String>,
    /// Offer HTTP/2 in the TLS handshake, and speak what the server picks.
    pub http2: bool,
    /// Ask for a compressed answer. One that comes compressed unasked is understood, too.
    pub compression: bool,
    /// How far the answer's body is read, before and after it is decompressed.
    pub body_bytes_max: u32,
    /// Which addresses are tried.
    pub family: Family,
    /// How to shake hands with `https`.
    pub tls: TlsOptions,
    /// What else must hold.
    pub assertions: Vec<Assertion>,
    /// Which key is shown, and how.
    pub auth: Option<Auth>,
    /// Name of a proxy in the agent's own configuration, through which all is asked; none: directly.
    pub proxy: Option<String>,
}

/// How a key is shown. The key itself is known to agents alone, by this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// HTTP's basic authentication, with the key as the password.
    Basic {
        /// The user.
        user: String,
        /// The key's name.
        key: String,
    },
    /// `authorization: Bearer …`.
    Bearer {
        /// The key's name.
        key: String,
    },
    /// A header whose value is the key.
    Header {
        /// The header's name.
        name: String,
        /// The key's name.
        key: String,
    },
}

impl HttpCheck {
    /// A plain GET of `url`, answered with 200–299 at once.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: "GET".to_owned(),
            status: StatusSet::default(),
            body_contains: None,
            redirects_max: 0,
            headers: Vec::new(),
            body: None,
            http2: false,
            compression: false,
            body_bytes_max: BODY_BYTES_USUAL,
            family: Family::Any,
            tls: TlsOptions::default(),
            assertions: Vec::new(),
            auth: None,
            proxy: None,
        }
    }
}

/// Statuses that are fine, as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// From inclusive ranges within 100–599.
    pub fn new(ranges: Vec<(u16, u16)>) -> Option<Self> {
        let valid = !ranges.is_empty()
            && ranges.iter().all(|&(low, high)| 100 <= low && low <= high && high <= 599);
        valid.then_some(Self(ranges))
    }

    /// True if `status` is fine.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(low, high)| low <= status && status <= high)
    }

    /// The inclusive ranges.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

impl Default for StatusSet {
    /// 200–299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_set_holds_its_ranges_and_nothing_else() {
        let set = StatusSet::new(vec![(200, 204), (301, 301)]).unwrap();
        assert!(set.contains(200) && set.contains(204) && set.contains(301));
        assert!(!set.contains(205) && !set.contains(500));
        assert_eq!(StatusSet::new(vec![]), None);
        assert_eq!(StatusSet::new(vec![(300, 200)]), None);
        assert_eq!(StatusSet::new(vec![(99, 200)]), None);
    }
}
