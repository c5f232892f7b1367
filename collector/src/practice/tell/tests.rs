//! What a reader sees.

use std::time::Duration;

use super::{COLUMNS, Teller};
use crate::practice::judge::{Remark, Ruling};
use crate::practice::story::STORY;
use crate::view::words::Story;

const AFTER: Remark = Remark::Concluded { after: Duration::from_millis(2400) };

fn told(colour: bool, tell: impl FnOnce(&mut Teller<&mut Vec<u8>>)) -> String {
    let mut out = Vec::new();
    tell(&mut Teller::new(&mut out, colour));
    String::from_utf8(out).unwrap()
}

fn story() -> Story {
    Story {
        title: "The network of eu-west is cut off".to_owned(),
        aside: "not the services",
        fails: Some("dublin gets nothing at shop and search. ".repeat(4)),
        confidence: "Confidence 97 %.".to_owned(),
        ..Story::default()
    }
}

fn ruling(at: usize, after: Option<u64>, said_falsely: &[&str]) -> Ruling {
    Ruling {
        step: STORY[at],
        after: after.map(Duration::from_secs),
        said_falsely: said_falsely.iter().map(|&s| s.to_owned()).collect(),
    }
}

#[test]
fn everything_fits_a_plain_terminal() {
    let text = told(false, |teller| {
        teller.welcome("http://127.0.0.1:7480/", true, "/tmp/parallax-practice-abcdef");
        for step in STORY {
            teller.deed(step.told);
        }
        teller.calm(AFTER);
        teller.stated(AFTER, &story());
        teller.stated(Remark::False, &story());
        teller.ended(AFTER, &story());
        let rulings: Vec<_> = (0..STORY.len()).map(|at| ruling(at, Some(12), &[])).collect();
        teller.summary(&rulings);
        teller.summary(&[ruling(1, None, &["service_region{target=shop, region=eu-west} at 2 s"])]);
    });
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert_eq!(line.trim_end(), line);
    }
    assert!(!text.contains('\u{1b}'), "no colour unless asked for");
}

#[test]
fn a_conclusion_says_when_what_and_why() {
    let text = told(false, |teller| teller.stated(AFTER, &story()));
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("  ✓ after 2.4 s: The network of eu-west is cut off — not the services")
    );
    assert!(lines.next().unwrap().starts_with("      dublin gets nothing"));
    assert_eq!(lines.next_back(), Some("      Confidence 97 %."));
}

#[test]
fn the_summary_names_what_was_wrong() {
    let text = told(false, |teller| {
        teller.summary(&[ruling(0, Some(3), &[]), ruling(3, Some(9), &["shop is up at 7.0 s"])]);
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[2],
        "  calm           nothing wrong        nothing wrong          3.0 s  right"
    );
    assert_eq!(
        lines[3],
        "  global outage  service shop         service shop           9.0 s  wrong"
    );
    assert_eq!(lines[4], "      wrong: later than 5 s; said falsely: shop is up at 7.0 s");
}

#[test]
fn colour_is_asked_for_and_ends_with_its_line() {
    let text = told(true, |teller| teller.deed("healing"));
    assert_eq!(text, "\n\u{1b}[1m▸ healing\u{1b}[0m\n");
}
