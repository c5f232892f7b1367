//! Signatures as Standard Webhooks 1.0 has them, so that receivers find a library that checks them.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Shortest and longest secret, in bytes. Standard Webhooks asks for 24 at least; beyond 64, the size
/// of a block, nothing is gained.
const SECRET_BYTES: (usize, usize) = (24, 1024);

/// How a secret in base64 begins.
const PREFIX: &str = "whsec_";

/// What a receiver and we share.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// From the text of its file: `whsec_` and base64, or the secret itself. Space around it is no
    /// part of it. An error says what is wrong and what to do.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(coded) => STANDARD
                .decode(coded)
                .map_err(|_| format!("what follows {PREFIX} is no base64; copy it again"))?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < SECRET_BYTES.0 || bytes.len() > SECRET_BYTES.1 {
            return Err(format!(
                "a secret of {} bytes is not within {} and {}; make one with `openssl rand -hex 32`",
                bytes.len(),
                SECRET_BYTES.0,
                SECRET_BYTES.1
            ));
        }
        Ok(Self(bytes))
    }

    /// The signature of a message: over its key, the second in which it is sent, and its body.
    pub(super) fn sign(&self, key: &str, second: i64, body: &str) -> String {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&mac, format!("{key}.{second}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for Secret {
    /// A secret is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standards_own_example() {
        // from the test suites of the Standard Webhooks libraries
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signed =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_short_or_garbled_secret_is_refused_and_none_is_shown() {
        assert!(Secret::new("hunter2").unwrap_err().contains("7 bytes"));
        assert!(Secret::new("whsec_???").unwrap_err().contains("base64"));
        let secret = Secret::new(&"s".repeat(32)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
