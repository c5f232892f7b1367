//! What lies in `deploy/` works.

use std::path::{Path, PathBuf};

use parallax_tests::run;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy").join(file)
}

#[test]
fn the_sample_of_a_collectors_config_is_taken() {
    let config = deploy("config/parallax.toml");
    let out = run("parallax", ["check-config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("3 agents, 5 targets"), "{said}");
}

#[test]
fn the_config_of_the_readme_is_taken() {
    let readme = std::fs::read_to_string(deploy("../README.md")).unwrap();
    let config = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parallax.toml");
    std::fs::write(&file, config).unwrap();
    let out = run("parallax", ["check-config", file.to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn the_sample_of_an_agents_config_is_taken() {
    let sample = std::fs::read_to_string(deploy("config/agent.toml")).unwrap();
    // what it only suggests must be right, too
    let is_setting = |line: &str| line.contains(" = ") || line.starts_with('[');
    let suggested =
        |line: &str| line.strip_prefix("# ").filter(|l| is_setting(l)).map(str::to_owned);
    let text: Vec<String> =
        sample.lines().map(|line| suggested(line).unwrap_or_else(|| line.to_owned())).collect();
    let text = text.join("\n");
    assert!(text.contains("\ntokens_per_day = "), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // the sample's folder belongs to a packaged agent: a file in the way of ours proves that the
    // config was read to the end, and nothing was started
    std::fs::write(&data, "in the way").unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, text.replace("/var/lib/parallax-agent", data.to_str().unwrap())).unwrap();
    let out = run("parallax-agent", ["run", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains(data.to_str().unwrap()), "{said}");
}
