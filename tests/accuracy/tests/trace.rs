//! A made-up world as a trace: written once, and said where.

use std::path::Path;
use std::process::{Command, Output};

fn trace(folder: &Path, seed: &str) -> std::io::Result<Output> {
    let mut accuracy = Command::new(env!("CARGO_BIN_EXE_accuracy"));
    accuracy.args(["--agents", "3", "--hours", "0.1", "--from", seed, "--trace"]).arg(folder);
    accuracy.output()
}

#[test]
fn a_trace_is_not_written_over_another() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace");
    drop(std::fs::remove_dir_all(&folder));
    let written = trace(&folder, "1").unwrap();
    let [fleet, results] = ["fleet.toml", "results.csv"].map(|file| folder.join(file));
    let said = format!("wrote {} and {}\n", fleet.display(), results.display());
    assert_eq!(String::from_utf8_lossy(&written.stdout), said);
    let before = std::fs::read(&results).unwrap();

    // one of the two is enough
    std::fs::remove_file(&fleet).unwrap();
    let again = trace(&folder, "2").unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("{} is there already", results.display())), "{said}");
    assert!(!fleet.exists() && std::fs::read(&results).unwrap() == before);
}
