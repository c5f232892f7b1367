//! TLS towards one collector and no other: known by its authority, whatever name it is reached by.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use parallax_proto::COLLECTOR_NAME;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error,
    PeerIncompatible, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What the road speaks inside of TLS.
const ALPN: &[u8] = b"h2";

/// How a collector is known.
#[derive(Debug)]
enum Pin {
    /// The authority's certificate has this SHA-256; the collector shows it along.
    Hash([u8; 32]),
    /// This is the authority.
    Authority(RootCertStore),
}

/// Takes a server whose chain ends in the pinned authority, and no other.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

/// TLS of an agent that has no certificate yet, towards the collector whose authority has this SHA-256.
pub fn joining(authority: [u8; 32]) -> Result<ClientConfig, Error> {
    let config = builder(Pin::Hash(authority))?.with_no_client_auth();
    Ok(finish(config))
}

/// TLS of an agent that joined.
pub(super) fn joined(
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let config = builder(Pin::Authority(roots))?.with_client_auth_cert(vec![certificate], key)?;
    Ok(finish(config))
}

fn builder(
    pin: Pin,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Pinned { pin, provider: Arc::clone(&provider) };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn finish(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    // connections are few and long; one that is resumed would show no certificate
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        // the address does not matter, but that it is a collector does: its authority may know other servers
        let name = ServerName::try_from(COLLECTOR_NAME).map_err(|_| unknown())?;
        let verify = |roots: &RootCertStore, now| {
            let own = ParsedCertificate::try_from(own)?;
            verify_server_name(&own, &name)?;
            verify_server_cert_signed_by_trust_anchor(&own, roots, others, now, algorithms)
        };
        match &self.pin {
            Pin::Authority(roots) => verify(roots, now)?,
            Pin::Hash(hash) => {
                let is_it = |der: &&CertificateDer<'_>| digest(&SHA256, der).as_ref() == hash;
                let authority = others.iter().find(is_it).ok_or_else(unknown)?;
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone().into_owned())?;
                // who joins with a wrong clock is told so by the collector, which names both clocks
                verify(&roots, begin(own)?)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
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

fn unknown() -> Error {
    CertificateError::UnknownIssuer.into()
}

/// A time at which a certificate is surely valid.
fn begin(certificate: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| Error::from(CertificateError::BadEncoding))?;
    let seconds = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0);
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// Why whoever answered is not taken for the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untrusted {
    /// Its certificate is of another authority, or no server's.
    Stranger,
    /// Its certificate is over, by this machine's clock.
    Over {
        /// This machine's clock.
        now: SystemTime,
        /// The certificate's end.
        end: SystemTime,
    },
    /// Its certificate has not begun, by this machine's clock.
    Early {
        /// This machine's clock.
        now: SystemTime,
        /// The certificate's begin.
        begin: SystemTime,
    },
    /// It speaks no TLS, or not this version of it.
    Speech(String),
}

/// What a failed handshake says of the other side; none if it only broke off.
pub fn untrusted(error: &Error) -> Option<Untrusted> {
    let at = |time: &UnixTime| SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    if let Error::InvalidCertificate(certificate) = error {
        if let CertificateError::ExpiredContext { time, not_after } = certificate {
            return Some(Untrusted::Over { now: at(time), end: at(not_after) });
        }
        if let CertificateError::NotValidYetContext { time, not_before } = certificate {
            return Some(Untrusted::Early { now: at(time), begin: at(not_before) });
        }
        return Some(Untrusted::Stranger);
    }
    let speech = if matches!(error, Error::InvalidMessage(_)) {
        "it does not speak TLS"
    } else if matches!(
        error,
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion)
    ) {
        "it does not speak TLS 1.3"
    } else if matches!(error, Error::NoApplicationProtocol) {
        "it does not speak HTTP/2"
    } else {
        return None;
    };
    Some(Untrusted::Speech(speech.to_owned()))
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |time: &SystemTime| humantime::format_rfc3339_seconds(*time);
        match self {
            Self::Stranger => {
                f.write_str("its certificate is of another authority, or no collector's")
            }
            Self::Over { now, end } => write!(
                f,
                "its certificate ended at {}, and this machine's clock says {}: one of the two clocks \
                 is wrong; set it",
                when(end),
                when(now)
            ),
            Self::Early { now, begin } => write!(
                f,
                "its certificate begins at {}, and this machine's clock says {}: one of the two \
                 clocks is wrong; set it",
                when(begin),
                when(now)
            ),
            Self::Speech(what) => f.write_str(what),
        }
    }
}
