//! Outage stories as data: `stories/*.toml` say what the world does and what must be said of it,
//! by when, and nothing else. A bug report becomes a file there.
//! `STORY=name cargo test -p parallax-verdict --test stories` plays those whose names begin so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules shared with other tests")]

mod story;

use std::path::Path;

use story::Story;

#[test]
fn every_story_ends_as_it_says() {
    let only = std::env::var("STORY").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 15, "only {} stories", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with(&only) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let story: Story = toml::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        for seed in 0..story.seeds {
            if let Err(why) = story.check(seed) {
                wrong.push(format!("{name}, seed {seed}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
