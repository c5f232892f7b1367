//! TLS as the collector speaks it: first the handshake, then the judgement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_model::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{Identity, IdentityError};

/// How long a certificate of the collector's own holds, and after what time it is made anew. Nobody has
/// to keep it: agents know the authority.
const OWN_LIFETIME: Duration = Duration::from_hours(30 * 24);
const OWN_RENEWED: Duration = Duration::from_hours(7 * 24);

pub(super) fn server(
    identity: &Arc<Identity>,
    now: fn() -> Timestamp,
) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = OwnCertificate {
        identity: Arc::clone(identity),
        provider: Arc::clone(&provider),
        now,
        made: Mutex::new(None),
    };
    own.current()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Lenient { provider }))
        .with_cert_resolver(Arc::new(own));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // a resumed connection would show no certificate
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// Takes every certificate whose key is at hand there; who it is for is judged later, in words.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        // who has not joined yet has none
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The collector's own certificate, always fresh.
struct OwnCertificate {
    identity: Arc<Identity>,
    provider: Arc<CryptoProvider>,
    now: fn() -> Timestamp,
    made: Mutex<Option<(Timestamp, Arc<CertifiedKey>)>>,
}

impl OwnCertificate {
    fn current(&self) -> Result<Arc<CertifiedKey>, IdentityError> {
        let now = (self.now)();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) =
            made.as_ref().filter(|(at, _)| now >= *at && now.since(*at) < OWN_RENEWED)
        {
            return Ok(Arc::clone(key));
        }
        let (chain, key) = self.identity.authority.server(now, now + OWN_LIFETIME)?;
        let key = Arc::new(CertifiedKey::from_der(chain, key, &self.provider)?);
        *made = Some((now, Arc::clone(&key)));
        Ok(key)
    }
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().inspect_err(|why| tracing::error!(%why, "no certificate for agents")).ok()
    }
}
