use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parallax_model::{AgentName, AgentSpec, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::identity::{Application, Identity, LIFETIME, Place, Roll};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[derive(Debug, Default)]
struct Counted(Mutex<u32>);

impl Roll for Counted {
    fn declared(&self) -> Arc<[AgentSpec]> {
        Arc::default()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        *self.0.lock().unwrap() += 1;
        async {}.boxed()
    }
}

fn reach() -> Reach {
    Reach { listen: ([127, 0, 0, 1], 7).into(), url: Some("https://a:7481".into()) }
}

fn create() -> Ask {
    let place = Place { region: "eu".into(), provider: "aws".into(), site: None };
    Ask::CreateToken { place, name: None, ttl_s: 60, uses: 2 }
}

fn join(identity: &Identity, token: &str) {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    let name = Some(AgentName::new("vm-1").unwrap());
    let application = Application { token: token.parse().unwrap(), csr: csr.der(), name, now: NOW };
    identity.enroll(&application, |_| None, NOW).unwrap();
}

#[tokio::test]
async fn a_running_collector_answers_and_lets_go_of_its_socket() {
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::open(data.path(), None, LIFETIME, NOW).unwrap();
    let roll = Arc::new(Counted::default());
    let kept = Arc::clone(&identity);
    let control =
        Control::listen(data.path(), identity, Arc::clone(&roll) as Arc<dyn Roll>, reach(), || NOW)
            .unwrap();
    let stop = CancellationToken::new();
    let work = tokio::spawn(control.work(stop.clone()));
    let asked = async |what: Ask| {
        let data = data.path().to_owned();
        tokio::task::spawn_blocking(move || ask(&data, &what)).await.unwrap()
    };

    let Answer::Token { token, expires_ms, reach: told } = asked(create()).await.unwrap() else {
        panic!()
    };
    assert_eq!(told, Some(reach()));
    assert!(token.starts_with("plx1_"), "{token}");
    assert_eq!(expires_ms, NOW.millis() + 60_000);
    let Answer::Tokens { tokens } = asked(Ask::Tokens).await.unwrap() else { panic!() };
    assert_eq!((tokens.len(), tokens[0].uses_left, &*tokens[0].place.region), (1, 2, "eu"));
    join(&kept, &token);
    let id = tokens[0].id.clone();
    assert_eq!(asked(Ask::RevokeToken { id }).await.unwrap(), Answer::Done);
    assert_eq!(asked(Ask::Tokens).await.unwrap(), Answer::Tokens { tokens: vec![] });
    let refused = asked(Ask::RevokeAgent { name: "x".into() }).await.unwrap();
    let Answer::Refused { why } = refused else { panic!() };
    assert!(why.starts_with("no agent named x has joined"), "{why}");
    // nobody was put out: nobody has to hear of it
    assert_eq!(*roll.0.lock().unwrap(), 0);
    assert_eq!(asked(Ask::RevokeAgent { name: "vm-1".into() }).await.unwrap(), Answer::Done);
    assert_eq!(*roll.0.lock().unwrap(), 1);

    stop.cancel();
    work.await.unwrap();
    assert!(matches!(asked(Ask::Tokens).await, Err(NoAnswer::NotRunning(_))));
}

#[tokio::test]
async fn words_that_are_none_are_answered_with_words() {
    use std::io::{BufRead, BufReader, Write};
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::open(data.path(), None, LIFETIME, NOW).unwrap();
    let control =
        Control::listen(data.path(), identity, Arc::new(Counted::default()), reach(), || NOW)
            .unwrap();
    tokio::spawn(control.work(CancellationToken::new()));
    let socket = data.path().join(SOCKET);
    let said = tokio::task::spawn_blocking(move || {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        stream.write_all(b"{\"ask\":\"make_tea\"}\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let said = said.await.unwrap();
    assert!(said.contains("does not understand the command"), "{said}");
}

#[test]
fn without_a_collector_the_folder_itself_is_asked() {
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(ask(data.path(), &Ask::Tokens), Err(NoAnswer::NotRunning(_))));
    // an authority is made by a collector, never by a command
    let nothing = offline(data.path(), None, create(), NOW).unwrap_err();
    assert!(nothing.to_string().contains("add --config"), "{nothing}");
    drop(Identity::open(data.path(), None, LIFETIME, NOW).unwrap());
    may_work_offline(data.path()).unwrap();
    offline(data.path(), None, create(), NOW).unwrap();
    let Answer::Tokens { tokens } = offline(data.path(), None, Ask::Tokens, NOW).unwrap() else {
        panic!()
    };
    assert_eq!(tokens.len(), 1);
}
