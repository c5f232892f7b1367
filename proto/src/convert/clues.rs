//! Clues: foreign text, cut to its bounds at the door.

use parallax_model::clues::{CHAIN_MAX, CLUE_BYTES_MAX, CLUE_HEADERS_MAX, DIAGNOSIS_BYTES_MAX};
use parallax_model::{Certificate, Clues, TlsClue};

use crate::pb;

/// Bytes of a SHA-256.
const FINGERPRINT_BYTES: usize = 32;

pub(super) fn to_wire(clues: &Clues) -> pb::Clues {
    let header =
        |(name, value): &(String, String)| pb::Header { name: name.clone(), value: value.clone() };
    pb::Clues {
        http_version: clues.http_version.clone().unwrap_or_default(),
        headers: clues.headers.iter().map(header).collect(),
        tls: clues.tls.as_ref().map(|tls| pb::TlsClue {
            version: tls.version.clone(),
            cipher: tls.cipher.clone(),
            chain: tls.chain.iter().map(certificate_to_wire).collect(),
        }),
        diagnosis: clues.diagnosis.clone().unwrap_or_default(),
    }
}

fn certificate_to_wire(certificate: &Certificate) -> pb::Certificate {
    pb::Certificate {
        fingerprint_sha256: bytes_of(&certificate.fingerprint_sha256),
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        serial: certificate.serial.clone(),
        alternative_names: certificate.alternative_names.clone(),
        not_before_s: certificate.not_before_s,
        not_after_s: certificate.not_after_s,
    }
}

/// Never refuses: what is too long is cut, what is too many left out. A batch must not be lost for what
/// only helps.
pub(super) fn from_wire(wire: &pb::Clues) -> Clues {
    let header = |h: &pb::Header| (cut(&h.name), cut(&h.value));
    Clues {
        http_version: (!wire.http_version.is_empty()).then(|| cut(&wire.http_version)),
        headers: wire.headers.iter().take(CLUE_HEADERS_MAX).map(header).collect(),
        tls: wire.tls.as_ref().map(|tls| TlsClue {
            version: cut(&tls.version),
            cipher: cut(&tls.cipher),
            chain: tls.chain.iter().take(CHAIN_MAX).map(certificate_from_wire).collect(),
        }),
        diagnosis: (!wire.diagnosis.is_empty())
            .then(|| cut_to(&wire.diagnosis, DIAGNOSIS_BYTES_MAX)),
    }
}

fn certificate_from_wire(wire: &pb::Certificate) -> Certificate {
    let known = wire.fingerprint_sha256.len() == FINGERPRINT_BYTES;
    Certificate {
        fingerprint_sha256: if known { hex(&wire.fingerprint_sha256) } else { String::new() },
        subject: cut(&wire.subject),
        issuer: cut(&wire.issuer),
        serial: cut(&wire.serial),
        alternative_names: cut(&wire.alternative_names),
        not_before_s: wire.not_before_s,
        not_after_s: wire.not_after_s,
    }
}

fn cut(text: &str) -> String {
    cut_to(text, CLUE_BYTES_MAX)
}

fn cut_to(text: &str, bytes_max: usize) -> String {
    let text = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|d| char::from_digit(d.into(), 16).unwrap_or('0')));
    }
    text
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pair = |at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map_while(pair).collect()
}
