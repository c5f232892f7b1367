//! Plays a story and says what differs.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::fault::Standing;
use parallax_model::{Change, FaultId, Timestamp};
use parallax_verdict::Engine;

use super::law::Heard;
use super::{START_MS, Say, Story, table};

/// What was said of one fault in the end.
#[derive(Debug)]
struct Said {
    locus: String,
    state: String,
    opened: f64,
    closed: Option<f64>,
    affected: BTreeSet<String>,
    regions: Vec<String>,
    reason: Option<String>,
}

pub(super) fn seconds(at: Timestamp) -> f64 {
    (at.millis() - START_MS) as f64 / 1000.0
}

impl Story {
    /// What the story's end differs in.
    pub fn check(&self, seed: u64) -> Result<(), String> {
        self.judge(&self.run(seed)?)?;
        self.check_rules(seed)
    }

    /// What differs in what was said.
    pub fn judge(&self, all: &[Change]) -> Result<(), String> {
        for then in &self.then {
            let (open, wanted) = (open_at(all, then.at), &then.open);
            // what is wanted without a state may have either
            let met = |o: &String| wanted.iter().any(|w| o == w || o.split(' ').next() == Some(w));
            if open.len() != wanted.len() || !open.iter().all(met) {
                let told = all.iter().map(table::line).collect::<Vec<_>>().join("\n");
                return Err(format!(
                    "at {}: open are {open:?}, wanted {wanted:?}\n{told}",
                    then.at
                ));
            }
        }
        let said = said(all);
        let extra: Vec<&Said> = said
            .iter()
            .filter(|s| !self.may_say.contains(&s.locus))
            .filter(|s| !self.say.iter().any(|w| w.locus == s.locus))
            .collect();
        if !extra.is_empty() {
            return Err(format!("said falsely {extra:#?}"));
        }
        let loci: BTreeSet<&str> = self.say.iter().map(|s| s.locus.as_str()).collect();
        for locus in loci {
            let wanted: Vec<&Say> = self.say.iter().filter(|w| w.locus == locus).collect();
            let got: Vec<&Said> = said.iter().filter(|s| s.locus == locus).collect();
            if !are_told(&wanted, &got) {
                return Err(format!("of {locus} said {got:#?} among {said:#?}"));
            }
        }
        Ok(())
    }

    pub fn run(&self, seed: u64) -> Result<Vec<Change>, String> {
        let fleet = self.fleet();
        let mut engine = Engine::new(fleet.clone(), FaultId(1));
        let (mut out, mut all) = (Vec::new(), Vec::new());
        let mut heard = Heard::default();
        let mut clock = START_MS;
        for look in self.looks(&fleet, seed) {
            while clock + 1000 <= look.received.millis() {
                clock += 1000;
                let now = Timestamp::from_millis(clock);
                engine.tick(now, &mut out);
                // outages of a day are looked at less often
                if self.title.is_some() && clock / 1000 % 20 > 0 {
                    continue;
                }
                let standings = engine.standings(now);
                let at = seconds(now);
                heard.check(&fleet, &standings, clock).map_err(|why| format!("at {at}: {why}"))?;
                self.check_standings(at, &standings)?;
            }
            heard.hear(&look);
            engine.observe(&look, &mut out);
            all.append(&mut out);
        }
        Ok(all)
    }

    fn check_standings(&self, at: f64, standings: &[Standing]) -> Result<(), String> {
        for want in self.standing.iter().filter(|s| s.from <= at && at <= s.to) {
            let got = standings.iter().find(|s| s.target.as_str() == want.target).unwrap();
            if got.state.as_str() != want.state {
                return Err(format!("at {at}: {got:?}, wanted {}", want.state));
            }
        }
        Ok(())
    }
}

impl Say {
    fn is_met_by(&self, got: &Said) -> bool {
        within(self.opened, got.opened)
            && (got.state == self.state || self.state == "either")
            && got.affected == self.affected.iter().cloned().collect()
            && got.regions == self.regions
            && (got.reason == self.reason || self.reason.as_deref() == Some("either"))
            && match (self.closed, got.closed) {
                (Some(span), Some(at)) => within(span, at),
                (want, got) => want.is_none() && got.is_none(),
            }
    }
}

/// True if what was said is what is wanted, in that order; what is left to chance may not be there.
fn are_told(wanted: &[&Say], got: &[&Said]) -> bool {
    let mut got = got.iter().peekable();
    for want in wanted {
        if got.next_if(|g| want.is_met_by(g)).is_none() && !want.maybe {
            return false;
        }
    }
    got.next().is_none()
}

pub(super) fn within([from, to]: [f64; 2], at: f64) -> bool {
    from <= at && at <= to
}

/// What is open at that second: `locus state`, and the regions of what is not in all of them.
fn open_at(changes: &[Change], at: f64) -> BTreeSet<String> {
    let mut open: BTreeMap<FaultId, String> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Opened(f) | Change::Updated(f) if seconds(f.updated) <= at => {
                open.insert(f.id, table::place(f));
            }
            Change::Closed(f) if seconds(f.updated) <= at => drop(open.remove(&f.id)),
            Change::Opened(_) | Change::Updated(_) | Change::Closed(_) | Change::Ask(_) => {}
        }
    }
    open.into_values().collect()
}

fn said(changes: &[Change]) -> Vec<Said> {
    let mut said: Vec<(FaultId, Said)> = Vec::new();
    for change in changes {
        let (Change::Opened(f) | Change::Updated(f) | Change::Closed(f)) = change else { continue };
        let before = said.iter().position(|(id, _)| *id == f.id);
        assert_eq!(before.is_none(), matches!(change, Change::Opened(_)), "{change:?}");
        let old = before.map(|i| said.remove(i).1);
        let now = Said {
            locus: f.locus.to_string(),
            state: f.state.as_str().to_owned(),
            opened: seconds(f.opened),
            closed: f.ended.map(|_| seconds(f.updated)),
            affected: f.affected_targets.iter().map(ToString::to_string).collect(),
            regions: f.regions.iter().map(ToString::to_string).collect(),
            reason: f.reason.map(|r| r.as_str().to_owned()),
        };
        assert!(old.is_none_or(|o| o.closed.is_none()), "a closed fault was told of again");
        said.push((f.id, now));
    }
    said.sort_by_key(|(id, _)| *id);
    said.into_iter().map(|(_, s)| s).collect()
}
