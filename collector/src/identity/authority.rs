//! The authority: one key that signs the collector's own certificate and those of its agents.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use parallax_model::{AgentName, Timestamp};
use parallax_proto::COLLECTOR_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, SerialNumber,
};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::refusal::date;
use super::{IdentityError, Refusal, files, register};

/// How long our own authority holds. It is the one thing that agents cannot renew by themselves.
const AUTHORITY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// Certificates begin so long before they are made: clocks differ.
const EARLY: Duration = Duration::from_hours(1);

/// The file of our own authority.
pub(super) const CERTIFICATE: &str = "ca.pem";

/// Longest request taken, in bytes; ours have 300.
const CSR_BYTES_MAX: usize = 8 * 1024;

/// An authority of the owner's, as the configuration names it. Both files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Signs.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// A certificate that was made.
pub(super) struct Signed {
    pub(super) certificate: Vec<u8>,
    /// SHA-256 of the public key.
    pub(super) key: Key,
}

/// A public key, by the SHA-256 of its `SubjectPublicKeyInfo`.
pub(super) type Key = [u8; 32];

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(time.micros()).unwrap_or(0))
}

/// The key of a certificate, if it is one.
pub(super) fn key_of(certificate: &[u8]) -> Option<Key> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(sha256(parsed.public_key().raw))
}

impl Authority {
    /// Reads the owner's authority, or ours, which is made if there is none.
    pub(super) fn open(
        folder: &Path,
        own: Option<&Own>,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let ours = Own { certificate: folder.join(CERTIFICATE), key: folder.join("ca.key") };
        if own.is_none() && !ours.certificate.exists() && !ours.key.exists() {
            let (certificate, key) = make(now)?;
            files::write(&ours.key, key.as_bytes())?;
            files::write(&ours.certificate, certificate.as_bytes())?;
        }
        Self::read(own.unwrap_or(&ours))
    }

    fn read(files: &Own) -> Result<Self, IdentityError> {
        let text = |file: &Path| {
            let gone = || IdentityError::File {
                what: "find",
                file: file.to_owned(),
                why: std::io::ErrorKind::NotFound.into(),
            };
            files::read(file)?.ok_or_else(gone)
        };
        let damaged =
            |file: &Path, why: String| IdentityError::Damaged { file: file.to_owned(), why };
        let certificate = CertificateDer::from_pem_slice(text(&files.certificate)?.as_bytes())
            .map_err(|e| damaged(&files.certificate, e.to_string()))?;
        let key = KeyPair::from_pem(&text(&files.key)?)
            .map_err(|e| damaged(&files.key, e.to_string()))?;
        if key_of(&certificate) != Some(sha256(&key.subject_public_key_info())) {
            return Err(damaged(&files.key, "it does not fit the certificate".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|e| damaged(&files.certificate, e.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|e| damaged(&files.certificate, e.to_string()))?;
        Ok(Self { certificate, issuer, verifier })
    }

    /// Its certificate.
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// By what tokens know it.
    pub(super) fn hash(&self) -> [u8; 32] {
        sha256(&self.certificate)
    }

    /// Holds a certificate to be one of its own that is valid `now`; `whose` names it if it is over.
    pub(super) fn verify(
        &self,
        certificate: &[u8],
        now: Timestamp,
        whose: &dyn Fn() -> String,
    ) -> Result<(), Refusal> {
        let certificate = CertificateDer::from(certificate);
        let since = system_time(now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(since);
        match self.verifier.verify_client_cert(&certificate, &[], at) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Err(Refusal::Expired { name: whose(), until: date(end_of(&certificate)) }),
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Err(Refusal::NotYet),
            Err(_) => Err(Refusal::Foreign),
        }
    }

    /// Makes a certificate for an agent. Nothing of the request is taken but its key, which must have
    /// signed it.
    pub(super) fn sign(
        &self,
        csr: &[u8],
        name: &AgentName,
        begin: Timestamp,
        end: Timestamp,
    ) -> Result<Signed, Refusal> {
        if csr.len() > CSR_BYTES_MAX {
            return Err(Refusal::Request(format!("it is longer than {CSR_BYTES_MAX} bytes")));
        }
        let useless = |e: rcgen::Error| Refusal::Request(e.to_string());
        let csr = CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&csr).map_err(useless)?;
        let mut params = params(name.as_str(), begin, end).map_err(useless)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = format!("parallax://agent/{name}");
        // a name may hold what no URI does; it stands in the subject, too
        params.subject_alt_names.extend(uri.try_into().map(SanType::URI));
        request.params = params;
        let certificate = request.signed_by(&self.issuer).map_err(useless)?.der().to_vec();
        let key = key_of(&certificate)
            .ok_or_else(|| Refusal::Request("its key makes no certificate".to_owned()))?;
        Ok(Signed { certificate, key })
    }

    /// A certificate of the collector's own, with its key: agents know it by the chain alone.
    pub(super) fn server(
        &self,
        begin: Timestamp,
        end: Timestamp,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params("parallax collector", begin, end)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names.push(SanType::DnsName(COLLECTOR_NAME.try_into()?));
        let own = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok((vec![own.der().clone(), self.certificate.clone()], key))
    }
}

/// When a certificate ends.
pub(super) fn end_of(certificate: &[u8]) -> Timestamp {
    let seconds = X509Certificate::from_der(certificate)
        .map_or(0, |(_, parsed)| parsed.validity().not_after.timestamp());
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn params(name: &str, begin: Timestamp, end: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (system_time(begin) - EARLY).into();
    params.not_after = system_time(end).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let serial: [u8; 16] = register::random().map_err(|_| rcgen::Error::RemoteKeyError)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A new authority: certificate and key, PEM.
fn make(now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = params("Parallax authority", now, now + AUTHORITY_LIFETIME)?;
    // what it signed is known by its key; two authorities have two names so that logs tell them apart
    let [a, b, c, d, ..] = sha256(&key.subject_public_key_info());
    let tail = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
    params.distinguished_name.push(DnType::CommonName, format!("Parallax authority {tail}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}
