//! What was said when, as a table for people.

use parallax_model::{Change, Fault, Locus, Reason};

use super::Story;
use super::tell::seconds;

/// `service{target=shop} degraded in eu, us`: a fault as far as its place and state go.
pub fn place(f: &Fault) -> String {
    let regions = f.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let in_places = matches!(f.locus, Locus::Service { .. }) && !regions.is_empty();
    let inside = if in_places { format!(" in {regions}") } else { String::new() };
    format!("{} {}{inside}", f.locus, f.state.as_str())
}

/// One change, for whoever looks for a mistake.
pub fn line(change: &Change) -> String {
    match change {
        Change::Opened(f) => format!("{:8.1} opened  {}", seconds(f.updated), fault(f)),
        Change::Updated(f) => format!("{:8.1} updated {}", seconds(f.updated), fault(f)),
        Change::Closed(f) => format!("{:8.1} closed  {}", seconds(f.updated), fault(f)),
        Change::Ask(_) => String::new(),
    }
}

fn fault(f: &Fault) -> String {
    let affected: Vec<String> = f.affected_targets.iter().map(ToString::to_string).collect();
    let with =
        if affected.is_empty() { String::new() } else { format!(", with {}", affected.join(", ")) };
    let why = f.reason.map_or(String::new(), |r| match r {
        Reason::Silent => ", silent".to_owned(),
        Reason::Slow => ", slow".to_owned(),
    });
    format!("{}{why}{with}", place(f))
}

impl Story {
    /// A heading and a table: what was known, and what Parallax says, by the clock of that day.
    pub fn table(&self, changes: &[Change]) -> String {
        let mut rows: Vec<(f64, String, String)> =
            self.known.iter().map(|k| (k.at, k.what.clone(), String::new())).collect();
        let mut last: Vec<(u64, String)> = Vec::new();
        for change in changes {
            let (event, f) = match change {
                Change::Opened(f) => ("**opened**", f),
                Change::Updated(f) => ("updated", f),
                Change::Closed(f) => ("closed", f),
                Change::Ask(_) => continue,
            };
            let words = fault(f);
            let same = last.iter().any(|(id, before)| *id == f.id.0 && *before == words);
            // what only grows surer is no news here
            if event == "updated" && same {
                continue;
            }
            last.retain(|(id, _)| *id != f.id.0);
            last.push((f.id.0, words.clone()));
            let sure = format!("{:.1} %", f.confidence.get() * 100.0);
            let said = match event {
                "closed" => format!("{event} {}: {}", f.id, f.locus),
                _ => format!("{event} {}: {words} ({sure})", f.id),
            };
            rows.push((seconds(f.updated), String::new(), said));
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let title = self.title.as_deref().unwrap_or("?");
        let mut text = format!(
            "## {title}\n\n{}\n\n| UTC | what happened | what Parallax says |\n|---|---|---|\n",
            self.about
        );
        for (at, known, said) in rows {
            text.extend(["| ", &self.clock(at), " | ", &known, " | ", &said, " |\n"]);
        }
        text
    }

    /// A second of the story by the clock of its day.
    fn clock(&self, at: f64) -> String {
        let (h, m) =
            self.starts_utc.as_deref().and_then(|t| t.split_once(':')).unwrap_or(("0", "0"));
        let start = h.parse::<i64>().unwrap() * 3600 + m.parse::<i64>().unwrap() * 60;
        let second = start + at as i64;
        format!("{:02}:{:02}:{:02}", second / 3600 % 24, second / 60 % 60, second % 60)
    }
}
