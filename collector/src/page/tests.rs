use std::net::SocketAddr;
use std::sync::Arc;

use parallax_model::{AgentSpec, ErrorKind, Outcome, Role};
use tokio_util::sync::CancellationToken;

use crate::view::made_up::{self, NOW, look, name, results, target};
use crate::view::made_up_store::Faults;
use crate::view::{Edge, Health, News, View};

fn edge(news: Vec<News>) -> Edge {
    let view = Arc::new(View::new(Arc::new(Faults::default())));
    for news in news {
        view.take(news);
    }
    let health = Arc::new(Health::new(NOW, &[]));
    Edge { view, health, now: || NOW, closing: CancellationToken::new(), practice: false }
}

async fn serve(edge: &Edge) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = listener.local_addr().unwrap();
    let router = super::router(edge);
    tokio::spawn(async move { axum::serve(listener, router).await });
    bound
}

async fn get(bound: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = reqwest::get(format!("http://{bound}{path}")).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

#[tokio::test]
async fn every_page_and_asset_is_there() {
    let bound = serve(&edge(made_up::story())).await;
    let html = "text/html; charset=utf-8";
    for (path, status, kind) in [
        ("/", 200, html),
        ("/faults/f-2", 200, html),
        ("/faults/1", 200, html),
        ("/faults/f-99", 404, html),
        ("/faults/%3Cb%3E", 404, html),
        ("/assets/page.css", 200, "text/css; charset=utf-8"),
        ("/assets/page.js", 200, "text/javascript; charset=utf-8"),
        ("/assets/practice.js", 200, "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", 200, "image/svg+xml"),
        ("/favicon.ico", 200, "image/svg+xml"),
    ] {
        let (got, got_kind, text) = get(bound, path).await;
        assert_eq!((got, got_kind.as_str()), (status, kind), "{path}");
        assert!(!text.contains("<b>"), "{path}: {text}");
        // the policy that every page is served under forbids these
        assert!(!text.contains("style=") && !text.contains("onclick="), "{path}");
    }
}

#[tokio::test]
async fn the_page_says_what_is_wrong_where_and_why() {
    let bound = serve(&edge(made_up::story())).await;
    let (_, _, text) = get(bound, "/").await;
    for words in [
        "<title>shop is down everywhere — not your network · Parallax</title>",
        "5 of 5 agents in 5 regions get status_5xx",
        "Next best: the network of eu-west",
        "The network of eu-west was cut off",
        "references\"",
        "412 (18 KB)",
        "never up and never down",
        "· your rule count:2 says down",
        "Your rule count:2 says down since 2026-11-23 20:59:25 UTC (4 of 5 places down); the engine says down: shop itself.",
    ] {
        assert!(text.contains(words), "{words:?} is not on the page:\n{text}");
    }
}

#[tokio::test]
async fn an_empty_collector_says_so() {
    let bound = serve(&edge(vec![])).await;
    let (status, _, text) = get(bound, "/").await;
    assert_eq!(status, 200);
    for words in ["No service is watched yet", "No target is configured", "No agent is configured"]
    {
        assert!(text.contains(words), "{words}");
    }
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let bad = "<script>alert(1)</script>\"'&";
    let agent = AgentSpec { region: Some(name(bad)), ..AgentSpec::unlabelled(name("a-1")) };
    let outcome = Outcome::Fail(ErrorKind::Assertion);
    let mut seen = look(bad, NOW, 3, outcome);
    seen.detail = Some(format!("{bad} <img src=x onerror=alert(2)>"));
    let news = vec![
        News::Config { agents: vec![agent], targets: vec![target(bad, Role::Service)] },
        results("a", NOW, vec![seen]),
    ];
    let bound = serve(&edge(news)).await;
    let (_, _, text) = get(bound, "/").await;
    assert!(text.contains("&#60;script&#62;") || text.contains("&lt;script&gt;"), "{text}");
    assert!(!text.contains("<script>alert") && !text.contains("<img"), "{text}");
    assert!(!text.contains(">\"'&<"), "quotes and ampersands are escaped: {text}");
}

#[tokio::test]
async fn references_that_answer_nobody_stand_below_the_headline() {
    let edge = edge(made_up::story());
    let bound = serve(&edge).await;
    let doubt = "<p class=\"doubt warn\">";
    assert!(!get(bound, "/").await.2.contains(doubt));
    for region in made_up::REGIONS {
        let fails = |target| look(target, NOW, 900, Outcome::Fail(ErrorKind::Timeout));
        edge.view.take(results(region, NOW, vec![fails("ref-a"), fails("ref-b")]));
    }
    let text = get(bound, "/").await.2;
    assert!(
        text.contains(&format!("{doubt}No reference answers: ref-a (0 of 5 agents, since")),
        "{text}"
    );
    assert!(text.contains("shop is down everywhere — the references fail there, too"), "{text}");
}
