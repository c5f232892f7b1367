//! A changed config takes effect on SIGHUP; a mistaken one does not.

use std::time::Duration;

use parallax_tests::{World, until};

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn sighup_brings_a_new_target_and_keeps_the_old_config_on_a_mistake() {
    let world = World::new(1, 1);
    let collector = world.start_collector();
    world.until_ready();
    let _agent = world.start_agent("agent-1");
    let looked_at = || -> Result<Vec<String>, String> {
        let answer = world.api("/api/v1/targets")?;
        let targets = answer["targets"].as_array().ok_or(format!("{answer}"))?;
        Ok(targets.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect())
    };
    until("first config", DEADLINE, || match looked_at()? {
        names if names == ["svc-1"] => Ok(()),
        names => Err(format!("{names:?}")),
    });
    let served = world.services[0].1.served();

    let extra = "\n[[targets]]\nname = \"extra\"\ninterval = \"1s\"\ntimeout = \"900ms\"\n";
    let tcp = format!("tcp = {{ address = \"127.0.0.1:{}\" }}\n", world.http);
    world.write_config(&format!("{}{extra}{tcp}", world.config()));
    collector.signal("HUP");
    until("second config", DEADLINE, || match looked_at()? {
        names if names.contains(&"extra".to_owned()) => Ok(()),
        names => Err(format!("{names:?}")),
    });

    world.write_config(&format!("{}{extra}{tcp}wibble = 3\n", world.config()));
    collector.signal("HUP");
    until("the mistake is told", DEADLINE, || {
        let said = collector.said();
        if said.contains("wibble") { Ok(()) } else { Err(said) }
    });
    assert!(looked_at().unwrap().contains(&"extra".to_owned()), "the old config stays");
    until("looks go on", DEADLINE, || {
        let now = world.services[0].1.served();
        if now > served + 2 { Ok(()) } else { Err(format!("{now} looks")) }
    });
}
