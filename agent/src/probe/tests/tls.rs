use std::io::Write;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

pub(super) fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn trusting(authority: &CertifiedIssuer<'static, KeyPair>) -> Surroundings {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(authority.pem().as_bytes()).unwrap();
    Surroundings::new(Some(file.path()), BTreeMap::new()).unwrap()
}

/// A server whose certificate is for `name` and valid until `year`.
pub(super) async fn https(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    year: i32,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf(name, year).signed_by(&key, authority).unwrap();
    presenting(vec![certificate.der().clone()], &key).await
}

pub(super) fn leaf(name: &str, year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    params
}

/// A server whose certificate is signed by an intermediate of `root` that it does not send, or by itself.
pub(super) async fn chained(
    root: Option<&CertifiedIssuer<'static, KeyPair>>,
    name: &str,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = match root {
        None => leaf(name, 4000).self_signed(&key).unwrap(),
        Some(root) => {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name.push(DnType::CommonName, "between");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let between =
                CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), root).unwrap();
            leaf(name, 4000).signed_by(&key, &between).unwrap()
        }
    };
    presenting(vec![certificate.der().clone()], &key).await
}

async fn presenting(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> SocketAddr {
    answering(config(chain, key)).await
}

pub(super) fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

/// A server that answers HTTPS so.
pub(super) async fn answering(config: ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            // a client that does not like the certificate goes away
            if stream.read(&mut request).await.unwrap_or_default() == 0 {
                continue;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    address
}

async fn look_at(address: SocketAddr, around: &Surroundings) -> ProbeResult {
    let check = Check::Http(get(&format!("https://{address}/")));
    look(&target(check, PATIENCE), around, Timestamp::EPOCH, false).await
}

#[tokio::test]
async fn a_trusted_certificate_is_fine_and_its_handshake_timed() {
    let authority = authority("ours");
    let address = https(&authority, "127.0.0.1", 4000).await;
    let result = look_at(address, &trusting(&authority)).await;
    assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
    assert!(result.stages.tls.is_some());
}

#[tokio::test]
async fn a_bad_certificate_says_what_is_bad() {
    let (ours, other) = (authority("ours"), authority("another"));
    let around = trusting(&ours);
    for (address, expected, says) in [
        (https(&ours, "127.0.0.1", 2021).await, ErrorKind::CertExpired, "has expired"),
        (https(&other, "127.0.0.1", 4000).await, ErrorKind::CertUntrusted, "no trusted root"),
        (https(&ours, "127.0.0.2", 4000).await, ErrorKind::CertName, "not for 127.0.0.1"),
    ] {
        let result = look_at(address, &around).await;
        assert_eq!(kind(&result), Some(expected), "{}", detail(&result));
        assert!(detail(&result).contains(says), "{}", detail(&result));
        assert!(result.stages.tls.is_some() && result.stages.first_byte.is_none());
    }
}

/// A server that treats each fresh connection by `how`.
pub(super) async fn greeting<F, Fut>(how: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(how(stream));
        }
    });
    address
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_fails_the_handshake() {
    let mail = greeting(|mut stream| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let closing = greeting(|mut stream| async move {
        // all that was sent is read, or the kernel would reset instead of closing
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    });
    let resetting = greeting(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        reset(stream);
    });
    for (address, expected) in [
        (mail.await, ErrorKind::TlsHandshake),
        (closing.await, ErrorKind::TlsHandshake),
        (resetting.await, ErrorKind::Reset),
    ] {
        let result = look_at(address, &plain()).await;
        assert_eq!(kind(&result), Some(expected), "{}", detail(&result));
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_timeout() {
    let silent = greeting(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let check = Check::Http(get(&format!("https://{}/", silent.await)));
    let result = look(&target(check, BRIEF), &plain(), Timestamp::EPOCH, false).await;
    assert_eq!(kind(&result), Some(ErrorKind::Timeout));
    assert_eq!(detail(&result), "TLS handshake not finished within 200ms");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"nothing here").unwrap();
    let said = Surroundings::new(Some(file.path()), BTreeMap::new()).unwrap_err().to_string();
    assert!(said.contains("holds no certificate"), "{said}");
    let missing = std::path::Path::new("/nowhere/ca.pem");
    assert!(Surroundings::new(Some(missing), BTreeMap::new()).is_err());
}
