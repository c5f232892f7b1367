//! The network lab: what loopback cannot show. `PARALLAX_SCENARIOS=name,name` plays only some.

use parallax_tests::http::get;
use parallax_tests::lab::scenario::Step;
use parallax_tests::lab::{self, HTTP, Lab, play, scenario};
use parallax_tests::long;
use parallax_tests::prometheus::{self, Prometheus};

use crate::grafana::{must, until_answered};

/// `tests/run --long` plays everything so often.
const ROUNDS_LONG: usize = 10;

#[test]
fn every_scenario_is_judged_rightly() {
    if let Some(why) = lab::missing() {
        eprintln!("skipped: every_scenario_is_judged_rightly ({why})");
        return;
    }
    let only = std::env::var("PARALLAX_SCENARIOS").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let scenarios = scenario::read(&only);
    let (rounds, mut wrong) = (if long() { ROUNDS_LONG } else { 1 }, 0);
    for round in 1..=rounds {
        let mut lab = Lab::start();
        play::until_calm(&lab);
        eprintln!("\nround {round} of {rounds}\n{}", play::head());
        for scenario in &scenarios {
            let outcome = play::play(&mut lab, scenario);
            eprint!("{outcome}");
            wrong += usize::from(!outcome.wrong.is_empty());
        }
    }
    assert_eq!(wrong, 0, "scenarios judged wrongly");
}

#[test]
fn prometheus_sees_an_outage_of_the_lab() {
    let lacks = (!prometheus::is_there()).then(|| "no prometheus and promtool".to_owned());
    if let Some(why) = lab::missing().or(lacks) {
        eprintln!("skipped: prometheus_sees_an_outage_of_the_lab ({why})");
        return;
    }
    let mut lab = Lab::start();
    play::until_calm(&lab);
    let folder = lab.folder().to_owned();
    let prometheus = lab.beside_collector(|| Prometheus::start(&folder, HTTP));
    // twelve agents look at two services and two references
    lab.beside_collector(|| prometheus.until_series("probe_success == 1", 48));
    for path in ["/metrics", "/metrics/probes"] {
        lab.beside_collector(|| must(&["check", "metrics"], &get(HTTP, path).unwrap().1));
    }
    let alerts = [
        ("ParallaxServiceDown", "target=\"shop\""),
        ("ParallaxNetworkFault", "region=\"us-west\""),
    ];
    let fire = |lab: &Lab, fires: bool| {
        for (alert, labels) in alerts {
            lab.beside_collector(|| prometheus.until_fires(alert, labels, fires));
        }
    };
    fire(&lab, false);
    let both = &scenario::read(&["outage-during-region-cut"])[0];
    for step in &both.step {
        lab.set(step);
        play::until_said(&lab, both, step);
    }
    fire(&lab, true);
    lab.beside_collector(|| until_answered(&prometheus, []));
    lab.set(&Step::default());
    play::until_calm(&lab);
    fire(&lab, false);
}
