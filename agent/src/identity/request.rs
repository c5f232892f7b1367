//! A new key, what is asked for it, and what is made of the answer.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use x509_parser::prelude::{FromDer, X509Certificate};

use parallax_model::AgentName;

use super::{Credential, IdentityError, pem};

/// The next certificate is asked for after two thirds of the time that is left, or up to a tenth sooner:
/// agents that joined together need not renew together.
const RENEW_AFTER: f64 = 2.0 / 3.0;
const JITTER: f64 = 0.1;

/// A key that has no certificate yet.
#[derive(Debug)]
pub struct Request {
    key: KeyPair,
    /// PKCS#10, DER: what the collector is to sign.
    pub csr: Vec<u8>,
}

/// What a collector answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The authority, DER.
    pub authority: Vec<u8>,
    /// The agent's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its provider.
    pub provider: String,
    /// Its site, if any.
    pub site: String,
    /// The certificate's end, Unix ms.
    pub not_after_ms: u64,
    /// The collector's clock, Unix ms.
    pub now_ms: u64,
}

impl Request {
    /// Makes a key (ECDSA P-256).
    pub fn new() -> Result<Self, IdentityError> {
        let key = KeyPair::generate()?;
        let mut wish = CertificateParams::new([])?;
        // who the certificate is for is the collector's to say
        wish.distinguished_name = rcgen::DistinguishedName::new();
        let csr = wish.serialize_request(&key)?.der().to_vec();
        Ok(Self { key, csr })
    }

    /// What is to be kept, if the answer is for this key. `now_ms` is this machine's clock.
    pub fn credential(
        &self,
        collector: &str,
        granted: &Granted,
        now_ms: u64,
    ) -> Result<Credential, IdentityError> {
        AgentName::new(&granted.name)?;
        let (_, certificate) = X509Certificate::from_der(&granted.certificate)
            .map_err(|e| IdentityError::Answer(format!("its certificate is none ({e})")))?;
        if certificate.public_key().raw != self.key.subject_public_key_info() {
            return Err(IdentityError::Answer("its certificate is for another key".into()));
        }
        let left = Duration::from_millis(granted.not_after_ms.saturating_sub(granted.now_ms));
        let wait = left.mul_f64(RENEW_AFTER * (1.0 - JITTER * fastrand::f64()));
        Ok(Credential {
            collector: collector.to_owned(),
            name: granted.name.clone(),
            region: granted.region.clone(),
            provider: granted.provider.clone(),
            site: granted.site.clone(),
            not_after_ms: granted.not_after_ms,
            renew_at_ms: now_ms.saturating_add(wait.as_millis() as u64),
            ca: pem::of_certificate(&granted.authority),
            certificate: pem::of_certificate(&granted.certificate),
            key: self.key.serialize_pem(),
        })
    }
}
