//! What somebody pastes to let an agent join.
//!
//! `plx1_` and 60 bytes in base64url without padding: the SHA-256 of the authority's certificate, the
//! token's number, its secret, and a checksum over all of it. The checksum is there for people who lose
//! a character on the way; it keeps nobody out.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "plx1_";
const AUTHORITY: usize = 32;
const ID: usize = 8;
const SECRET: usize = 16;
const SUMMED: usize = AUTHORITY + ID + SECRET;
const BYTES: usize = SUMMED + 4;

/// The name in every collector's certificate, whatever its address: an authority that vouches for other
/// servers, too, makes no collectors of them.
pub const COLLECTOR_NAME: &str = "collector.parallax.internal";

/// Leave to join, and by which certificate the right collector is known.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the DER certificate of the collector's authority.
    pub authority: [u8; AUTHORITY],
    /// Which token; no secret.
    pub id: [u8; ID],
    /// What proves it.
    pub secret: [u8; SECRET],
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not even alike.
    #[error(
        "this is no join token: one begins with {PREFIX} and comes from `parallax token create`"
    )]
    Foreign,
    /// Something is missing, too much, or another.
    #[error(
        "this join token is damaged: a part of it was lost or changed on the way; copy the whole \
         line that `parallax token create` printed"
    )]
    Damaged,
}

impl FromStr for JoinToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(InvalidToken::Foreign)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidToken::Damaged)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| InvalidToken::Damaged)?;
        let (summed, sum) = bytes.split_at(SUMMED);
        if crc32fast::hash(summed).to_be_bytes() != sum {
            return Err(InvalidToken::Damaged);
        }
        let (authority, rest) = summed.split_at(AUTHORITY);
        let (id, secret) = rest.split_at(ID);
        let mut token = Self { authority: [0; AUTHORITY], id: [0; ID], secret: [0; SECRET] };
        token.authority.copy_from_slice(authority);
        token.id.copy_from_slice(id);
        token.secret.copy_from_slice(secret);
        Ok(token)
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&self.authority);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for JoinToken {
    /// Without its secret: what is logged must not let anybody in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: JoinToken = JoinToken { authority: [7; 32], id: [1; 8], secret: [255; 16] };

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let text = TOKEN.to_string();
        assert_eq!(text.len(), 85);
        assert_eq!(format!(" {text}\n").parse(), Ok(TOKEN));
    }

    #[test]
    fn every_lost_or_changed_character_is_noticed() {
        let text = TOKEN.to_string();
        for at in PREFIX.len()..text.len() {
            let mut short = text.clone();
            short.remove(at);
            assert_eq!(short.parse::<JoinToken>(), Err(InvalidToken::Damaged), "without {at}");
            let mut other = text.clone();
            other.replace_range(at..=at, if other.as_bytes()[at] == b'x' { "y" } else { "x" });
            assert_eq!(other.parse::<JoinToken>(), Err(InvalidToken::Damaged), "changed {at}");
        }
        assert_eq!("hello".parse::<JoinToken>(), Err(InvalidToken::Foreign));
        assert_eq!("".parse::<JoinToken>(), Err(InvalidToken::Foreign));
    }

    #[test]
    fn its_secret_is_not_said() {
        assert!(!format!("{TOKEN:?}").contains("255"));
    }
}
