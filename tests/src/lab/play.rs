//! Plays a scenario and holds what is said to what must be said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::Lab;
use super::scenario::{Scenario, Step, Told};
use crate::journal;
use crate::receiver::Message;
use crate::wait::{pause, until};

/// How often the collector is asked while one waits.
const PACE: Duration = Duration::from_millis(200);

/// A scenario begins and ends in a calm that holds for so long …
const CALM: Duration = Duration::from_secs(3);

/// … and is there by then.
const CALM_BY: Duration = Duration::from_secs(90);

/// How long messages may be under way.
const POST: Duration = Duration::from_secs(5);

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// What was said that had to be, in order.
    pub words: Vec<Word>,
    /// Messages sent while it lasted, of faults opened and closed.
    pub told: Told,
    /// Updates sent while it lasted.
    pub updates: usize,
    /// Every message, in a line: when, to whom, of what.
    pub log: Vec<String>,
    /// What was not as it must be; empty if the scenario was judged rightly.
    pub wrong: Vec<String>,
}

/// A fault that was told of.
#[derive(Debug)]
pub struct Word {
    /// `service shop down`
    pub fault: String,
    /// Seconds from the step that brought it about.
    pub after_action_s: f64,
    /// Seconds from the end of the first look that failed after that, if one did before the word.
    pub after_look_s: Option<f64>,
}

/// A step that was played.
struct Played<'a> {
    step: &'a Step,
    at_ms: i64,
}

/// Plays it: from calm, in which the lab must be, to calm.
pub fn play(lab: &mut Lab, scenario: &Scenario) -> Outcome {
    let before = lab.receiver.all().len();
    let (mut wrong, mut played) = (Vec::new(), Vec::new());
    for (n, step) in scenario.step.iter().enumerate() {
        let (at, at_ms) = (Instant::now(), now_ms());
        lab.set(step);
        played.push(Played { step, at_ms });
        let mut said = wait_for_words(lab, scenario, step, at);
        if said.is_ok() {
            while at.elapsed() < step.lasts() {
                pause(PACE);
            }
            said = is_said(lab, scenario, step);
        }
        if let Err(why) = said {
            wrong.push(format!("step {}: {why}", n + 1));
        }
    }
    lab.set(&Step::default());
    until_calm(lab);
    wrong.extend(until_stored_once(lab).err());
    let messages = heard(lab, before, scenario.told);
    let told = count(&messages);
    if let Some(wanted) = scenario.told.filter(|wanted| *wanted != told) {
        wrong.push(format!("{told:?}, not {wanted:?}"));
    }
    let updates = messages.len() - told.users - told.owner;
    wrong.extend(never_said(scenario, &messages));
    let words = words(lab, &played, &messages, &mut wrong);
    let log = messages.iter().map(|m| gist(m, played[0].at_ms)).collect();
    Outcome { scenario: scenario.name.clone(), words, told, updates, log, wrong }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Nothing is wrong, everybody is there, and everything is seen by all, for some time.
pub fn until_calm(lab: &Lab) {
    let mut since = None;
    until("the lab is calm", CALM_BY, || {
        let calm = is_calm(lab);
        if calm.is_err() {
            since = None;
        }
        let since = *since.get_or_insert_with(Instant::now);
        calm?;
        pause(PACE);
        if since.elapsed() >= CALM { Ok(()) } else { Err("calm, but not for long".to_owned()) }
    });
}

fn is_calm(lab: &Lab) -> Result<(), String> {
    let seen = lab.api("/api/v1/overview")?;
    let list = |key: &str| seen[key].as_array().ok_or(format!("no {key}: {seen}"));
    let open: Vec<String> = list("faults")?.iter().map(fault).collect();
    let away: Vec<&Value> =
        list("agents")?.iter().filter(|a| a["connected"] != true).map(|a| &a["name"]).collect();
    let unseen: Vec<&Value> = list("targets")?
        .iter()
        .filter(|t| t["role"] == "service")
        .filter(|t| t["state"] != "up" || t["coverage"]["domains"] != t["coverage"]["assigned"])
        .map(|t| &t["name"])
        .collect();
    if open.is_empty() && away.is_empty() && unseen.is_empty() {
        return Ok(());
    }
    Err(format!("open: {open:?}; away: {away:?}; unseen: {unseen:?}"))
}

/// Waits until a step's words are said, and nothing else is.
pub fn until_said(lab: &Lab, scenario: &Scenario, step: &Step) {
    until("the step is judged", step.within(), || is_said(lab, scenario, step));
}

fn wait_for_words(
    lab: &Lab,
    scenario: &Scenario,
    step: &Step,
    begun: Instant,
) -> Result<(), String> {
    loop {
        match is_said(lab, scenario, step) {
            Err(why) if begun.elapsed() > step.within() => {
                return Err(format!("not within {:?}: {why}", step.within()));
            }
            Err(_) => pause(PACE),
            Ok(()) => return Ok(()),
        }
    }
}

/// What must be said is, and nothing else but what may be.
fn is_said(lab: &Lab, scenario: &Scenario, step: &Step) -> Result<(), String> {
    let answer = lab.api("/api/v1/faults?state=open")?;
    let open: Vec<String> =
        answer["faults"].as_array().ok_or(format!("{answer}"))?.iter().map(fault).collect();
    let may = |fault: &String| step.say.iter().chain(&scenario.may).any(|word| fits(word, fault));
    let all = step.say.iter().all(|word| open.iter().any(|fault| fits(word, fault)));
    if all && open.iter().all(may) {
        return Ok(());
    }
    Err(format!("said {open:?}, not {:?}", step.say))
}

/// A fault as scenarios write it: locus, agent, target, region, provider, state.
fn fault(fault: &Value) -> String {
    let keys = ["locus", "agent", "target", "dependency", "region", "provider", "state"];
    let words: Vec<&str> = keys.iter().filter_map(|key| fault[key].as_str()).collect();
    words.join(" ")
}

fn fits(word: &str, fault: &str) -> bool {
    word == fault || fault.rsplit_once(' ').is_some_and(|(locus, _state)| word == locus)
}

/// Every number that was issued is stored, once.
fn until_stored_once(lab: &Lab) -> Result<(), String> {
    let begun = Instant::now();
    let stored = loop {
        let stored = journal::read(&lab.data())?;
        match journal::has_no_holes(&stored) {
            Ok(()) => break stored,
            Err(why) if begun.elapsed() > CALM_BY => return Err(why),
            Err(_) => pause(PACE),
        }
    };
    let count = |of: fn(&journal::Stored) -> u64| stored.values().map(of).sum::<u64>();
    match (count(|s| s.twice), count(|s| s.same_look), count(|s| s.lost)) {
        (0, 0, 0) => Ok(()),
        (twice, same, lost) => {
            Err(format!("{twice} stored twice, {same} looks twice, {lost} lost"))
        }
    }
}

/// The messages of this scenario. Those under way are waited for, if it is known how many there are.
fn heard(lab: &Lab, before: usize, wanted: Option<Told>) -> Vec<Message> {
    let begun = Instant::now();
    loop {
        let messages = lab.receiver.all().split_off(before);
        if wanted.is_none_or(|wanted| wanted == count(&messages)) || begun.elapsed() > POST {
            return messages;
        }
        pause(PACE);
    }
}

/// Openings and closings.
fn count(messages: &[Message]) -> Told {
    let to = |path: &str| {
        let to = |m: &&Message| m.path == path && m.text("/event") != "updated";
        messages.iter().filter(to).count()
    };
    Told { users: to("/users"), owner: to("/owner") }
}

/// A message in a line.
fn gist(message: &Message, begun_ms: i64) -> String {
    let said = message.json();
    let after_s = (said["at_ms"].as_i64().unwrap_or(0) - begun_ms) as f64 / 1000.0;
    let (event, fault) = (message.text("/event"), fault(&said["fault"]));
    format!("{after_s:>5.1} s to {:<6} {event:<7} {fault}", message.path)
}

/// Words, also brief ones, that no step asks for.
fn never_said(scenario: &Scenario, messages: &[Message]) -> Vec<String> {
    let fine: Vec<&String> =
        scenario.step.iter().flat_map(|s| &s.say).chain(&scenario.may).collect();
    let locus = |fault: &str| fault.rsplit_once(' ').map_or(fault, |(locus, _)| locus).to_owned();
    let is_fine =
        |said: &str| fine.iter().any(|word| **word == locus(said) || locus(word) == locus(said));
    let said: BTreeSet<String> = messages.iter().map(|m| fault(&m.json()["fault"])).collect();
    let wrong = said.iter().filter(|said| !is_fine(said));
    wrong.map(|said| format!("said {said:?} for a while")).collect()
}

/// When each word was said first. A fault that is told of more than once is wrong.
fn words(
    lab: &Lab,
    played: &[Played<'_>],
    messages: &[Message],
    wrong: &mut Vec<String>,
) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for Played { step, at_ms } in played {
        for word in &step.say {
            if words.iter().any(|w| fits(word, &w.fault)) {
                continue;
            }
            let mut ids: BTreeMap<String, (i64, String)> = BTreeMap::new();
            for m in messages.iter().map(Message::json) {
                let said = fault(&m["fault"]);
                if fits(word, &said) && m["event"] != "closed" {
                    let id = m["fault"]["id"].as_str().unwrap_or_default().to_owned();
                    ids.entry(id).or_insert((m["at_ms"].as_i64().unwrap_or(0), said));
                }
            }
            if ids.len() > 1 {
                wrong.push(format!("{word:?} is {} faults, not one", ids.len()));
            }
            let Some((said_ms, fault)) = ids.into_values().min() else { continue };
            let look = journal::first_failure(&lab.data(), *at_ms).unwrap_or(None);
            let since = |ms: i64| (said_ms - ms) as f64 / 1000.0;
            let after_look_s = look.filter(|&ms| ms <= said_ms).map(since);
            words.push(Word { fault, after_action_s: since(*at_ms), after_look_s });
        }
    }
    words
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.wrong.is_empty() { "right" } else { "WRONG" };
        let told = format!("{} / {}, {} updates", self.told.users, self.told.owner, self.updates);
        let mut name = self.scenario.as_str();
        let nothing = Word { fault: "–".to_owned(), after_action_s: 0.0, after_look_s: None };
        let words =
            if self.words.is_empty() { std::slice::from_ref(&nothing) } else { &self.words };
        for (n, word) in words.iter().enumerate() {
            let seconds =
                |s: Option<f64>| s.map_or_else(|| "–".to_owned(), |s| format!("{s:.1} s"));
            let action = (word.fault != "–").then_some(word.after_action_s);
            let (verdict, told) = if n == 0 { (verdict, told.as_str()) } else { ("", "") };
            writeln!(
                f,
                "{name:<26} {verdict:<7} {:<34} {:>8} {:>8}   {told}",
                word.fault,
                seconds(action),
                seconds(word.after_look_s)
            )?;
            name = "";
        }
        for message in &self.log {
            writeln!(f, "    {message}")?;
        }
        for wrong in &self.wrong {
            writeln!(f, "    ! {wrong}")?;
        }
        Ok(())
    }
}

/// The head of a table of outcomes.
pub fn head() -> String {
    format!(
        "{:<26} {:<7} {:<34} {:>8} {:>8}   messages: users / owner",
        "scenario", "verdict", "said", "action", "look"
    )
}
