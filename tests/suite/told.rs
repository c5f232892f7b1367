//! Who is told what: real processes, and a receiver that keeps a log.
//!
//! Each test prints the receiver's log as a table: how many messages, to whom, of what.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parallax_tests::receiver::Message;
use parallax_tests::{Parallax, Receiver, World, until};

const DEADLINE: Duration = Duration::from_mins(1);

/// A secret that only tests know.
const SECRET: &str = "only-tests-know-this-secret-of-36-by";

/// Two routes to one receiver: services go to `/users`, the fleet to `/owner`.
fn routes(world: &World, receiver: &Receiver) -> String {
    let secret = world.folder().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let hook = |name: &str, about: &str| {
        format!(
            "\n[[webhooks]]\nname = \"{name}\"\nurl = \"{}\"\nabout = [\"{about}\"]\n\
             secret_file = \"{}\"\nretry_max = \"1s\"\n",
            receiver.url(&format!("/{name}")),
            secret.display()
        )
    };
    format!("{}{}{}", world.config(), hook("users", "services"), hook("owner", "fleet"))
}

/// A world whose collector runs, tells, and finds everything up.
fn told_world(agents: usize, services: usize) -> (World, Receiver, Parallax, Vec<Parallax>) {
    let (world, receiver) = (World::new(agents, services), Receiver::start());
    world.write_config(&routes(&world, &receiver));
    let collector = world.start_collector();
    world.until_ready();
    let agents = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until_up(&world);
    (world, receiver, collector, agents)
}

fn until_up(world: &World) {
    until("all is up", DEADLINE, || {
        let answer = world.api("/api/v1/targets")?;
        let targets = answer["targets"].as_array().ok_or(format!("{answer}"))?;
        let up = targets.iter().filter(|t| t["state"] == "up").count();
        if up == world.services.len() { Ok(()) } else { Err(format!("{answer}")) }
    });
}

/// Event, locus and target of each message.
fn gist(messages: &[Message]) -> Vec<String> {
    let gist = |m: &Message| {
        let (event, locus) = (m.text("/event"), m.text("/fault/locus"));
        let keys = ["target", "region", "agent"].map(|key| m.text(&format!("/fault/{key}")));
        let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|k| !k.is_empty()).collect();
        format!("{event} {locus} {}", keys.join(" "))
    };
    messages.iter().map(gist).collect()
}

fn until_told(receiver: &Receiver, path: &str, wanted: &[&str]) {
    until("the receiver hears it", DEADLINE, || {
        let told = gist(&receiver.taken(path));
        if told == wanted { Ok(()) } else { Err(format!("{path}: {told:?}\n{}", table(receiver))) }
    });
}

fn table(receiver: &Receiver) -> String {
    let mut lines = vec![format!(
        "{:>7} {:<7} {:>4}  {:<8} {:<34} {}",
        "after", "to", "said", "event", "key", "title"
    )];
    for m in receiver.all() {
        lines.push(format!(
            "{:>6.1}s {:<7} {:>4}  {:<8} {:<34} {}",
            m.after.as_secs_f64(),
            m.path,
            m.answered,
            m.text("/event"),
            m.header("webhook-id"),
            m.text("/title")
        ));
    }
    let (users, owner) = (receiver.taken("/users").len(), receiver.taken("/owner").len());
    lines.push(format!("taken: {users} by /users, {owner} by /owner"));
    lines.join("\n")
}

fn print(story: &str, receiver: &Receiver) {
    eprintln!("\n{story}\n{}\n", table(receiver));
}

/// What a receiver does to know that a message is ours.
fn is_ours(m: &Message) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let text = format!("{}.{}.{}", m.header("webhook-id"), m.header("webhook-timestamp"), m.body);
    let tag = m.header("webhook-signature").strip_prefix("v1,").unwrap();
    hmac::verify(&key, text.as_bytes(), &STANDARD.decode(tag).unwrap()).is_ok()
}

#[test]
fn an_outage_is_two_messages_to_those_who_use_the_service() {
    let (world, receiver, _collector, _agents) = told_world(3, 2);
    world.services[0].1.answer_with(500);
    until_told(&receiver, "/users", &["opened service svc-1"]);
    world.services[0].1.answer_with(200);
    until_told(&receiver, "/users", &["opened service svc-1", "closed service svc-1"]);
    print("outage of one service", &receiver);

    let all = receiver.all();
    assert_eq!(gist(&receiver.taken("/owner")), [""; 0], "the fleet is well");
    assert!(all.iter().all(is_ours));
    let [opened, closed] = &all[..] else { panic!("{}", table(&receiver)) };
    assert_ne!(opened.header("webhook-id"), closed.header("webhook-id"));
    assert_eq!(opened.text("/key"), opened.header("webhook-id"));
    assert_eq!(opened.text("/fault/id"), closed.text("/fault/id"));
    assert!(opened.text("/title").contains("svc-1 is down everywhere"), "{}", opened.body);
    assert!(opened.json()["words"].to_string().contains("status_5xx"), "{}", opened.body);
    assert!(closed.json()["fault"]["end_ms"].is_i64(), "{}", closed.body);
    let mut forged = opened.clone();
    forged.body = forged.body.replace("svc-1", "svc-2");
    assert!(!is_ours(&forged));
    let metrics = parallax_tests::http::get(world.http, "/metrics").unwrap().1;
    assert!(metrics.contains("parallax_webhook_delivered_total{webhook=\"users\"} 2"), "{metrics}");
}

#[test]
fn a_receiver_that_was_away_hears_all_of_it_also_after_a_crash() {
    let (world, receiver, collector, _agents) = told_world(3, 2);
    receiver.answer_with(503);
    world.services[0].1.answer_with(500);
    until("it is tried", DEADLINE, || {
        let tries = receiver.all().len();
        if tries >= 2 { Ok(()) } else { Err(format!("{tries} tries")) }
    });
    collector.kill();
    let collector = world.start_collector();
    world.until_ready();
    world.services[0].1.answer_with(200);
    until("the fault is over", DEADLINE, || {
        let answer = world.api("/api/v1/faults")?;
        let ended = answer["faults"]
            .as_array()
            .is_some_and(|all| !all.is_empty() && all.iter().all(|fault| fault["end_ms"].is_i64()));
        if ended { Ok(()) } else { Err(answer.to_string()) }
    });
    assert_eq!(receiver.taken("/users").len(), 0);
    receiver.answer_with(204);
    until_told(&receiver, "/users", &["opened service svc-1", "closed service svc-1"]);
    print("outage while the receiver was away, and a crash", &receiver);
    let tried = receiver.all();
    let first = tried.first().unwrap().header("webhook-id").to_owned();
    let taken = receiver.taken("/users");
    // every try of a message has its key, also after the restart
    assert_eq!(taken[0].header("webhook-id"), first);
    assert_ne!(taken[1].header("webhook-id"), first);
    assert!(tried.iter().all(is_ours));
    let said = collector.said();
    for words in ["the webhook does not take messages", "the webhook takes messages again"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
}
