//! What strangers send in answer to a look, and what this room makes of it: a function a parser, for
//! `tests/fuzz` and nobody else.
//!
//! Contract: whatever the bytes, nothing panics, and what is said of a bound or a shape holds.

use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use parallax_model::clues::CLUE_BYTES_MAX;
use parallax_model::{Assertion, DnsCheck, DnsTransport, Must, Rcode, RecordType};
use rustls_pki_types::CertificateDer;

use super::assertion::{self, Answer};
use super::timing::{Course, Mark};
use super::{body, certificate, connect, dns, echo};

pub use super::llm::events;

/// How far a body is unpacked here.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A body, and its coding by the first byte.
pub fn bodies(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let coding = ["gzip", "br", "zstd"][usize::from(first % 3)];
    let headers: HeaderMap =
        [(CONTENT_ENCODING, HeaderValue::from_static(coding))].into_iter().collect();
    if let Ok(plain) = body::plain(&headers, rest.to_vec(), first & 0x80 == 0, BODY_BYTES_MAX) {
        assert!(plain.len() <= BODY_BYTES_MAX);
    }
}

/// A JSON path, a word that is looked for, and a body, a line each.
pub fn assertions(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut text =
        || parts.next().map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default();
    let (path, word, body) = (text(), text(), text());
    let musts = [
        Must::Exist,
        Must::BeAbsent,
        Must::Equal(word.clone()),
        Must::Lack(word.clone()),
        Must::Match(word.clone()),
        Must::AtLeast(word),
    ];
    let mark = Mark::new(Instant::now());
    let course = Course::new(&mark, Instant::now() + Duration::from_secs(1));
    let answer = Answer { headers: None, body: body.as_bytes() };
    for must in musts {
        for assertion in
            [Assertion::Json { path: path.clone(), must: must.clone() }, Assertion::Body(must)]
        {
            drop(assertion::judge(&[assertion], &answer, &course));
        }
    }
    assert!(assertion::shown(body.as_bytes()).len() <= 1000);
}

/// A server's answer; what is asked of it by the first byte.
pub fn dns_answers(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(answer) = Message::from_vec(rest) else { return };
    let mark = Mark::new(Instant::now());
    let mut course = Course::new(&mark, Instant::now() + Duration::from_secs(1));
    let bit = |n: u8| first & (1 << n) != 0;
    let check = DnsCheck {
        transport: DnsTransport::Udp,
        rcode: if bit(0) { Rcode(3) } else { Rcode::NO_ERROR },
        answer_contains: bit(1).then(|| "a".to_owned()),
        answers: if bit(2) { vec!["192.0.2.1".to_owned()] } else { vec![] },
        authority_contains: bit(3).then(|| "a".to_owned()),
        ttl_s: bit(4).then_some((10, 100)),
        ..DnsCheck::new("shop.test", if bit(5) { RecordType(255) } else { RecordType(1) })
    };
    drop(dns::judge(&check, &answer, &mut course));
}

/// A packet that came to an echo socket.
pub fn echoes(bytes: &[u8]) {
    for version in [echo::Version::V4, echo::Version::V6] {
        if let Some(reply) = echo::reply(version, bytes) {
            assert!(bytes.len() >= 16, "{reply:?}");
        }
    }
}

/// A certificate, as it was presented.
///
/// # Panics
/// If a word of it is too long.
pub fn certificates(bytes: &[u8]) {
    let told = certificate::one(&CertificateDer::from(bytes));
    assert_eq!(told.fingerprint_sha256.len(), 64);
    for text in [told.subject, told.issuer, told.serial, told.alternative_names] {
        assert!(text.len() <= CLUE_BYTES_MAX);
    }
}

/// An address as targets have it.
pub fn addresses(bytes: &[u8]) {
    if let Ok((host, port)) = connect::host_and_port(&String::from_utf8_lossy(bytes)) {
        assert!(bytes.len() > host.len().min(1) || port == 0);
    }
}
