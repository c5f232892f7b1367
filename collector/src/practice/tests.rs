//! The whole practice world in one process, with nothing stood in for.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::*;

/// Long enough that only something that never happens takes longer, on a machine that is building.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running world, and a client of its API.
struct Site {
    collector: Collector,
    agents: Vec<Agent>,
    client: reqwest::Client,
    _data: Data,
}

impl Site {
    async fn open() -> Self {
        let data = Data::open(None).unwrap();
        let world = Arc::new(World::open().await.unwrap());
        let (tell, _) = mpsc::channel(DEEDS_MAX);
        let routes = routes::router(Arc::clone(&world), tell);
        let options = Options { once: true, ..Options::default() };
        let (collector, _) = start_collector(&options, data.path(), routes).await.unwrap();
        world.collector_at(collector.grpc_addr());
        let agents = start_agents(&world, data.path()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { collector, agents, client, _data: data }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.collector.http_addr())
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value, origin: &str) -> u16 {
        let post = self.client.post(self.url(path)).json(&body).header("origin", origin);
        post.send().await.unwrap().status().as_u16()
    }

    /// Polls the API until what it says is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let polled = async {
            loop {
                let said = self.get(path).await;
                if wanted(&said) {
                    return said;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, polled).await.expect("the API never said so")
    }

    async fn close(self) {
        for agent in self.agents {
            agent.stop().await;
        }
        self.collector.stop().await;
    }
}

fn loci(faults: &Value) -> Vec<(&str, &str)> {
    let faults = faults["faults"].as_array().unwrap().iter();
    faults.map(|f| (f["locus"].as_str().unwrap(), f["target"].as_str().unwrap_or("-"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_breaks_a_service_sees_it_in_the_api_and_heals_it() {
    let site = Site::open().await;
    let own = site.url("").trim_end_matches('/').to_owned();
    site.until("/api/v1/targets", |said| said.to_string().matches("\"up\"").count() >= 2).await;

    let broken = json!({"mode": "error"});
    let foreign = site.post("/practice/services/shop", broken.clone(), "http://evil.example").await;
    assert_eq!(foreign, 403, "another site has no say");
    assert_eq!(site.post("/practice/services/shop", broken, &own).await, 200);
    let open = "/api/v1/faults?state=open";
    site.until(open, |said| loci(said) == [("service", "shop")]).await;

    assert_eq!(site.post("/practice/heal", json!({}), &own).await, 200);
    site.until(open, |said| loci(said).is_empty()).await;
    site.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let options = Options { once: true, data: Some(file.clone()), ..Options::default() };
    let error = run(options, Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = taken.local_addr().unwrap();
    let asked = Options { http: Some(addr), once: true, ..Options::default() };
    let error = run(asked, Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains(&addr.to_string()) && error.contains("in use"), "{error}");
}
