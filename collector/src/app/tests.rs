use std::io::ErrorKind;

use parallax_model::{AgentName, AgentSpec};

use super::*;

/// A collector's configuration on free ports, with its data in `folder`.
fn config(folder: &Path) -> Config {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let collector = CollectorConfig {
        data_dir: Some(folder.into()),
        http: local,
        listen: local,
        ..CollectorConfig::default()
    };
    let agents = vec![AgentSpec::unlabelled(AgentName::new("a").unwrap())];
    Config { collector, agents, ..Config::default() }
}

async fn get(collector: &Collector, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", collector.http_addr())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Tests need not install what the command installs.
fn provider() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

#[tokio::test]
async fn it_starts_serves_reloads_stops_and_starts_again() {
    provider();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let collector = Collector::start(config(folder.path()), Options::default()).await.unwrap();
        assert_eq!(get(&collector, "/readyz").await.0, 200);
        let (_, agents) = get(&collector, "/api/v1/agents").await;
        assert!(agents.contains("\"a\""), "{agents}");
        let mut other = config(folder.path());
        other.agents.push(AgentSpec::unlabelled(AgentName::new("b").unwrap()));
        collector.reload(other).await;
        let (_, agents) = get(&collector, "/api/v1/agents").await;
        assert!(agents.contains("\"b\""), "{agents}");
        let kept = crate::config::load(&folder.path().join(FLEET_FILE)).unwrap();
        assert_eq!(kept.agents.len(), 2);
        collector.stop().await;
    }
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let first = Collector::start(config(folder.path()), Options::default()).await.unwrap();

    let other = tempfile::tempdir().unwrap();
    let mut busy = config(other.path());
    busy.collector.http = first.http_addr();
    let refused = Collector::start(busy, Options::default()).await.unwrap_err();
    assert!(matches!(&refused, StartError::Bind { why, .. } if why.kind() == ErrorKind::AddrInUse));
    assert_eq!(
        refused.to_string(),
        format!(
            "cannot listen on {} for pages: the port is in use; stop what listens there or choose \
             another with --http 127.0.0.1:PORT",
            first.http_addr()
        )
    );

    let second = Collector::start(config(folder.path()), Options::default()).await.unwrap_err();
    assert!(second.to_string().contains("another collector works in"), "{second}");
}

#[tokio::test]
async fn a_part_that_ends_early_breaks_the_collector() {
    let ends = Ends { stop: CancellationToken::new(), broken: CancellationToken::new() };
    let early = ends.start(async {});
    ends.broken.cancelled().await;
    drop(early);

    let ends = Ends { stop: CancellationToken::new(), broken: CancellationToken::new() };
    ends.stop.cancel();
    ends.start(async {}).await.unwrap();
    assert!(!ends.broken.is_cancelled());
}
