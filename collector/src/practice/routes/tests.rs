//! The routes over a real socket, as the page uses them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::router;
use crate::practice::world::World;

struct Site {
    addr: SocketAddr,
    told: mpsc::Receiver<String>,
    client: reqwest::Client,
}

impl Site {
    async fn open() -> Self {
        let world = Arc::new(World::open().await.unwrap());
        let (tell, told) = mpsc::channel(8);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(world, tell)).await });
        Self { addr, told, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/practice/{path}", self.addr)
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.client.post(self.url(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// The links of `state` that are not open, as `agent>to=state`.
fn touched(state: &Value) -> Vec<String> {
    let links = state["links"].as_array().unwrap().iter();
    let text = |link: &Value, key: &str| link[key].as_str().unwrap().to_owned();
    links
        .filter(|link| link["state"] != "open")
        .map(|l| format!("{}>{}={}", text(l, "agent"), text(l, "to"), text(l, "state")))
        .collect()
}

#[tokio::test]
async fn a_visitor_breaks_things_sees_them_broken_and_heals_them() {
    let mut site = Site::open().await;
    let (status, state) = site.post("links/oregon/shop", json!({"state": "cut"})).await;
    assert_eq!((status, touched(&state)), (200, vec!["oregon>shop=cut".to_owned()]));
    let (_, state) = site.post("regions/eu-west", json!({"state": "reset"})).await;
    assert_eq!(touched(&state).len(), 6);
    let (_, state) = site.post("services/shop", json!({"mode": "slow", "factor": 7})).await;
    let shop = state["services"].as_array().unwrap().iter().find(|s| s["name"] == "shop");
    let modes = json!(["healthy", "error", "slow", "refuse", "hang"]);
    let expected = json!({"name": "shop", "mode": "slow", "modes": modes, "factor": 7});
    assert_eq!(shop, Some(&expected));
    let (status, state) = site.post("services/assistant", json!({"mode": "stall"})).await;
    assert_eq!((status, &state["services"][0]["mode"]), (200, &json!("stall")));

    let (status, state) = site.post("heal", json!({})).await;
    assert_eq!((status, touched(&state).len()), (200, 0));
    let shown: Value =
        site.client.get(site.url("state")).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown, state);
    assert_eq!(site.told.recv().await.unwrap(), "a visitor sets links from oregon to shop: cut");
}

#[tokio::test]
async fn mistakes_say_what_to_do() {
    let site = Site::open().await;
    for (path, body, status, says) in [
        ("links/oregon/nothing", json!({"state": "cut"}), 404, "no link from \"oregon\""),
        ("links/oregon/shop", json!({"state": "gone"}), 400, "take open, slow, cut"),
        ("links/oregon/shop", json!({"stat": "cut"}), 400, "unknown field `stat`"),
        ("services/nothing", json!({"mode": "error"}), 404, "no service \"nothing\""),
        ("services/shop", json!({"mode": "gone"}), 400, "take one of healthy, error"),
        ("services/shop", json!({"mode": "stall"}), 400, "shop has no mode \"stall\""),
        ("regions/atlantis", json!({"state": "cut"}), 404, "no region \"atlantis\""),
    ] {
        let (found, problem) = site.post(path, body).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(found == status && detail.contains(says), "{path}: {found} {detail}");
    }
}
