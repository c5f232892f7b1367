//! Credentials on disk, and who is taken for the collector.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair,
};
use rustls::{ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::*;

/// An authority of a collector that is a stub.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
}

/// A certificate and its key, to be shown by a server.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        digest.as_ref().try_into().unwrap()
    }

    /// A server's certificate that begins and ends so many seconds from now.
    pub(crate) fn server_between(&self, begin_s: i64, end_s: i64) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new([parallax_proto::COLLECTOR_NAME.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = std::time::SystemTime::now();
        let at = |s: i64| match u64::try_from(s) {
            Ok(s) => now + Duration::from_secs(s),
            Err(_) => now - Duration::from_secs(s.unsigned_abs()),
        };
        params.not_before = at(begin_s).into();
        params.not_after = at(end_s).into();
        let own = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![own.der().clone(), self.der.clone()], key)
    }

    pub(crate) fn server(&self) -> Shown {
        self.server_between(-60, 3600)
    }

    /// Signs what an agent asks for.
    pub(crate) fn grants(&self, csr: &[u8], name: &str, lasts: Duration) -> Granted {
        let mut csr = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = csr.signed_by(&self.issuer).unwrap().der().to_vec();
        let now_ms = now_ms();
        Granted {
            certificate,
            authority: self.der.to_vec(),
            name: name.into(),
            region: "eu-west".into(),
            provider: "hetzner".into(),
            site: String::new(),
            not_after_ms: now_ms + lasts.as_millis() as u64,
            now_ms,
        }
    }

    /// An agent that joined, in this folder.
    pub(crate) fn joined(&self, folder: &Path, collector: &str, lasts: Duration) -> Identity {
        let request = Request::new().unwrap();
        let granted = self.grants(&request.csr, "a", lasts);
        Identity::keep(folder, request.credential(collector, &granted, now_ms()).unwrap()).unwrap()
    }
}

pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64
}

/// Shakes hands in memory; says why the client refused, if it did.
fn shake(
    client: &Arc<ClientConfig>,
    shown: Shown,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.0, shown.1)
        .unwrap();
    let name = ServerName::try_from("x.example").unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        let refused = server.process_new_packets().map(drop);
        // a refusal travels as an alert
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
        refused?;
        if !client.is_handshaking() {
            return Ok(());
        }
    }
    panic!("the handshake does not end");
}

const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn stranger(shaken: Result<(), rustls::Error>) -> bool {
    shaken.is_err_and(|error| untrusted(&error) == Some(Untrusted::Stranger))
}

#[test]
fn who_joins_takes_the_authority_of_the_token_and_no_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let client = Arc::new(joining(ours.hash()).unwrap());
    shake(&client, ours.server(), TLS13).unwrap();
    assert!(stranger(shake(&client, other.server(), TLS13)));
    // the hash is public: showing our authority along proves nothing
    let (mut chain, key) = other.server();
    chain.push(ours.der.clone());
    assert!(stranger(shake(&client, (chain, key), TLS13)));
    // nor does it help to keep it back
    let (mut chain, key) = ours.server();
    chain.truncate(1);
    assert!(stranger(shake(&client, (chain, key), TLS13)));
}

#[test]
fn who_joins_with_a_wrong_clock_is_told_so_by_the_collector() {
    let ours = Authority::new();
    let client = Arc::new(joining(ours.hash()).unwrap());
    shake(&client, ours.server_between(-200_000, -100_000), TLS13).unwrap();
    shake(&client, ours.server_between(100_000, 200_000), TLS13).unwrap();
}

#[test]
fn who_joined_takes_its_authority_and_no_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let identity = ours.joined(folder.path(), "https://x", Duration::from_mins(1));
    shake(&identity.tls(), ours.server(), TLS13).unwrap();
    assert!(stranger(shake(&identity.tls(), other.server(), TLS13)));
    let says = |shown: Shown| untrusted(&shake(&identity.tls(), shown, TLS13).unwrap_err());
    let over = says(ours.server_between(-200_000, -100_000)).unwrap();
    assert!(matches!(over, Untrusted::Over { .. }), "{over:?}");
    assert!(over.to_string().contains("its certificate ended at 20"), "{over}");
    let early = says(ours.server_between(100_000, 200_000)).unwrap();
    assert!(matches!(early, Untrusted::Early { .. }), "{early:?}");
}

#[test]
fn an_agent_cannot_play_the_collector() {
    let ours = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let identity = ours.joined(folder.path(), "https://x", Duration::from_mins(1));
    let own = pem::certificate(&identity.credential().certificate).unwrap();
    let shown = (vec![own, ours.der.clone()], pem::key(&identity.credential().key).unwrap());
    assert!(stranger(shake(&identity.tls(), (shown.0.clone(), shown.1.clone_key()), TLS13)));
    let client = Arc::new(joining(ours.hash()).unwrap());
    assert!(stranger(shake(&client, shown, TLS13)));
}

#[test]
fn nothing_older_than_tls_1_3_is_spoken() {
    let ours = Authority::new();
    let client = Arc::new(joining(ours.hash()).unwrap());
    let error = shake(&client, ours.server(), &[&rustls::version::TLS12]).unwrap_err();
    assert_eq!(untrusted(&error), Some(Untrusted::Speech("it does not speak TLS 1.3".into())));
}

#[test]
fn a_credential_is_kept_for_its_owner_and_read_as_it_was() {
    let ours = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("new");
    assert!(matches!(Identity::load(&inner), Err(IdentityError::Missing { .. })));
    let kept = ours.joined(&inner, "https://c:7481", Duration::from_hours(30 * 24));
    let read = Identity::load(&inner).unwrap();
    assert_eq!(read.credential(), kept.credential());
    assert_eq!(read.name().as_str(), "a");
    assert_eq!(read.credential().place(), "eu-west, hetzner");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&inner.join(FILE))), (0o700, 0o600));
    let wait = (kept.credential().renew_at_ms - now_ms()) as f64 / 86_400_000.0;
    assert!((17.9..=20.0).contains(&wait), "renewed after {wait} days of 30");
}

#[test]
fn a_damaged_credential_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["rubbish", "{}"] {
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let said = Identity::load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("is damaged") && said.contains("--force"), "{said}");
    }
}

#[test]
fn the_answer_to_another_request_is_not_taken() {
    let ours = Authority::new();
    let (mine, other) = (Request::new().unwrap(), Request::new().unwrap());
    let granted = ours.grants(&other.csr, "a", Duration::from_mins(1));
    let said = mine.credential("https://c", &granted, 0).unwrap_err().to_string();
    assert!(said.contains("for another key"), "{said}");
}

#[test]
fn a_renewal_does_not_undo_that_somebody_joined_anew() {
    let ours = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let lasts = Duration::from_mins(1);
    let old = ours.joined(folder.path(), "https://c", lasts);
    let request = Request::new().unwrap();
    let granted = ours.grants(&request.csr, "a", lasts);
    let renewed = old.renewed(&request, &granted, now_ms()).unwrap();
    assert!(old.replaced().unwrap().is_some());
    assert!(renewed.replaced().unwrap().is_none());
    let again = old.renewed(&request, &granted, now_ms());
    assert!(matches!(again, Err(IdentityError::Replaced { .. })), "{again:?}");
    for (granted, says) in [
        (ours.grants(&request.csr, "b", lasts), "it is for \"b\""),
        (Authority::new().grants(&request.csr, "a", lasts), "of another authority"),
    ] {
        let said = renewed.renewed(&request, &granted, now_ms()).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}
