//! Authorities and client certificates that a target names, and the agent's owner gave.

use std::path::PathBuf;
use std::sync::Arc;

use parallax_model::{Family, GrpcCheck, TlsCheck, TlsOptions};
use rcgen::{CertifiedIssuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;

use super::super::{Belongings, ClientCertificate};
use super::tls::{answering, authority, https, leaf};
use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A server that takes only clients whom `authority` vouches for, and is vouched for by it itself.
async fn asking(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    h2: bool,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf("127.0.0.1", 4000).signed_by(&key, authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    if h2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    answering(config).await
}

/// What the agent's owner wrote: authority `corp`, certificate `me` by `issuer` for these hosts.
fn owning(folder: &TempDir, corp: &Authority, issuer: &Authority, hosts: &[&str]) -> Surroundings {
    let at = |name: &str, text: String| -> PathBuf {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let key = KeyPair::generate().unwrap();
    let certificate = leaf("me", 4000).signed_by(&key, issuer).unwrap();
    let me = ClientCertificate {
        file: at("me.pem", certificate.pem()),
        key: at("me.key", key.serialize_pem()),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
    };
    plain().with(Belongings {
        authorities: BTreeMap::from([("corp".to_owned(), at("corp.pem", corp.pem()))]),
        certificates: BTreeMap::from([("me".to_owned(), me)]),
        ..Belongings::default()
    })
}

fn options(authority: Option<&str>, certificate: Option<&str>) -> TlsOptions {
    let [authority, certificate] = [authority, certificate].map(|name| name.map(str::to_owned));
    TlsOptions { authority, certificate, ..TlsOptions::default() }
}

async fn look_by(check: Check, around: &Surroundings) -> ProbeResult {
    look(&target(check, PATIENCE), around, Timestamp::EPOCH, false).await
}

fn http(address: SocketAddr, tls: TlsOptions) -> Check {
    Check::Http(HttpCheck { tls, ..get(&format!("https://{address}/")) })
}

fn tls(address: SocketAddr, tls: TlsOptions) -> Check {
    let address = address.to_string();
    Check::Tls(TlsCheck { address, talk: vec![], tls, family: Family::Any, assertions: vec![] })
}

#[tokio::test]
async fn an_authority_that_is_named_is_trusted_alone() {
    let (corp, other, folder) = (authority("corp"), authority("other"), TempDir::new().unwrap());
    let around = owning(&folder, &corp, &corp, &[]);
    let (ours, theirs) =
        (https(&corp, "127.0.0.1", 4000).await, https(&other, "127.0.0.1", 4000).await);
    for make in [http, tls] {
        let named = look_by(make(ours, options(Some("corp"), None)), &around).await;
        assert_eq!(named.outcome, Outcome::Ok, "{}", detail(&named));
        for check in [make(ours, options(None, None)), make(theirs, options(Some("corp"), None))] {
            let result = look_by(check, &around).await;
            assert_eq!(kind(&result), Some(ErrorKind::CertUntrusted), "{}", detail(&result));
        }
    }
    // a renewed file is used at once
    std::fs::write(folder.path().join("corp.pem"), other.pem()).unwrap();
    let renewed = look_by(http(theirs, options(Some("corp"), None)), &around).await;
    assert_eq!(renewed.outcome, Outcome::Ok, "{}", detail(&renewed));
}

#[tokio::test]
async fn what_the_owner_did_not_give_is_no_evidence() {
    let (corp, folder) = (authority("corp"), TempDir::new().unwrap());
    let around = owning(&folder, &corp, &corp, &["elsewhere.test"]);
    let address = https(&corp, "127.0.0.1", 4000).await;
    for (options, expected, says) in [
        (options(Some("none"), None), ErrorKind::PolicyDenied, "add [authorities.none]"),
        (options(None, Some("none")), ErrorKind::PolicyDenied, "add [certificates.none]"),
        (options(None, Some("me")), ErrorKind::PolicyDenied, "its hosts are elsewhere.test"),
    ] {
        let result = look_by(http(address, options), &around).await;
        assert_eq!(kind(&result), Some(expected));
        assert!(detail(&result).contains(says), "{}", detail(&result));
        assert!(result.stages.connect.is_none());
    }
    std::fs::write(folder.path().join("corp.pem"), "nothing").unwrap();
    let result = look_by(http(address, options(Some("corp"), None)), &around).await;
    assert_eq!(kind(&result), Some(ErrorKind::Internal));
    assert!(detail(&result).contains("corp.pem: it holds no certificate"), "{}", detail(&result));
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_told() {
    let (corp, other, folder) = (authority("corp"), authority("other"), TempDir::new().unwrap());
    let around = owning(&folder, &corp, &corp, &["127.0.0.1"]);
    let folder = TempDir::new().unwrap();
    let stranger = owning(&folder, &corp, &other, &["127.0.0.1"]);
    for version in [&TLS12, &TLS13] {
        let address = asking(&corp, &[version], false).await;
        for make in [http, tls] {
            let known = look_by(make(address, options(Some("corp"), Some("me"))), &around).await;
            assert_eq!(known.outcome, Outcome::Ok, "{version:?}: {}", detail(&known));
            let unknown =
                look_by(make(address, options(Some("corp"), Some("me"))), &stranger).await;
            assert_eq!(
                kind(&unknown),
                Some(ErrorKind::Blocked),
                "{version:?} {}",
                detail(&unknown)
            );
            assert_eq!(detail(&unknown), "the server does not take our certificate: UnknownCA");
            assert!(unknown.stages.tls.is_some());
        }
        let nobody = look_by(http(address, options(Some("corp"), None)), &around).await;
        assert_eq!(kind(&nobody), Some(ErrorKind::Blocked), "{version:?} {}", detail(&nobody));
        assert_eq!(detail(&nobody), "the server wants a client certificate");
    }
}

#[tokio::test]
async fn over_http2_it_is_told_the_same() {
    let (corp, folder) = (authority("corp"), TempDir::new().unwrap());
    let around = owning(&folder, &corp, &corp, &["127.0.0.1"]);
    let address = asking(&corp, &[&TLS13], true).await;
    let check = GrpcCheck {
        address: address.to_string(),
        tls: Some(options(Some("corp"), None)),
        service: String::new(),
    };
    let web = HttpCheck {
        tls: options(Some("corp"), None),
        http2: true,
        ..get(&format!("https://{address}/"))
    };
    for check in [Check::Grpc(check), Check::Http(web)] {
        let result = look_by(check, &around).await;
        assert_eq!(kind(&result), Some(ErrorKind::Blocked), "{}", detail(&result));
        assert_eq!(detail(&result), "the server wants a client certificate");
    }
}

#[tokio::test]
async fn a_redirect_elsewhere_takes_no_certificate_along() {
    let (corp, folder) = (authority("corp"), TempDir::new().unwrap());
    let around = owning(&folder, &corp, &corp, &["127.0.0.1"]);
    let elsewhere = asking(&corp, &[&TLS13], false).await;
    let from = saying(format!("HTTP/1.1 302 X\r\nlocation: https://{elsewhere}/\r\n\r\n")).await;
    let tls = TlsOptions { any_certificate: true, ..options(Some("corp"), Some("me")) };
    let check = Check::Http(HttpCheck { tls, ..get(&format!("http://{from}/")) });
    let result = look_by(check, &around).await;
    assert_eq!(kind(&result), Some(ErrorKind::Blocked), "{}", detail(&result));
}
