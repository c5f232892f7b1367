//! Who may speak on the road, and in which tongue.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use parallax_proto::{JoinToken, pb};
use parallax_tests::joining::until_said;
use parallax_tests::{Parallax, World, relay, until};

use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Endpoint;

use super::{SOON, open, until_stored};

/// Starts an agent in the clear.
fn plain(world: &World, name: &str) -> Parallax {
    let collector = format!("http://127.0.0.1:{}", world.grpc);
    let data = world.folder().join(format!("{name}-plain"));
    let args = ["run", "--name", name, "--collector", &collector, "--data-dir"];
    let args = args.into_iter().chain([data.to_str().unwrap()]);
    Parallax::start("parallax-agent", args, &world.folder().join(format!("{name}-plain.log")))
}

#[test]
fn nobody_speaks_in_the_clear_where_that_is_forbidden() {
    let world = World::new(1, 1);
    world.write_config(&world.config().replace("[collector]\n", "[collector]\ntls_only = true\n"));
    let collector = world.start_collector();
    world.until_ready();
    let agent = plain(&world, "agent-1");
    until_said(&agent, &["tls_only"]);
    until_said(&collector, &["tls_only"]);
    // who joined may
    world.join_as("agent-1", &["--region", "region-0", "--provider", "provider-0"]);
    let _joined = world.start_joined("agent-1");
    world.until_connected("agent-1", true);
}

#[test]
fn who_joined_does_not_speak_in_the_clear_any_more() {
    let world = World::new(1, 1);
    let collector = world.start_collector();
    world.until_ready();
    let before = plain(&world, "agent-1");
    world.until_connected("agent-1", true);
    before.stop(SOON);
    // its place is as the configuration has it, so it may take its name along
    world.join_as("agent-1", &["--region", "region-0", "--provider", "provider-0"]);
    let _joined = world.start_joined("agent-1");
    world.until_connected("agent-1", true);
    let after = plain(&world, "agent-1");
    until_said(&after, &["does not take this agent", "agent-1", "certificate"]);
    until_said(&collector, &["agent-1", "certificate"]);
}

#[test]
fn a_copied_key_is_refused_and_both_places_are_named() {
    let (world, collector) = open();
    world.join("vm-1");
    let first = world.start_joined("vm-1");
    until_stored(&world, "vm-1", 2);
    // the copy: the whole folder, on a machine of another address
    let elsewhere =
        relay::start(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), ([127, 0, 0, 1], world.grpc).into());
    copy(&world.agent_data("vm-1"), &world.agent_data("copy"));
    world.forge("copy", |credential| {
        credential["collector"] = format!("https://{elsewhere}").into();
    });
    let second = world.start_joined("copy");
    until_said(&second, &["refuses this agent", "127.0.0.1", "127.0.0.2"]);
    until_said(&collector, &["127.0.0.1", "127.0.0.2"]);
    // the first one is left alone
    world.until_connected("vm-1", true);
    assert!(!first.said().contains("refuses"), "{}", first.said());
    let stored = until_stored(&world, "vm-1", 2);
    until_stored(&world, "vm-1", stored + 2);
    // and may be started again at once
    first.kill();
    second.kill();
    let again = world.start_joined("vm-1");
    until_said(&again, &["connected to the collector"]);
    world.until_connected("vm-1", true);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_certificate_of_another_authority_is_refused_in_words() {
    let (world, collector) = open();
    let (other, _of_other) = open();
    world.join("vm-1");
    other.join("vm-1");
    // whom the other collector knows, with this one's authority: somebody who has that by heart
    let authority = world.credential("vm-1")["ca"].clone();
    let road = world.road();
    other.forge("vm-1", |credential| {
        credential["ca"] = authority;
        credential["collector"] = road.into();
    });
    let agent = other.start_joined("vm-1");
    until_said(&agent, &["does not take this agent", "another"]);
    until_said(&collector, &["127.0.0.1", "another"]);
}

#[test]
fn a_collector_of_another_authority_is_not_spoken_to() {
    let (world, _collector) = open();
    let (other, _of_other) = open();
    world.join("vm-1");
    let road = other.road();
    world.forge("vm-1", |credential| credential["collector"] = road.into());
    let agent = world.start_joined("vm-1");
    until_said(&agent, &["is not the collector that this agent joined", "nothing was said to it"]);
    assert!(!agent.said().contains("looks at nothing"), "{}", agent.said());
}

#[test]
fn an_expired_certificate_is_refused_in_words() {
    let world = World::new(0, 1);
    let collector = world.start_collector_with(&[("PARALLAX_TEST_CERTIFICATE_LIFETIME", "1s")]);
    world.until_ready();
    world.join("vm-1");
    let end = world.credential("vm-1")["not_after_ms"].as_u64().unwrap() + 1000;
    until("the certificate is over", SOON, || {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        if now > end { Ok(()) } else { Err(format!("{} ms to go", end - now)) }
    });
    let agent = world.start_joined("vm-1");
    until_said(&agent, &["does not take this agent", "expired", "enroll"]);
    until_said(&collector, &["vm-1", "expired"]);
}

#[test]
fn nobody_says_hello_without_a_certificate() {
    let (world, collector) = open();
    let token: JoinToken = world.token(&[]).token.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = runtime.block_on(async {
        let tls = parallax_agent::identity::joining(token.authority).unwrap();
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", world.grpc)).await.unwrap();
        let name = ServerName::try_from("x").unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        let endpoint = Endpoint::from_static("http://collector");
        let channel = endpoint.connect_with_connector(Once(Some(stream))).await.unwrap();
        let hello = pb::Hello {
            protocol_min: 1,
            protocol_max: 1,
            agent: "vm-1".into(),
            ..Default::default()
        };
        let body = Some(pb::agent_message::Body::Hello(hello));
        let words = tokio_stream::iter([pb::AgentMessage { body }]);
        let mut client = pb::collector_client::CollectorClient::new(channel);
        match client.session(words).await {
            Err(status) => status,
            Ok(answer) => answer.into_inner().message().await.unwrap_err(),
        }
    });
    assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
    assert!(status.message().contains("certificate"), "{status}");
    until_said(&collector, &["127.0.0.1", "certificate"]);
}

/// Gives away the one connection it has.
struct Once(Option<TlsStream<tokio::net::TcpStream>>);

impl tower_service::Service<tonic::transport::Uri> for Once {
    type Response = TokioIo<TlsStream<tokio::net::TcpStream>>;
    type Error = std::io::Error;
    type Future = std::future::Ready<std::io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: tonic::transport::Uri) -> Self::Future {
        let gone = || std::io::ErrorKind::NotConnected.into();
        std::future::ready(self.0.take().map(TokioIo::new).ok_or_else(gone))
    }
}

/// What `openssl s_client` says of the road.
fn openssl(world: &World, more: &[&str]) -> Option<String> {
    let to = format!("127.0.0.1:{}", world.grpc);
    let args = ["s_client", "-connect", &to, "-alpn", "h2"];
    let args = args.iter().chain(more);
    let out = Command::new("openssl").args(args).stdin(Stdio::null()).output().ok()?;
    Some(format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    ))
}

#[test]
fn nothing_older_than_tls_1_3_is_spoken() {
    let (world, collector) = open();
    let Some(new) = openssl(&world, &["-tls1_3"]) else {
        eprintln!("skipped: nothing_older_than_tls_1_3_is_spoken (no openssl)");
        return;
    };
    assert!(new.contains("New, TLSv1.3"), "{new}");
    let old = openssl(&world, &["-tls1_2"]).unwrap();
    assert!(old.contains("alert protocol version"), "{old}");
    until_said(&collector, &["127.0.0.1", "TLS 1.3"]);
}
