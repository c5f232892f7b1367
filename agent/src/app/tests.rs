//! A whole agent against a collector that is a stub and a service that is one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;

use parallax_model::{
    Batch, Body, Check, Epoch, HttpCheck, IntervalSet, Role, Selector, Sensitivity, Target,
    TargetName,
};
use parallax_proto::FromAgent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::CollectorUrl;
use crate::uplink::stub::{self, Stub};

fn target(name: &str, url: &str) -> Target {
    Target {
        name: TargetName::new(name).unwrap(),
        role: Role::Service,
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        depends_on: vec![],
        agents: Selector::default(),
        sensitivity: Sensitivity::default(),
        policy: None,
        check: Check::Http(HttpCheck::get(url)),
    }
}

async fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if stream.read(&mut [0; 1024]).await.is_ok() {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.ok();
                }
            });
        }
    });
    address
}

/// What a collector's store would hold: every number once.
#[derive(Default)]
struct Stored {
    numbers: BTreeMap<Epoch, IntervalSet>,
    started: BTreeSet<i64>,
    results: usize,
}

impl Stored {
    fn take(&mut self, batch: &Batch) {
        let new = self.numbers.entry(batch.epoch).or_default().insert(batch.span);
        let Body::Results(results) = &batch.body else { panic!("a gap without a reason") };
        for (at, result) in results.iter().enumerate() {
            let number = batch.span.first() + at as u64;
            if new.iter().any(|s| s.first() <= number && number <= s.last()) {
                self.results += 1;
                self.started.insert(result.started.micros());
            }
        }
    }

    /// One epoch, no hole, no look twice.
    fn check(&self) {
        let (_, numbers) = self.numbers.first_key_value().unwrap();
        assert_eq!(self.numbers.len(), 1);
        assert_eq!(numbers.spans().len(), 1, "{numbers:?}");
        assert_eq!(numbers.spans()[0].first(), 1);
        assert_eq!(self.started.len(), self.results, "a look under two numbers");
    }
}

fn config(collector: SocketAddr, folder: &Path) -> Config {
    let url = CollectorUrl::new(&format!("http://{collector}")).unwrap();
    Config::new(AgentName::new("a").unwrap(), url, folder.to_owned())
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came");
}

/// A collector that stores what it hears.
async fn collector(stored: &Arc<Mutex<Stored>>, targets: Vec<Target>) -> Stub {
    let stored = Arc::clone(stored);
    stub::collector(move |heard| match heard {
        FromAgent::Hello(_) => Ok(vec![stub::welcome(), stub::assignment(1, targets.clone())]),
        FromAgent::Batch(batch) => {
            stored.lock().unwrap().take(&batch);
            Ok(vec![stub::ack(&batch)])
        }
        FromAgent::Heartbeat(_) => Ok(vec![]),
    })
    .await
}

#[tokio::test]
async fn looks_arrive_once_and_in_full_also_over_a_restart_and_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", service().await);
    let stored = Arc::new(Mutex::new(Stored::default()));
    let count = |stored: &Arc<Mutex<Stored>>| stored.lock().unwrap().results;
    let stub = collector(&stored, vec![target("x", &url), target("y", &url)]).await;

    let agent = Agent::start(config(stub.address, folder.path())).await.unwrap();
    until(|| count(&stored) >= 10).await;
    agent.stop().await;
    let before = count(&stored);

    // nobody to report to: it looks on, by the last assignment
    let address = stub.address;
    stub.end().await;
    let agent = Agent::start(config(address, folder.path())).await.unwrap();
    until(|| spooled(folder.path()) > 2000).await;
    drop(agent);

    let stub = collector(&stored, vec![]).await;
    let agent = loop {
        // the dropped agent may still hold its folder for a moment
        match Agent::start(config(stub.address, folder.path())).await {
            Ok(agent) => break agent,
            Err(StartError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    until(|| count(&stored) > before + 10).await;
    agent.stop().await;
    stored.lock().unwrap().check();
}

fn spooled(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("spool")).into_iter().flatten().flatten();
    let segments = files.filter(|f| f.path().extension().is_some_and(|e| e == "seg"));
    segments.map(|f| f.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_second_agent_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config("127.0.0.1:9".parse().unwrap(), folder.path());
    let first = Agent::start(config.clone()).await.unwrap();
    let said = Agent::start(config.clone()).await.unwrap_err().to_string();
    assert!(said.contains("in use by another agent"), "{said}");
    first.stop().await;
    Agent::start(config).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = config("127.0.0.1:9".parse().unwrap(), &file.path().join("x"));
    let said = Agent::start(config).await.unwrap_err().to_string();
    assert!(said.contains("cannot use the data folder"), "{said}");
}
