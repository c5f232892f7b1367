//! A receiver that is away for an hour, in an instant.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use parallax_model::{
    Confidence, Coverage, Evidence, Fault, FaultId, FaultState, Locus, TargetName, Timestamp,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::ReadOutbox;
use crate::store::letter::{Event, Letter};
use crate::store::memory::Memory;
use crate::store::writer::{Writer, writer};
use crate::view::Health;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// As configurations have it that say nothing of it.
const RETRY_MAX: Duration = Duration::from_mins(1);

fn webhook(at: SocketAddr) -> Webhook {
    Webhook {
        name: "x".into(),
        url: format!("http://{at}/").parse().unwrap(),
        secret: None,
        about: About::ALL.to_vec(),
        events: Event::ALL.to_vec(),
        headers: reqwest::header::HeaderMap::new(),
        template: None,
        timeout: Duration::from_secs(10),
        retry_max: RETRY_MAX,
    }
}

/// A change of a fault, and the letter that tells of it.
fn happen(writer: &Writer, id: u64, event: Event) {
    let message =
        MessageJson { key: format!("f-{id}-{}", event.as_str()), ..sample(event, NOW.millis()) };
    let fault = Fault {
        id: FaultId(id),
        locus: Locus::Service { target: TargetName::new("shop").unwrap() },
        state: FaultState::Down,
        reason: None,
        onset: NOW,
        opened: NOW,
        updated: NOW,
        ended: (event == Event::Closed).then_some(NOW),
        confidence: Confidence::new(0.99),
        coverage: Coverage { domains: 3, assigned: 3 },
        affected_targets: Vec::new(),
        regions: Vec::new(),
        evidence: Evidence::default(),
    };
    let letter = Letter {
        webhook: "x".into(),
        fault: FaultId(id),
        event,
        at: NOW,
        previous: None,
        body: serde_json::to_string(&message).unwrap(),
    };
    writer.put_fault(fault, vec![letter]);
}

/// Takes `n` messages, then goes away; answers their keys.
fn receive(listener: &TcpListener, n: usize) -> Vec<String> {
    let mut keys = Vec::new();
    while keys.len() < n {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let lower = line.trim().to_ascii_lowercase();
            match lower.split_once(": ") {
                Some(("webhook-id", id)) => key = id.to_owned(),
                Some(("content-length", n)) => length = n.parse().unwrap(),
                _ if lower.is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        keys.push(key);
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_away_for_an_hour_hears_beginning_and_end_of_everything() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let (memory, health) = (Memory::default(), Arc::new(Health::new(NOW, &[])));
    let (judged, _kept) = mpsc::channel(1);
    let (writer, work) = writer(Box::new(memory.clone()), judged, CancellationToken::new());
    tokio::spawn(work);
    let (_webhooks, declared) = watch::channel(Arc::from([webhook(at)]));
    let read = Arc::new(memory.clone()) as Arc<dyn ReadOutbox>;
    let rounds = Rounds { read, writer: writer.clone(), health: Arc::clone(&health), now: || NOW };
    tokio::spawn(Notifier::new(rounds, declared).work(CancellationToken::new()));

    happen(&writer, 1, Event::Opened);
    tokio::time::sleep(Duration::from_mins(20)).await;
    happen(&writer, 1, Event::Updated);
    happen(&writer, 2, Event::Opened);
    tokio::time::sleep(Duration::from_mins(20)).await;
    happen(&writer, 1, Event::Closed);
    happen(&writer, 3, Event::Opened);
    tokio::time::sleep(Duration::from_mins(20)).await;
    let news = health.webhook("x");
    // pauses double from one second to a minute: it is asked some sixty times, not thousands
    assert!((55..=140).contains(&news.failed), "{news:?}");
    assert_eq!((news.delivered, news.waiting, news.lost()), (0, 4, 0));
    assert!(news.failing.is_some(), "{news:?}");

    let back = TcpListener::bind(at).unwrap();
    // time stands still while a thread of the runtime waits
    let taken = tokio::task::spawn_blocking(move || receive(&back, 4));
    tokio::time::advance(RETRY_MAX * 2).await;
    let taken = taken.await.unwrap();
    assert_eq!(taken, ["f-1-opened", "f-2-opened", "f-1-closed", "f-3-opened"]);
    let mut waiting = usize::MAX;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        waiting = memory.waiting("x", 10).unwrap().len();
        if waiting == 0 {
            break;
        }
    }
    let news = health.webhook("x");
    assert_eq!((waiting, news.delivered, news.lost()), (0, 4, 0), "{news:?}");
    assert!(news.failing.is_none(), "{news:?}");
}
