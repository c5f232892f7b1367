//! What a collector reads: files of its owner, commands, and requests from anybody.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use parallax::config;
use parallax::control::Ask;
use parallax::replay::{self, Replay};
use parallax::store::{Arrival, ReadStore};
use parallax::view::{Counts, Edge, FaultQuery, Health, PathTally, StoreError, View};
use parallax::{api, export, page};
use parallax_model::{AgentName, Epoch, Fault, FaultId, IntervalSet, Rule, TargetName, Timestamp};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    (folder, path)
}

/// The configuration; every mistake in it has words.
pub(super) fn configuration(bytes: &[u8]) {
    let (_folder, path) = file("parallax.toml", bytes);
    if let Err(mistakes) = config::load(&path) {
        assert!(!mistakes.all().is_empty() && !mistakes.to_string().is_empty());
    }
}

/// A line on the socket that commands use.
pub(super) fn commands(bytes: &[u8]) {
    if let Ok(ask) = serde_json::from_slice::<Ask>(bytes) {
        let again = serde_json::to_vec(&ask).expect("what was taken is written");
        assert_eq!(serde_json::from_slice::<Ask>(&again).ok(), Some(ask));
    }
}

/// Recorded results, judged by a fleet of three.
pub(super) fn traces(bytes: &[u8]) {
    let (folder, results) = file("results.csv", bytes);
    let fleet = folder.path().join("fleet.toml");
    std::fs::write(&fleet, FLEET).expect("a file");
    let output = Some(Path::new("/dev/null").to_owned());
    let replay = Replay { fleet, results, output, lenient: true, rules: vec![Rule::Majority] };
    match replay::run(&replay, &mut |_| (), &mut |_, _| ()) {
        Ok(summary) => {
            assert!(summary.rows + summary.skipped <= bytes.len() as u64);
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

const FLEET: &str = r#"
[[agents]]
name = "a"
region = "eu-west"
provider = "x"
[[agents]]
name = "b"
region = "us-east"
provider = "y"
[[agents]]
name = "c"
region = "ap-south"
provider = "z"
[[targets]]
name = "shop"
policy = "count:2"
http = { url = "https://shop.test/" }
[[targets]]
name = "ref"
role = "reference"
http = { url = "https://ref.test/" }
"#;

/// A request: path and query on the first line, then headers, a line each.
pub(super) fn requests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut request = Request::builder().uri(lines.next().unwrap_or_default());
    for (name, value) in lines.take(8).filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::empty()) else { return };
    // a stream of events has no end
    if request.uri().path().ends_with("/events") {
        return;
    }
    block_on(async {
        let bound = SocketAddr::from(([127, 0, 0, 1], 7480));
        let edge = edge();
        let edges = page::router(&edge).merge(export::router(&edge));
        let answer = api::router(&edge, bound, edges).call(request).await;
        let Ok(answer) = answer;
        assert!(answer.status().as_u16() < 500 || answer.status().as_u16() == 503, "{answer:?}");
        assert!(to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.is_ok());
    });
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

fn edge() -> Edge {
    let now = || Timestamp::from_millis(1_795_467_600_000);
    Edge {
        view: Arc::new(View::new(Arc::new(Nothing))),
        health: Arc::new(Health::new(now(), &["store"])),
        now,
        closing: CancellationToken::new(),
        practice: false,
    }
}

/// A store without anything.
struct Nothing;

impl ReadStore for Nothing {
    fn fault(&self, _: FaultId) -> Result<Option<Fault>, StoreError> {
        Ok(None)
    }

    fn faults(&self, query: &FaultQuery) -> Result<Vec<Fault>, StoreError> {
        assert!((1..=1000).contains(&query.limit), "{query:?}");
        Ok(Vec::new())
    }

    fn newest_fault(&self) -> Result<Option<FaultId>, StoreError> {
        Ok(None)
    }

    fn held(&self, _: &AgentName, _: Epoch) -> Result<IntervalSet, StoreError> {
        Ok(IntervalSet::new())
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }

    fn tallies(&self, _: Option<&TargetName>) -> Result<Vec<PathTally>, StoreError> {
        Ok(Vec::new())
    }

    fn batches(
        &self,
        _: RangeInclusive<Timestamp>,
        _: &mut dyn FnMut(Arrival) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}
