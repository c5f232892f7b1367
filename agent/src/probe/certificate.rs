//! Certificates as they were presented, put into words. Nothing here verifies.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_model::Certificate;
use parallax_model::clues::{CHAIN_MAX, CLUE_BYTES_MAX};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Largest certificate that is taken apart; real ones have 1 to 3 KiB.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// Most names of one certificate that are told.
const NAMES_MAX: usize = 16;

/// Most chains remembered; then all are forgotten.
const CHAINS_MAX: usize = 256;

/// Chains that were put into words before. Looks are many, chains are few.
#[derive(Debug, Default)]
pub(super) struct Chains {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Arc<[Certificate]>>>,
}

impl Chains {
    /// The chain in words, the peer's own certificate first. One that cannot be read has its fingerprint.
    pub(super) fn told(&self, presented: &[CertificateDer<'_>]) -> Arc<[Certificate]> {
        let key = self.hasher.hash_one(presented);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CHAINS_MAX {
            known.clear();
        }
        let put = || presented.iter().take(CHAIN_MAX).map(one).collect();
        Arc::clone(known.entry(key).or_insert_with(put))
    }
}

pub(super) fn one(der: &CertificateDer<'_>) -> Certificate {
    let fingerprint_sha256 = fingerprint(der);
    let small = der.len() <= CERTIFICATE_BYTES_MAX;
    let Some((_, parsed)) = X509Certificate::from_der(der).ok().filter(|_| small) else {
        return Certificate { fingerprint_sha256, ..Certificate::default() };
    };
    Certificate {
        fingerprint_sha256,
        subject: cut(&parsed.subject().to_string()),
        issuer: cut(&parsed.issuer().to_string()),
        serial: cut(&parsed.raw_serial_as_string().replace(':', "")),
        alternative_names: cut(&names(&parsed)),
        not_before_s: parsed.validity().not_before.timestamp(),
        not_after_s: parsed.validity().not_after.timestamp(),
    }
}

fn fingerprint(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let mut text = String::with_capacity(2 * digest.as_ref().len());
    for byte in digest.as_ref() {
        text.extend([byte >> 4, byte & 15].map(|d| char::from_digit(d.into(), 16).unwrap_or('0')));
    }
    text
}

fn names(parsed: &X509Certificate<'_>) -> String {
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return String::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => address(octets),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    };
    let names = names.value.general_names.iter().filter_map(name).take(NAMES_MAX);
    names.collect::<Vec<_>>().join(",")
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok().map(|ip| ip.to_string())
}

/// At most so much, at a character's edge, without control characters.
pub(super) fn cut(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(CLUE_BYTES_MAX)).unwrap_or_default();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
