//! A few worlds on which the engine must not be worse than this. Figures come from the binary, over
//! hundreds; this notices when a change breaks a family.

use parallax_accuracy::stage::FAMILIES;
use parallax_accuracy::{Plan, Score, World, run, score, table};

/// One world for each family; shorter than the figures' ones, as debug builds are slow.
fn all(agents: usize, seed: u64, noise: f64) -> Score {
    let mut total = Score::default();
    for family in FAMILIES {
        let mut plan = Plan::new(family, agents, seed);
        plan.services = plan.services.min(4);
        (plan.hours, plan.noise) = (1.0, noise);
        let world = World::new(&plan);
        total.add(&score(&world, &run(&world, false)));
    }
    total
}

fn hold(agents: usize, noise: f64) {
    let total = all(agents, 7, noise);
    let told = format!("{agents} agents: {}\n{}", table::footing(&total), total.notes.join("\n"));
    assert_eq!(total.false_global, 0, "{told}");
    assert!(total.exact * 10 >= total.faults * 9, "{told}");
    assert!(total.misplaced + total.invented <= 4, "{told}");
}

#[test]
fn three_agents_tell_most_faults_at_their_place_and_make_up_no_outage() {
    hold(3, 1.0);
}

#[test]
fn so_do_nine() {
    hold(9, 1.0);
}

#[test]
fn so_do_nine_in_thrice_the_noise() {
    hold(9, 3.0);
}

#[test]
fn the_same_plan_gives_the_same_words() {
    let said = || run(&World::new(&Plan::new("partial", 3, 5)), true);
    let (one, two) = (said(), said());
    assert_eq!((one.changes, one.asked), (two.changes, two.asked));
}
