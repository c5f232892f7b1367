//! A world as files that `parallax replay` reads.

use std::fmt::Write as _;

use parallax_model::{AgentSpec, Role};
use parallax_verdict::TargetSpec;

use crate::world::World;

/// `fleet.toml`.
pub fn fleet(world: &World) -> String {
    let mut toml = String::new();
    for agent in &world.truth.fleet.agents {
        writeln!(toml, "[[agents]]\nname = \"{}\"", agent.name).unwrap();
        labels(&mut toml, agent);
    }
    for target in &world.truth.fleet.targets {
        toml.push_str(&target_of(target));
    }
    toml
}

fn labels(toml: &mut String, agent: &AgentSpec) {
    let region = agent.region.as_ref().map(|r| ("region", r.to_string()));
    let provider = agent.provider.as_ref().map(|p| ("provider", p.to_string()));
    let site = agent.site.as_ref().map(|s| ("site", s.to_string()));
    for (key, value) in [region, provider, site].into_iter().flatten() {
        writeln!(toml, "{key} = \"{value}\"").unwrap();
    }
    toml.push('\n');
}

fn target_of(target: &TargetSpec) -> String {
    let role = match target.role {
        Role::Service => "service",
        Role::Reference => "reference",
    };
    let needs: Vec<String> = target.depends_on.iter().map(|n| format!("\"{n}\"")).collect();
    format!(
        "[[targets]]\nname = \"{name}\"\nrole = \"{role}\"\ninterval = \"{}s\"\ntimeout = \"{}s\"\n\
         depends_on = [{}]\nhttp = {{ url = \"https://{name}.example/\" }}\n\n",
        target.interval.as_secs(),
        target.timeout.as_secs(),
        needs.join(", "),
        name = target.name,
    )
}

/// `results.csv`.
pub fn results(world: &World) -> String {
    let mut csv = String::from("received_ms,started_ms,agent,target,outcome,latency_us,error\n");
    for look in world.results() {
        let error = look.outcome.error();
        writeln!(
            csv,
            "{},{},{},{},{},{},{}",
            look.received.millis(),
            look.started.millis(),
            look.agent,
            look.target,
            if error.is_some() { "fail" } else { "ok" },
            look.latency.as_micros(),
            error.map_or("", parallax_model::ErrorKind::as_str)
        )
        .unwrap();
    }
    csv
}
