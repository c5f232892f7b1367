//! Rows in, lines out, on small traces made here.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;

const FLEET: &str = r#"
[[agents]]
name = "a"
region = "r1"
provider = "p1"
[[agents]]
name = "b"
region = "r2"
provider = "p2"
[[agents]]
name = "c"
region = "r3"
provider = "p3"
[[targets]]
name = "shop"
interval = "10s"
timeout = "2s"
http = { url = "https://shop.example/" }
[[targets]]
name = "ref"
role = "reference"
interval = "10s"
timeout = "2s"
http = { url = "https://ref.example/" }
"#;

struct Folder(tempfile::TempDir, Vec<Rule>);

impl Folder {
    fn new(csv: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap(), Vec::new());
        std::fs::write(folder.path("fleet.toml"), FLEET).unwrap();
        std::fs::write(folder.path("results.csv"), csv).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn replay(&self, lenient: bool) -> Replay {
        Replay {
            fleet: self.path("fleet.toml"),
            results: self.path("results.csv"),
            output: Some(self.path("out.jsonl")),
            lenient,
            rules: self.1.clone(),
        }
    }

    fn run(&self, lenient: bool) -> (Result<Summary, ReplayError>, String, Vec<String>) {
        let mut warnings = Vec::new();
        let done = run(&self.replay(lenient), &mut |w| warnings.push(w.to_owned()), &mut |_, _| ());
        (done, std::fs::read_to_string(self.path("out.jsonl")).unwrap_or_default(), warnings)
    }
}

/// Twenty minutes of three agents; the shop answers 500 in the middle five.
fn outage() -> String {
    let mut csv = row::HEADER.join(",") + "\n";
    for second in 0..1200_u64 {
        let (agent, target) =
            (["a", "b", "c"][second as usize % 3], ["shop", "ref"][second as usize / 3 % 2]);
        if second % 10 >= 6 {
            continue;
        }
        let bad = target == "shop" && (600..900).contains(&second);
        let (outcome, error) = if bad { ("fail", "status_5xx") } else { ("ok", "") };
        let at = 1_800_000_000_000 + second * 1000;
        writeln!(csv, "{},{at},{agent},{target},{outcome},40000,{error}", at + 60).unwrap();
    }
    csv
}

#[test]
fn an_outage_is_opened_and_closed_once() {
    let (done, out, warnings) = Folder::new(&outage()).run(false);
    assert_eq!(done.unwrap().skipped, 0);
    assert_eq!(warnings, [] as [String; 0]);
    let lines: Vec<serde_json::Value> =
        out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let events: Vec<&str> =
        lines.iter().map(|l| l["event"].as_str().unwrap()).filter(|e| *e != "updated").collect();
    assert_eq!(events, ["opened", "closed"], "{out}");
    assert_eq!((&lines[0]["locus"], &lines[0]["target"]), (&"service".into(), &"shop".into()));
    assert_eq!(lines[0]["state"], "down");
    let at = lines[0]["at_ms"].as_i64().unwrap() - 1_800_000_000_000;
    assert!((600_000..640_000).contains(&at), "{at}");
    assert!(lines.last().unwrap()["end_ms"].as_i64().is_some());
}

#[test]
fn a_row_that_goes_back_is_taken_as_of_now_and_counted() {
    let mut csv = outage();
    csv.push_str("1800000000000,1800000000000,a,shop,ok,4,\n");
    let (done, _, warnings) = Folder::new(&csv).run(false);
    assert_eq!(done.unwrap().backwards, 1);
    let words = "1 row was received before the row above it; taken as received then";
    assert_eq!(warnings, [words]);
}

#[test]
fn one_malformed_row_is_no_rows() {
    let warned = |bad: &str| Folder::new(&(outage() + bad)).run(true).2;
    assert_eq!(warned("bad\n"), ["1 malformed row skipped"]);
    assert_eq!(warned("bad\nbad\n"), ["2 malformed rows skipped"]);
}

/// Whatever else was named as results is told for what it is, and what was written before stays.
#[test]
fn what_is_no_results_is_named_and_nothing_is_written_over() {
    let folder = Folder::new("");
    let told = |what: &dyn Fn(&Path)| {
        let results = folder.path("results.csv");
        drop(std::fs::remove_file(&results));
        std::fs::write(folder.path("out.jsonl"), "kept").unwrap();
        what(&results);
        let (done, out, _) = folder.run(true);
        assert_eq!(out, "kept");
        let why = done.unwrap_err();
        assert!(matches!(why, ReplayError::Named { .. }), "{why:?}");
        let begin = format!("{}: ", results.display());
        why.to_string().strip_prefix(&begin).unwrap().to_owned()
    };
    let file = |bytes: &'static [u8]| move |path: &Path| std::fs::write(path, bytes).unwrap();
    let unpack = |tool: &str| {
        let file = folder.path("results.csv").display().to_string();
        format!("{tool} {file} | parallax replay --fleet FLEET.toml --results -")
    };
    assert!(told(&|_| ()).starts_with("cannot be read: No such file"));
    let empty = told(&file(b""));
    assert!(empty.starts_with("it is empty: line 1 must be received_ms,started_ms,"), "{empty}");
    assert!(
        empty
            .ends_with("; give the results.csv of a trace, as `parallax export results` writes it"),
        "{empty}"
    );
    for other in [&b"received,started\n"[..], b"1,2,a,shop,ok,4,\n"] {
        let other = told(&file(other));
        assert!(other.starts_with("these are no results: line 1 must be received_ms,"), "{other}");
    }
    let gzip = told(&file(b"\x1f\x8b\x08\x00whatever"));
    let words = "it is compressed with gzip; unpack it on the way: ";
    assert_eq!(gzip, format!("{words}{}", unpack("zcat")));
    assert!(told(&file(b"\x28\xb5\x2f\xfd\x04")).ends_with(&unpack("zstdcat")));

    for binary in [&b"\x7fELF\x02\x01\x01\0\0"[..], b"SQLite format 3\0", b"\xff\xfe1\n2,3\n"] {
        let words = "this is no CSV text; give the results.csv of a trace, as";
        let told = told(&file(binary));
        assert!(told.starts_with(words), "{told}");
    }

    let name = told(&|path| std::fs::create_dir(path).unwrap());
    assert_eq!(name, "it is a folder; name the file with the results");
    std::fs::write(folder.path("results.csv/results.csv"), "").unwrap();
    let (done, ..) = folder.run(true);
    let inside = folder.path("results.csv/results.csv").display().to_string();
    assert!(done.unwrap_err().to_string().ends_with(&format!("did you mean {inside}?")));
}

/// Results taken for the fleet would be a mistake on each line of them.
#[test]
fn what_is_no_fleet_is_told_in_one_line() {
    let folder = Folder::new(&outage());
    let told_of = |bytes: &[u8]| {
        std::fs::write(folder.path("fleet.toml"), bytes).unwrap();
        let (done, ..) = folder.run(false);
        done.unwrap_err().to_string()
    };
    let told = |text: &str| told_of(text.as_bytes());
    let results = told(&outage());
    let words = "fleet.toml: this is no fleet file (TOML) but results; give the fleet.toml that lies beside \
                 results.csv, or the collector's configuration";
    assert!(results.ends_with(words) && results.lines().count() == 1, "{results}");
    assert!(told("\n name,region\na,r1\n").contains(": this is no fleet file (TOML); give "));
    for toml in ["# mine\nagents = 1\n", "\u{feff}[[agents]\n", "agents = 1\n"] {
        assert!(!told(toml).contains("no fleet file"), "{}", told(toml));
    }
    // by chance there is a '=' in it
    let packed = told_of(b"\x1f\x8b\x08\x00=\xff\n");
    let words = "fleet.toml: this is no fleet file (TOML): it is compressed with gzip (zcat shows what it is); give ";
    assert!(packed.contains(words) && packed.lines().count() == 1, "{packed}");
    let binary = told_of(b"# \xff\xfe\0=\n");
    assert!(
        binary.contains(": this is no fleet file (TOML): it is no text in UTF-8; give "),
        "{binary}"
    );
}

#[test]
fn an_output_in_a_folder_that_is_not_there_is_told_with_the_remedy() {
    let folder = Folder::new(&outage());
    let replay = Replay { output: Some(folder.path("none/out.jsonl")), ..folder.replay(false) };
    let told = run(&replay, &mut |_| (), &mut |_, _| ()).unwrap_err().to_string();
    let words = format!(
        "none/out.jsonl: there is no folder {} to write it in; make that first",
        folder.path("none").display()
    );
    assert!(told.ends_with(&words), "{told}");
}

#[test]
fn results_in_another_order_are_refused_unless_taken_as_they_stand() {
    let reversed = |rows: usize| {
        let csv = outage();
        let mut rows: Vec<&str> = csv.lines().skip(1).take(rows).collect();
        rows.reverse();
        format!("{}\n{}\n", row::HEADER.join(","), rows.join("\n"))
    };
    let folder = Folder::new(&reversed(700));
    let (done, out, warnings) = folder.run(false);
    let told = done.unwrap_err().to_string();
    let words = ": 699 of 700 rows were received before one above them: results must be in the order they were \
                 received; sort them by received_ms, or take them as they stand with --lenient";
    assert!(told.ends_with(words), "{told}");
    assert_eq!((out.as_str(), warnings.len()), ("", 0));
    let (done, _, warnings) = folder.run(true);
    assert_eq!((done.unwrap().backwards, warnings.len()), (699, 1));
    // a few are no other order
    let mut few = outage();
    for row in reversed(300).lines().skip(1) {
        few.push_str(row);
        few.push('\n');
    }
    assert_eq!(Folder::new(&few).run(false).0.unwrap().backwards, 300);
}

#[test]
fn how_far_it_is_is_told_now_and_then() {
    let mut csv = row::HEADER.join(",") + "\n";
    for n in 0..2 * PROGRESS_ROWS + 5 {
        writeln!(csv, "{},1800000000000,a,shop,ok,4,", 1_800_000_000_001 + n / 10).unwrap();
    }
    let (folder, mut told) = (Folder::new(&csv), Vec::new());
    run(&folder.replay(false), &mut |_| (), &mut |rows, at| told.push((rows, at.millis())))
        .unwrap();
    assert_eq!(told, [(20_000, 1_800_000_002_000), (40_000, 1_800_000_004_000)]);
}

#[test]
fn a_trace_without_rows_is_said_to_be_that() {
    let folder = Folder::new(&(row::HEADER.join(",") + "\n"));
    let (done, _, warnings) = folder.run(false);
    assert_eq!(done.unwrap().rows, 0);
    assert!(
        warnings[0]
            .ends_with("results.csv has no row below its header: there was nothing to judge")
    );
    assert_eq!(warnings.len(), 1);
}

#[test]
fn strangers_are_warned_of_once() {
    let mut csv = outage();
    for at in [1_800_001_300_000_u64, 1_800_001_310_000] {
        writeln!(csv, "{at},{at},stranger,moon,ok,4,").unwrap();
    }
    let (done, _, warnings) = Folder::new(&csv).run(false);
    assert!(done.is_ok());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn absurd_instants_are_no_reason_to_hang() {
    let csv = format!(
        "{}\n5,9223372036854775807,a,shop,ok,4,\n253402300799999,-9223372036854775808,a,shop,ok,18446744073709551615,\n",
        row::HEADER.join(",")
    );
    let (done, ..) = Folder::new(&csv).run(false);
    assert_eq!(done.unwrap().rows, 2);
}

#[test]
fn rules_are_held_beside_the_engine() {
    let mut folder = Folder::new(&outage());
    folder.1 = ["any", "all", "count:4"].map(|rule| rule.parse().unwrap()).to_vec();
    let (done, ..) = folder.run(false);
    let scores = done.unwrap().scores;
    assert_eq!((scores.faults, scores.beyond), (1, 0));
    let service = parallax_model::Locus::Service { target: "shop".parse().unwrap() };
    assert_eq!(scores.told, [(service, 1)]);
    let score = |n: usize| {
        let s = &scores.rules[n];
        (
            s.alarms,
            s.shared,
            s.missed.len(),
            s.later_ms.map(|ms| ms.clamp(-60_000, 60_000) / 10_000),
        )
    };
    // the first of three looks that fail makes "any", the last "all", and nobody is four
    assert_eq!(score(0).0, 1);
    assert_eq!((score(0), score(1).0, score(1).2), ((1, 1, 0, score(0).3), 1, 0));
    assert!(scores.rules[0].later_ms.unwrap() < scores.rules[1].later_ms.unwrap());
    assert_eq!(score(2), (0, 0, 1, None));
    assert_eq!(scores.rules[2].missed, [(FaultId(1), "shop".parse().unwrap())]);
}

#[test]
fn a_rule_that_takes_more_places_than_look_is_warned_of() {
    let warned = |fleet: &str, rules: &[&str]| {
        let mut folder = Folder::new(&outage());
        std::fs::write(folder.path("fleet.toml"), fleet).unwrap();
        folder.1 = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        folder.run(false).2
    };
    assert_eq!(warned(FLEET, &["any", "all", "count:3"]), [] as [String; 0]);
    let words = "count:99 takes 99 places, and no service is looked at from more than 3: it never says down";
    assert_eq!(warned(FLEET, &["count:99", "any"]), [words]);
    let two =
        FLEET.replace("name = \"shop\"", "name = \"shop\"\nagents = { name = [\"a\", \"b\"] }");
    let mail = "[[targets]]\nname = \"mail\"\nhttp = { url = \"https://mail.example/\" }\n";
    let words = "count:3 takes 3 places: it never says down of shop, looked at from 2 at most";
    assert_eq!(warned(&(two + mail), &["count:3"]), [words]);
}

/// The turns as they are written, byte for byte: keys are relied on from outside.
#[test]
fn a_rule_that_turns_is_a_line_of_its_own() {
    let mut folder = Folder::new(&outage());
    let own = FLEET.replace("name = \"shop\"", "name = \"shop\"\npolicy = \"count:2\"");
    std::fs::write(folder.path("fleet.toml"), own).unwrap();
    let told = |folder: &Folder| {
        let (done, out, _) = folder.run(false);
        done.unwrap();
        let policy = |line: &&str| line.contains("\"event\":\"policy\"");
        out.lines().filter(policy).map(str::to_owned).collect::<Vec<_>>()
    };
    let line = |at: i64, rule: &str, state: &str, down: u32| {
        format!(
            "{{\"event\":\"policy\",\"at_ms\":{},\"target\":\"shop\",\"rule\":\"{rule}\",\"state\":\"{state}\",\
             \"domains_down\":{down},\"domains_voting\":3}}",
            1_800_000_000_000 + at
        )
    };
    let own = [line(601_060, "count:2", "down", 2), line(901_060, "count:2", "up", 1)];
    assert_eq!(told(&folder), own);

    // rules that are asked for come first; a service's own is told once
    folder.1 = ["all", "count:2"].map(|rule| rule.parse().unwrap()).to_vec();
    let [down, up] = own;
    let all = [line(602_060, "all", "down", 3), line(900_060, "all", "up", 2)];
    let [all_down, all_up] = all;
    assert_eq!(told(&folder), [down, all_down, all_up, up]);
}
