//! The one sentence at the top.

use parallax_model::fault::TargetState;
use parallax_model::{Coverage, Fault, FaultState, Locus, TargetName};

use super::super::Told;
use super::say;

/// How the top of the page feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Fine,
    /// Too little is known to say so.
    Unknown,
    /// Something is not as it should be, and the services work for most.
    Watch,
    /// A service does not work.
    Bad,
}

impl Tone {
    /// The word used in JSON and as a class on the page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Unknown => "unknown",
            Self::Watch => "watch",
            Self::Bad => "bad",
        }
    }
}

/// The sentence, and how it feels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// What is wrong and where, or that nothing is.
    pub text: String,
    /// How it feels.
    pub tone: Tone,
}

/// Faults that a headline names; more are counted.
const NAMED_MAX: usize = 2;

/// Says what is wrong, worst first, or that nothing is. `services` is what the engine says of each
/// service; `answered` is false where no reference answers anybody.
pub fn headline(
    open: &[Told],
    services: &[(TargetName, TargetState, Coverage)],
    answered: bool,
) -> Headline {
    let mut worst: Vec<&Told> = open.iter().collect();
    worst.sort_by_key(|told| (rank(&told.fault), told.fault.id));
    match worst.as_slice() {
        [] => {
            let quiet = quiet(services);
            match (quiet.tone, answered) {
                // nobody can tell whether those who look still see well
                (Tone::Fine, false) => Headline {
                    text: format!("{}, but no reference answers", quiet.text),
                    tone: Tone::Watch,
                },
                _ => quiet,
            }
        }
        [one] => {
            let text = format!("{} — {}", one.story.title, one.story.aside);
            Headline { text, tone: tone(&one.fault) }
        }
        [first, ..] => {
            let titles: Vec<&str> =
                worst.iter().take(NAMED_MAX).map(|told| told.story.title.as_str()).collect();
            let more = match worst.len() - titles.len() {
                0 => String::new(),
                more => format!(". And {}", say::plural(more as u64, "more fault")),
            };
            Headline { text: format!("{}{more}", titles.join(". ")), tone: tone(&first.fault) }
        }
    }
}

/// Worst first.
pub(in super::super) fn rank(fault: &Fault) -> u8 {
    match (&fault.locus, fault.state) {
        (Locus::Collector, _) => 0,
        (Locus::Service { .. } | Locus::Dependency { .. }, FaultState::Down) => 1,
        (Locus::Service { .. } | Locus::Dependency { .. }, FaultState::Degraded) => 2,
        (Locus::Region { .. } | Locus::Provider { .. }, _) => 3,
        (Locus::ServiceRegion { .. } | Locus::ServiceProvider { .. }, _) => 4,
        (Locus::Path { .. }, _) => 5,
        (Locus::Agent { .. }, _) => 6,
    }
}

fn tone(fault: &Fault) -> Tone {
    if rank(fault) <= 1 { Tone::Bad } else { Tone::Watch }
}

fn quiet(services: &[(TargetName, TargetState, Coverage)]) -> Headline {
    let up = services.iter().filter(|s| s.1 == TargetState::Up).count();
    let seen = services.iter().map(|s| s.2).min_by_key(|c| (c.domains, c.assigned));
    let Some(seen) = seen else {
        return Headline { text: "No service is watched yet".to_owned(), tone: Tone::Unknown };
    };
    let from = format!("{} of {}", seen.domains, say::plural(u64::from(seen.assigned), "place"));
    if up == services.len() {
        let text = match services {
            [(one, ..)] => format!("{one} is fine, seen from {from}"),
            all => format!("All {} services are fine, seen from {from}", all.len()),
        };
        return Headline { text, tone: Tone::Fine };
    }
    let unsure: Vec<_> = services.iter().filter(|s| s.1 != TargetState::Up).collect();
    let names: Vec<&TargetName> = unsure.iter().map(|s| &s.0).collect();
    let names = say::list(&names, NAMED_MAX);
    // seen by enough, and by nobody well: no verdict yet where the fault is
    let failing = unsure.iter().all(|s| s.2.domains >= s.2.assigned.clamp(1, 2));
    let fine = format!("{up} of {} services are fine", services.len());
    let text = match (up, failing) {
        (0, true) => format!("No look at {names} succeeds; where the fault is, is not clear yet"),
        (_, true) => {
            format!("{fine}; no look at {names} succeeds, and it is not clear yet why")
        }
        (0, false) => format!("Too few places bear witness to speak of {names}"),
        (_, false) => format!("{fine}; too few places bear witness to speak of {names}"),
    };
    Headline { text, tone: Tone::Unknown }
}
