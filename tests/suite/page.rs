//! The page in a real browser, on a desk and on a phone.

use std::time::Duration;

use parallax_tests::browser::{self, Browser};
use parallax_tests::{World, until};

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn the_page_is_live_and_fits_a_phone() {
    if !browser::is_there() {
        eprintln!("skipped: the_page_is_live_and_fits_a_phone (no chromium and chromedriver)");
        return;
    }
    let world = World::new(3, 2);
    let rule = "name = \"svc-1\"\npolicy = \"count:2\"";
    world.write_config(&world.config().replace("name = \"svc-1\"", rule));
    let _collector = world.start_collector();
    world.until_ready();
    let _agents: Vec<_> = world.agents.iter().map(|name| world.start_agent(name)).collect();
    until("all is up", DEADLINE, || {
        let answer = world.api("/api/v1/targets")?;
        let up = answer["targets"]
            .as_array()
            .map_or(0, |t| t.iter().filter(|t| t["state"] == "up").count());
        if up == 2 { Ok(()) } else { Err(answer.to_string()) }
    });
    let phone = Browser::open(world.folder(), 375, 800);
    phone.visit(&format!("http://127.0.0.1:{}/", world.http));
    let seen = |what: &str, word: &str| {
        until(what, DEADLINE, || {
            let text = phone.text();
            if text.contains(word) { Ok(()) } else { Err(text) }
        });
    };
    seen("the services are on the page", "svc-2");
    let fits = || {
        let wide = phone.run("return document.documentElement.scrollWidth > window.innerWidth");
        assert_eq!(wide, false, "the page scrolls sideways on a phone");
    };
    fits();

    // no reload from here on: what changes comes over the event stream
    phone.run("window.untouched = true");
    world.services[0].1.answer_with(500);
    seen("the fault appears by itself", "status_5xx");
    seen("the service's own rule is heard beside it", "your rule count:2 says down");
    fits();
    world.services[0].1.answer_with(200);
    until("the fault goes by itself", DEADLINE, || {
        let open = phone.run("return document.querySelectorAll('[data-fault-open]').length");
        if open == 0 { Ok(()) } else { Err(format!("{open} open")) }
    });
    assert_eq!(phone.run("return window.untouched === true"), true, "the page was reloaded");
}
