use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use parallax_model::{Change, FaultId};
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use tokio_util::sync::CancellationToken;

use crate::view::made_up::{self, NOW, outage, past_cut};
use crate::view::made_up_store::Faults;
use crate::view::{Edge, Health, News, View};

use super::router;

fn edge() -> Edge {
    let past = (10..60).map(past_cut).collect();
    let view = Arc::new(View::new(Arc::new(Faults(past))));
    let health = Arc::new(Health::new(NOW, &["store"]));
    Edge { view, health, now: || NOW, closing: CancellationToken::new(), practice: false }
}

/// The edge at the end of the made-up story, served on loopback.
async fn serve(edge: &Edge) -> SocketAddr {
    for news in made_up::story() {
        edge.view.take(news);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = listener.local_addr().unwrap();
    let more = Router::new().route("/more", get(|| async { "more" }).post(|| async { "done" }));
    let router = router(edge, bound, more);
    tokio::spawn(async move { axum::serve(listener, router).await });
    bound
}

async fn ask(bound: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = reqwest::get(format!("http://{bound}{path}")).await.unwrap();
    let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    assert!(answer.headers().contains_key("content-security-policy"), "{path}");
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

#[tokio::test]
async fn every_route_answers_in_its_own_kind() {
    let edge = edge();
    let bound = serve(&edge).await;
    edge.health.ready("store");
    let (json, problem) = ("application/json", "application/problem+json");
    for (path, status, kind) in [
        ("/api/v1/overview", 200, json),
        ("/api/v1/targets", 200, json),
        ("/api/v1/agents", 200, json),
        ("/api/v1/agents/eu-north-1", 200, json),
        ("/api/v1/faults", 200, json),
        ("/api/v1/faults?state=open&limit=1", 200, json),
        ("/api/v1/faults/f-2", 200, json),
        ("/healthz", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, json),
        ("/more", 200, "text/plain; charset=utf-8"),
        ("/api/v1/faults?state=ajar", 400, problem),
        ("/api/v1/faults?limit=0", 400, problem),
        ("/api/v1/faults?limit=many", 400, problem),
        ("/api/v1/faults?colour=red", 400, problem),
        ("/api/v1/faults?cursor=x", 400, problem),
        ("/api/v1/faults/f-99", 404, problem),
        ("/api/v1/faults/wibble", 404, problem),
        ("/api/v1/agents/nobody", 404, problem),
        ("/api/v1/agents/%00", 404, problem),
        ("/api/v2", 404, problem),
    ] {
        let (got, got_kind, text) = ask(bound, path).await;
        assert_eq!((got, got_kind.as_str()), (status, kind), "{path}: {text}");
        if status >= 400 {
            let problem: super::dto::ProblemJson = serde_json::from_str(&text).unwrap();
            assert_eq!(problem.status, status, "{path}");
        }
    }
    let client = reqwest::Client::new();
    let posted = client.post(format!("http://{bound}/api/v1/overview")).send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 405);
    assert_eq!(posted.headers()[CONTENT_TYPE], problem);
}

#[tokio::test]
async fn readiness_gives_its_reasons() {
    let edge = edge();
    let bound = serve(&edge).await;
    let (status, _, text) = ask(bound, "/readyz").await;
    assert_eq!((status, text.as_str()), (503, r#"{"ready":false,"reasons":{"store":"starting"}}"#));
}

#[tokio::test]
async fn foreign_names_and_sites_are_refused() {
    let bound = serve(&edge()).await;
    let client = reqwest::Client::new();
    let url = format!("http://{bound}/more");
    let status = |request: reqwest::RequestBuilder| async {
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(client.get(&url).header(HOST, "evil.example")).await, 421);
    assert_eq!(status(client.get(&url).header(HOST, "localhost:1")).await, 200);
    assert_eq!(status(client.post(&url).header(ORIGIN, "http://evil.example")).await, 403);
    assert_eq!(status(client.post(&url).header(ORIGIN, format!("http://{bound}"))).await, 200);
    assert_eq!(status(client.post(&url)).await, 200);
}

#[tokio::test]
async fn pages_of_faults_follow_one_another_without_gap_or_repeat() {
    let bound = serve(&edge()).await;
    let (mut seen, mut cursor) = (vec![], String::new());
    loop {
        let (_, _, text) = ask(bound, &format!("/api/v1/faults?limit=7{cursor}")).await;
        let page: super::dto::FaultsJson = serde_json::from_str(&text).unwrap();
        seen.extend(page.faults.iter().map(|f| f.fault.id.clone()));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    let all: Vec<String> = (10..60).rev().chain([2, 1]).map(|id| FaultId(id).to_string()).collect();
    assert_eq!(seen, all);
    let (_, _, text) = ask(bound, "/api/v1/faults?state=open").await;
    let open: super::dto::FaultsJson = serde_json::from_str(&text).unwrap();
    assert_eq!(open.faults.iter().map(|f| f.fault.id.as_str()).collect::<Vec<_>>(), ["f-2"]);
}

#[tokio::test]
async fn the_shapes_are_those_that_were_promised() {
    let bound = serve(&edge()).await;
    for (path, golden) in [
        ("/api/v1/overview", include_str!("golden/overview.json")),
        ("/api/v1/faults/f-2", include_str!("golden/fault.json")),
    ] {
        let (_, _, text) = ask(bound, path).await;
        let mut got: serde_json::Value = serde_json::from_str(&text).unwrap();
        shorten(&mut got);
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let pretty = serde_json::to_string_pretty(&got).unwrap();
        assert_eq!(got, golden, "{path} is now\n{pretty}");
    }
}

/// A golden of two regions and three looks says as much as one of five and thirty.
fn shorten(overview: &mut serde_json::Value) {
    let Some(targets) = overview.get_mut("targets").and_then(|t| t.as_array_mut()) else { return };
    targets.truncate(2);
    for target in targets {
        let regions = target["regions"].as_array_mut().unwrap();
        regions.truncate(2);
        for region in regions {
            region["looks_ms"].as_array_mut().unwrap().truncate(3);
        }
    }
}

/// Reads the stream until `until` stands in it; fails after ten seconds.
async fn listen(request: reqwest::RequestBuilder, until: &str) -> String {
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/event-stream");
    let mut text = String::new();
    let heard = async {
        while !text.contains(until) {
            let chunk = answer.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
    text
}

#[tokio::test]
async fn listeners_hear_what_happens_and_what_they_missed() {
    let edge = edge();
    let bound = serve(&edge).await;
    let client = reqwest::Client::new();
    let url = format!("http://{bound}/api/v1/events");
    let view = Arc::clone(&edge.view);
    let health = Arc::clone(&edge.health);
    tokio::spawn(async move {
        while health.listeners() == 0 {
            tokio::task::yield_now().await;
        }
        let changes = vec![Change::Opened(Box::new(outage(77)))];
        view.take(News::Verdict { at: NOW, changes, standings: vec![] });
    });
    let text = listen(client.get(&url), "f-77").await;
    assert!(text.contains("retry: 2000") && text.contains("event: opened\n"), "{text}");
    assert!(!text.contains("f-2\""), "nothing of the past unasked: {text}");

    let id = format!("{}-1", NOW.millis());
    let text = listen(client.get(&url).header("last-event-id", id), "f-77").await;
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(at("event: closed") < at("f-77"), "{text}");

    // a rule of the service's own is part of its standing
    let id = format!("{}-1", NOW.millis());
    let text = listen(client.get(&url).header("last-event-id", id), "count:2").await;
    assert!(text.contains("\"policy\":{\"rule\":\"count:2\",\"state\":\"down\","), "{text}");

    edge.closing.cancel();
    let ended = client.get(&url).send().await.unwrap().text();
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_agent_is_what_it_sees_and_what_touches_it() {
    let bound = serve(&edge()).await;
    let (_, _, text) = ask(bound, "/api/v1/agents/eu-north-1").await;
    let agent: super::agent::OneAgentJson = serde_json::from_str(&text).unwrap();
    assert_eq!((agent.agent.name.as_str(), agent.agent.connected), ("eu-north-1", false));
    assert_eq!(agent.faults, ["f-2"]);
    let sees: Vec<_> = agent.sees.iter().map(|s| (s.target.as_str(), s.state.as_str())).collect();
    assert_eq!(sees, [("mail", "fine"), ("ref-a", "fine"), ("ref-b", "fine"), ("shop", "failing")]);
    assert_eq!(agent.sees[3].error.as_deref(), Some("status_5xx"));
}
