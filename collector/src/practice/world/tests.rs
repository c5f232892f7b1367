//! Deeds, and what they touch.

use std::path::Path;

use super::{ALL, COLLECTOR, LinkState, Mode, World};
use crate::practice::map::{PLACES, TARGETS};
use crate::practice::service::LlmMode;
use crate::practice::story::Deed;

async fn world() -> World {
    World::open().await.unwrap()
}

/// The ways that are not open, as `agent>to`.
fn touched(world: &World) -> Vec<String> {
    let touched = world.ways().iter().filter(|way| way.link.state() != LinkState::Open);
    touched.map(|way| format!("{}>{}", way.from.agent, way.to)).collect()
}

#[tokio::test]
async fn every_agent_has_its_own_link_to_everything() {
    let world = world().await;
    assert_eq!(world.ways().len(), PLACES.len() * (TARGETS.len() + 1));
    let mut seen = std::collections::BTreeSet::new();
    for place in PLACES {
        let config = world.agent_config(place, Path::new("/nowhere")).unwrap();
        assert_eq!(config.connect_to.len(), TARGETS.len());
        assert_eq!(config.name.as_str(), place.agent);
        assert!(config.data_dir.ends_with(place.agent));
        seen.extend(config.connect_to.into_values());
    }
    assert_eq!(seen.len(), PLACES.len() * TARGETS.len(), "no link is shared");
}

#[tokio::test]
async fn cutting_a_regions_probes_leaves_its_way_to_the_collector() {
    let world = world().await;
    world.act(Deed::CutProbes { region: "eu-west" });
    let expected =
        ["dublin>assistant", "dublin>ref-a", "dublin>ref-b", "dublin>search", "dublin>shop"];
    assert_eq!(touched(&world), expected);
    world.act(Deed::Heal);
    assert!(touched(&world).is_empty());
    assert!(!world.set_region("atlantis", LinkState::Cut));
}

#[tokio::test]
async fn links_are_set_one_by_one_or_all_together() {
    let world = world().await;
    assert!(world.set_links("oregon", COLLECTOR, LinkState::Slow));
    assert_eq!(touched(&world), ["oregon>collector"]);
    assert!(world.set_links("oregon", ALL, LinkState::Reset));
    assert_eq!(touched(&world).len(), TARGETS.len() + 1);
    assert!(!world.set_links("oregon", "nothing", LinkState::Cut));
    assert!(!world.set_links("nobody", ALL, LinkState::Cut));
}

#[tokio::test]
async fn a_switched_service_is_healed_with_the_rest() {
    let world = world().await;
    world.act(Deed::Switch { service: "shop", mode: Mode::Refuse });
    assert_eq!(world.services()["shop"].mode(), Mode::Refuse);
    assert_eq!(world.services()["search"].mode(), Mode::Healthy);
    assert!(touched(&world).is_empty(), "a service's refusal is no state of a link");
    world.heal();
    assert_eq!(world.services()["shop"].mode(), Mode::Healthy);
    assert!(!world.set_service("nothing", Mode::Error));
    assert!(!world.set_service("shop", Mode::Llm(LlmMode::Stall)));
    assert!(world.set_service("assistant", Mode::Llm(LlmMode::Stall)));
}
