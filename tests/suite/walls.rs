//! The walls of the house: who may import whom, as ARCHITECTURE.md tells it.
//!
//! Crates keep the outer walls (cargo knows no way around a missing dependency); this scan keeps the
//! ones between the rooms of a crate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms that join the others; they may import any.
const JOINERS: &[&str] = &["app", "cli", "lib", "main"];

/// (crate folder, room, rooms it may import)
const ROOMS: &[(&str, &str, &[&str])] = &[
    ("collector", "json", &[]),
    ("collector", "config", &["identity", "notify", "store"]),
    ("collector", "identity", &[]),
    ("collector", "control", &["identity"]),
    ("collector", "store", &["json"]),
    ("collector", "ingest", &["store", "fleet", "identity"]),
    ("collector", "fleet", &["store"]),
    ("collector", "judge", &["store"]),
    ("collector", "incident", &["store"]),
    ("collector", "view", &["store"]),
    ("collector", "api", &["view", "json"]),
    ("collector", "page", &["view"]),
    ("collector", "export", &["view"]),
    ("collector", "notify", &["view", "store", "json"]),
    ("collector", "replay", &["config", "json", "store"]),
    ("collector", "practice", &["app", "config", "view"]),
    ("agent", "config", &["identity", "probe"]),
    ("agent", "identity", &[]),
    ("agent", "probe", &[]),
    ("agent", "policy", &[]),
    ("agent", "schedule", &[]),
    ("agent", "fitness", &["schedule"]),
    ("agent", "spool", &[]),
    ("agent", "uplink", &["identity", "spool"]),
];

/// (word in the code, path prefixes that may say it)
const ONLY_THERE: &[(&str, &[&str])] = &[
    ("rusqlite::", &["collector/src/store/sqlite/"]),
    // a look at a gRPC server is made of a gRPC client; the road's own types stay behind their wall
    (
        "tonic::",
        &[
            "proto/",
            "agent/src/uplink/",
            "collector/src/ingest/",
            "agent/src/probe/grpc",
            "agent/src/probe/tests/",
        ],
    ),
    ("parallax_proto::pb", &["proto/", "agent/src/uplink/", "collector/src/ingest/"]),
    ("pb::", &["proto/", "agent/src/uplink/", "collector/src/ingest/"]),
    ("parallax_agent::", &["agent/", "collector/src/practice/", "collector/src/cli/up"]),
    ("store::sqlite", &["collector/src/store/", "collector/src/app", "collector/src/cli/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources(crates: &[&str]) -> Vec<(String, String)> {
    let (root, mut files) = (root(), Vec::new());
    for folder in crates {
        rust_files(&root.join(folder).join("src"), &mut files);
    }
    assert!(files.len() > 20, "the walls are looked for in the wrong place");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// The room of `collector/src/store/sqlite/mod.rs` is `store`.
fn room(path: &str) -> &str {
    let inside = path.split_once("/src/").unwrap().1;
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Rooms that a file imports by `crate::room`, without its comments.
fn imports(text: &str) -> BTreeSet<&str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap());
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|room| !room.is_empty() && room.chars().all(|c| !c.is_uppercase()))
        .collect()
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut broken = Vec::new();
    for (path, text) in sources(&["collector", "agent"]) {
        let (krate, room) = (path.split('/').next().unwrap(), room(&path));
        if JOINERS.contains(&room) {
            continue;
        }
        let known = ROOMS.iter().filter(|(k, _, _)| *k == krate);
        let Some((_, _, allowed)) = known.clone().find(|(_, name, _)| *name == room) else {
            broken.push(format!("{path}: the room {room:?} stands in no row of the table"));
            continue;
        };
        let rooms: BTreeSet<&str> = known.map(|(_, name, _)| *name).chain(["app", "cli"]).collect();
        for import in imports(&text) {
            if import != room && rooms.contains(import) && !allowed.contains(&import) {
                broken.push(format!("{path}: {room} must not import {import}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn some_words_are_said_in_one_place_only() {
    let mut broken = Vec::new();
    for (path, text) in
        sources(&["collector", "agent", "proto", "proto/model", "collector/verdict"])
    {
        for (word, places) in ONLY_THERE {
            let code = text.lines().map(|line| line.split("//").next().unwrap());
            let says = code.filter(|line| {
                line.match_indices(word).any(|(at, _)| {
                    let before = line.get(..at).unwrap().chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
            });
            if says.count() > 0 && !places.iter().any(|place| path.starts_with(place)) {
                broken.push(format!("{path}: `{word}` is said only in {places:?}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_pure_crates_depend_on_nothing_impure() {
    for (manifest, allowed) in [
        ("proto/model/Cargo.toml", &[][..]),
        ("collector/verdict/Cargo.toml", &["parallax-model"][..]),
    ] {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let none = toml::Table::new();
        let depends = manifest.get("dependencies").and_then(|d| d.as_table()).unwrap_or(&none);
        let names: Vec<&str> = depends.keys().map(String::as_str).collect();
        assert_eq!(names, allowed);
    }
}

#[test]
fn every_room_opens_with_its_page() {
    let mut broken = Vec::new();
    for (path, text) in
        sources(&["collector", "agent", "proto", "proto/model", "collector/verdict"])
    {
        if (path.ends_with("/mod.rs") || path.ends_with("/lib.rs")) && !text.starts_with("//!") {
            broken.push(path);
        }
    }
    assert!(broken.is_empty(), "no `//!` page: {broken:?}");
}

#[test]
fn no_file_outgrew_its_room() {
    let code = |text: &str| text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
    let long: Vec<String> =
        sources(&["collector", "agent", "proto", "proto/model", "collector/verdict"])
            .into_iter()
            .filter(|(path, text)| !path.contains("/gen/") && code(text) > 450)
            .map(|(path, text)| format!("{path}: {} lines", code(&text)))
            .collect();
    assert!(long.is_empty(), "{long:?}");
}
