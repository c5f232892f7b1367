//! TLS as a client, with the provider named: never the process's default, which another crate may
//! set or fail to set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use parallax_model::{ErrorKind, Stage};

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

/// The system's roots (Mozilla's where a bare machine has none) and those of `extra_ca`.
pub(super) fn client_config(extra_ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(system.certs);
    if taken == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(file) = extra_ca {
        add_file(&mut roots, file)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // every look is a whole handshake: a resumed one would not show an expired certificate
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The same, for a peer that must speak `protocol`.
pub(super) fn speaking(config: &ClientConfig, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), TlsError> {
    let wrong = |why: String| TlsError::ExtraCa { file: file.to_owned(), why };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))?;
    let mut found = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
        found += 1;
    }
    if found == 0 { Err(wrong("it holds no certificate".into())) } else { Ok(()) }
}

/// Shakes hands as a client of `host`.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
    course: &mut Course<'_>,
) -> Result<TlsStream<TcpStream>, Failure> {
    course.begin(Stage::Tls);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
        Failure::new(ErrorKind::Internal, format!("{host:?} cannot be a certificate's name"))
    })?;
    // else the request waits for the peer's word on our last flight
    stream.set_nodelay(true).map_err(|e| Failure::new(ErrorKind::Internal, e.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(name, stream).await.map_err(|e| Failure::shaking_hands(&e, host))
}
