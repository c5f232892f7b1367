//! What helps a person to find the cause of a result: who answered, and what was shown on the way.

use std::sync::Arc;

/// Most headers kept of one answer.
pub const CLUE_HEADERS_MAX: usize = 10;

/// Longest header value, name or subject kept, in bytes.
pub const CLUE_BYTES_MAX: usize = 128;

/// Longest diagnosis kept, in bytes.
pub const DIAGNOSIS_BYTES_MAX: usize = 256;

/// Most certificates kept of one chain; real ones have two to four.
pub const CHAIN_MAX: usize = 6;

/// Clues of one look. Those of a good look are few and the same from look to look; a failed one also
/// keeps the headers that name the machine which answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clues {
    /// The protocol the answer came by: `1.1`, `2`.
    pub http_version: Option<String>,
    /// `server`, `via`, `cf-ray` and their like, names in lower case, at most [`CLUE_HEADERS_MAX`].
    pub headers: Vec<(String, String)>,
    /// What was agreed on in the TLS handshake, whether or not the certificate is valid.
    pub tls: Option<TlsClue>,
    /// What the agent found out about an earlier failure of the same target that goes on, at most
    /// [`DIAGNOSIS_BYTES_MAX`] bytes.
    pub diagnosis: Option<String>,
}

impl Clues {
    /// True if there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A TLS handshake that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsClue {
    /// `TLS 1.3`.
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What the peer presented, its own certificate first, at most [`CHAIN_MAX`].
    pub chain: Arc<[Certificate]>,
}

impl TlsClue {
    /// When the first certificate of the chain expires, seconds since the Unix epoch.
    pub fn earliest_expiry_s(&self) -> Option<i64> {
        self.chain.iter().map(|c| c.not_after_s).min()
    }
}

/// A certificate as it was presented. Nothing here was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// SHA-256 of its bytes, lower-case hex.
    pub fingerprint_sha256: String,
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number, hex.
    pub serial: String,
    /// Names and addresses it is for, separated by commas; cut.
    pub alternative_names: String,
    /// From when it is valid, seconds since the Unix epoch.
    pub not_before_s: i64,
    /// Until when it is valid, seconds since the Unix epoch.
    pub not_after_s: i64,
}
