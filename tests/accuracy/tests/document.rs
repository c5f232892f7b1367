//! The document of the account says what was run, and its plots are whole.

use parallax_accuracy::account::Cell;
use parallax_accuracy::baseline::RULES;
use parallax_accuracy::document::files;

#[test]
fn the_document_tells_of_the_engine_and_of_every_rule() {
    let cell = Cell::measure(3, 1.0, 7, 1, 2);
    let full = cell.sum(true, |family| family == "down_5xx");
    assert_eq!((full.engine.faults, full.engine.found), (1, 1));
    // a full outage is what every rule sees
    assert!(full.rules.iter().all(|rule| rule.found == 1), "{full:?}");
    let local = cell.sum(false, |family| family == "agent");
    // … and of what is near an agent none says so
    assert!(local.rules.iter().all(|rule| rule.found == 0), "{local:?}");
    let files = files(&[cell], "the command");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "accuracy.md");
    let text = &files[0].1;
    for word in ["the command", "3 agents, noise ×1", "down_timeout"] {
        assert!(text.contains(word), "{word}");
    }
    assert!(RULES.iter().all(|rule| text.contains(rule.name())));
    for (name, svg) in &files[1..] {
        assert!(text.contains(&format!("({name})")), "{name} is not shown");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
    }
}
