//! TLS as a client, with the provider named: never the process's default, which another crate may
//! set or fail to set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use parallax_model::{ErrorKind, Stage, TlsClue, TlsOptions};

use super::certificate::Chains;
use super::failure::Failure;
use super::timing::Course;

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with extra certificates is unreadable or no PEM.
    #[error("cannot read certificates from {}: {why}", file.display())]
    ExtraCa {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The library refuses its own provider.
    #[error("cannot set up TLS: {0}")]
    Provider(#[from] rustls::Error),
}

/// How looks shake hands: whatever is presented is taken and recorded, and judged afterwards, so that an
/// expired certificate can be shown rather than only refused. No byte of a request is sent before.
#[derive(Debug, Clone)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    judge: Arc<WebPkiServerVerifier>,
    chains: Arc<Chains>,
}

/// The system's roots (Mozilla's where a bare machine has none) and those of `extra_ca`.
pub(super) fn client(extra_ca: Option<&Path>) -> Result<Client, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(system.certs);
    if taken == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(file) = extra_ca {
        add_file(&mut roots, file)
            .map_err(|why| TlsError::ExtraCa { file: file.to_owned(), why })?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let judge = judge(roots, &provider)?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // every look is a whole handshake: a resumed one would not show an expired certificate
    config.resumption = Resumption::disabled();
    Ok(Client { config: Arc::new(config), judge, chains: Arc::default() })
}

/// The same, offering these protocols.
pub(super) fn offering(client: &Client, protocols: &[&[u8]]) -> Client {
    let mut config = ClientConfig::clone(&client.config);
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Client { config: Arc::new(config), ..client.clone() }
}

/// The same, trusting these roots alone.
pub(super) fn trusting(client: &Client, roots: RootCertStore) -> Result<Client, rustls::Error> {
    Ok(Client { judge: judge(roots, client.config.crypto_provider())?, ..client.clone() })
}

/// The same, showing this certificate where one is asked for.
pub(super) fn showing(
    client: &Client,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Client, rustls::Error> {
    let own = CertifiedKey::from_der(chain, key, client.config.crypto_provider())?;
    let mut config = ClientConfig::clone(&client.config);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
    Ok(Client { config: Arc::new(config), ..client.clone() })
}

fn judge(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))
}

/// Takes any chain; that its owner holds its key is still proven.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Adds the certificates of a PEM file, at least one, or says what is wrong with it.
pub(super) fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| e.to_string())?;
    let mut found = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
        found += 1;
    }
    if found == 0 { Err("it holds no certificate".into()) } else { Ok(()) }
}

/// Shakes hands as a client of `host`, records what was presented, and judges it.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    client: &Client,
    options: &TlsOptions,
    course: &mut Course<'_>,
) -> Result<TlsStream<TcpStream>, Failure> {
    // else the request waits for the peer's word on our last flight
    stream.set_nodelay(true).map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
    shake(stream, host, client, options, course).await
}

async fn shake<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    host: &str,
    client: &Client,
    options: &TlsOptions,
    course: &mut Course<'_>,
) -> Result<TlsStream<T>, Failure> {
    course.begin(Stage::Tls);
    let host = options.server_name.as_deref().unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
        Failure::new(ErrorKind::Internal, format!("{host:?} cannot be a certificate's name"))
    })?;
    let connector = TlsConnector::from(Arc::clone(&client.config));
    let stream = connector
        .connect(name.clone(), stream)
        .await
        .map_err(|e| Failure::shaking_hands(&e, host))?;
    let connection = stream.get_ref().1;
    let chain = connection.peer_certificates().unwrap_or_default();
    let told = client.chains.told(chain);
    let judged = if options.any_certificate { Ok(()) } else { client.judge(chain, &name) };
    let failure = judged.err().map(|why| Failure::judging(&why, host, &told));
    course.clues.tls = Some(TlsClue {
        version: connection.protocol_version().map(version).unwrap_or_default(),
        cipher: connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        chain: told,
    });
    failure.map_or(Ok(stream), Err)
}

impl Client {
    fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        let (own, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.judge.verify_server_cert(own, others, name, &[], UnixTime::now()).map(|_| ())
    }
}

fn version(version: ProtocolVersion) -> String {
    match version.as_str() {
        Some(word) => word.replace("TLSv1_", "TLS 1."),
        None => format!("{version:?}"),
    }
}
