//! Recorded results in, verdicts out: the nine labelled traces, scored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use parallax_tests::{binary, process::output_of, run};

fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

fn unpacked(family: &str, folder: &Path) -> PathBuf {
    let packed = traces().join(family).join("results.csv.gz");
    let csv = folder.join("results.csv");
    let mut gzip = Command::new("gzip");
    gzip.arg("-dc").arg(&packed);
    let out = output_of("gzip", &mut gzip, Duration::from_secs(30));
    assert!(out.status.success(), "gzip -dc {}", packed.display());
    std::fs::write(&csv, out.stdout).unwrap();
    csv
}

fn replay(fleet: &Path, results: &Path, more: &[&str]) -> std::process::Output {
    let mut args = vec!["replay", "--fleet", fleet.to_str().unwrap(), "--results"];
    args.push(results.to_str().unwrap());
    args.extend(more);
    run("parallax", args)
}

/// What rules say stands between the verdicts, and does not disturb who reads those.
#[test]
fn the_samples_are_told_right() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let engine = format!(
        "{} replay --fleet {{fleet}} --results {{results}} --output {{out}} --policy majority",
        binary("parallax").display()
    );
    let mut score = Command::new("python3");
    score.arg(traces().join("score.py")).args(["--engine", &engine, "--traces"]).arg(traces());
    score.arg("--json").arg(&summary);
    let out = output_of("score.py", &mut score, Duration::from_mins(5));
    let table = String::from_utf8_lossy(&out.stdout);
    eprintln!("{table}");
    assert!(out.status.success(), "{table}{}", String::from_utf8_lossy(&out.stderr));

    let text = std::fs::read_to_string(&summary).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["runs"], 9);
    assert_eq!(summary["false_global"], 0);
    assert!(summary["recall"].as_f64().unwrap() >= 0.6, "{summary}");
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for family in ["dependency", "region"] {
        let csv = unpacked(family, folder.path());
        let fleet = traces().join(family).join("fleet.toml");
        let (one, two) = (replay(&fleet, &csv, &[]), replay(&fleet, &csv, &[]));
        assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
        assert!(!one.stdout.is_empty());
        // that it ran is said beside the verdicts, in a line
        let said = String::from_utf8_lossy(&one.stderr);
        let words = ": 1 fault told\n";
        assert!(said.ends_with(words) && said.lines().count() == 1, "{family}: {said}");
        assert!(one.stdout == two.stdout, "{family}: two runs differ");
    }
}

/// As `| head -1` is, after its line.
#[test]
fn a_reader_who_has_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let csv = unpacked("region", folder.path());
    let fleet = traces().join("region/fleet.toml");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut replay = Command::new(binary("parallax"));
    replay.args(["replay", "--fleet"]).arg(fleet).arg("--results").arg(csv).stdout(writer);
    let out = replay.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!((out.status.code(), said.as_ref()), (Some(0), ""));
}

const HEADER: &str = "received_ms,started_ms,agent,target,outcome,latency_us,error\n";
const ROW: &str = "1766700000224,1766700000065,us-east-3,ref-2,ok,58947,\n";

#[test]
fn a_malformed_row_is_named_and_lenient_skips_it() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = traces().join("quiet/fleet.toml");
    let csv = folder.path().join("results.csv");
    for bad in [
        "abc,1766700000065,us-east-3,ref-2,ok,58947,\n",
        "1766700000224,1766700000065,us-east-3,ref-2,maybe,58947,\n",
        "1766700000224,1766700000065,us-east-3,ref-2,ok,-4,\n",
        "1766700000224,1766700000065,us-east-3,ref-2,ok\n",
        "1766700000224,1766700000065,,ref-2,ok,58947,\n",
        "1766700000224,1766700000065,us-east-3,ref-2,fail,58947,\n",
    ] {
        std::fs::write(&csv, format!("{HEADER}{ROW}{bad}{ROW}")).unwrap();
        let strict = replay(&fleet, &csv, &[]);
        let said = String::from_utf8_lossy(&strict.stderr).into_owned();
        assert_eq!(strict.status.code(), Some(1), "{bad}: {said}");
        assert!(said.contains("line 3") && !said.contains("panicked"), "{bad}: {said}");
        let lenient = replay(&fleet, &csv, &["--lenient"]);
        let said = String::from_utf8_lossy(&lenient.stderr);
        assert_eq!(lenient.status.code(), Some(0), "{bad}: {said}");
        assert!(said.contains('1'), "the skipped row is counted: {said}");
    }
}

#[test]
fn an_unknown_kind_counts_as_a_failure_and_is_warned_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = traces().join("quiet/fleet.toml");
    let csv = folder.path().join("results.csv");
    let row = |t: u64| format!("{},{},us-east-3,svc-1,fail,100,gremlins\n", t + 100, t);
    std::fs::write(&csv, format!("{HEADER}{}{}", row(1_766_700_000_000), row(1_766_700_030_000)))
        .unwrap();
    let out = replay(&fleet, &csv, &[]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("gremlins").count(), 1, "{said}");
}
