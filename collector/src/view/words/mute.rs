//! References that answer nobody.

use super::super::references::Mute;
use super::say;

/// References that are named; more are counted.
const NAMES_MAX: usize = 5;

/// That these answer nobody; `answered` is true where others do.
pub(in super::super) fn mute(mute: &[Mute], answered: bool) -> Option<String> {
    let named = |m: &Mute| {
        let since = m.since.map(|since| format!(", since {}", say::instant(since)));
        let agents = say::plural(m.agents as u64, "agent");
        format!("{} (0 of {agents}{})", m.target, since.unwrap_or_default())
    };
    let names: Vec<String> = mute.iter().map(named).collect();
    let (names, verb) =
        (say::list(&names, NAMES_MAX), if mute.len() == 1 { "answers" } else { "answer" });
    match (mute, answered) {
        ([], _) => None,
        (_, true) => Some(format!("{names} {verb} nobody: verdicts stand on less.")),
        (_, false) => Some(format!(
            "No reference answers: {names}. By them agents judge their own sight, so verdicts stand on less."
        )),
    }
}
