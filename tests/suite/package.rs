//! What the Debian packages hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use parallax_tests::package::{missing, package};
use parallax_tests::run;

fn told(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Path of each file of a package, with its mode.
fn files(package: &Path) -> BTreeSet<(String, String)> {
    let listing = told("dpkg-deb", &["-c", package.to_str().unwrap()]);
    let file = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[5].trim_start_matches('.').to_owned(), format!("{} {}", words[0], words[1]))
    };
    listing.lines().map(file).filter(|(path, _)| !path.ends_with('/')).collect()
}

/// The commands that `--help` lists.
fn commands(program: &str) -> Vec<String> {
    let help = String::from_utf8(run(program, ["--help"]).stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    words
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|w| w != "help")
        .collect()
}

#[test]
fn packages_hold_what_belongs_to_them() {
    if let Some(why) = missing() {
        eprintln!("skipped: packages_hold_what_belongs_to_them ({why})");
        return;
    }
    for name in ["parallax", "parallax-agent"] {
        let package = package(name);
        let files = files(&package);
        let has = |path: &str, mode: &str| {
            let file = (path.to_owned(), format!("{mode} 0/0"));
            assert!(files.contains(&file), "{name}: no {mode} {path} in {files:#?}");
        };
        has(&format!("/usr/bin/{name}"), "-rwxr-xr-x");
        has(&format!("/usr/lib/systemd/system/{name}.service"), "-rw-r--r--");
        has(&format!("/etc/default/{name}"), "-rw-r--r--");
        has(&format!("/usr/share/doc/{name}/copyright"), "-rw-r--r--");
        has(&format!("/usr/share/bash-completion/completions/{name}"), "-rw-r--r--");
        has(&format!("/usr/share/zsh/vendor-completions/_{name}"), "-rw-r--r--");
        has(&format!("/usr/share/fish/vendor_completions.d/{name}.fish"), "-rw-r--r--");
        has(&format!("/usr/share/man/man1/{name}.1.gz"), "-rw-r--r--");
        for command in commands(name) {
            has(&format!("/usr/share/man/man1/{name}-{command}.1.gz"), "-rw-r--r--");
        }
        let of = |field: &str| told("dpkg-deb", &["-f", package.to_str().unwrap(), field]);
        assert_eq!(of("Package").trim(), name);
        assert!(of("Depends").contains("passwd"), "{}", of("Depends"));
    }
}

#[test]
fn packages_share_no_file() {
    if let Some(why) = missing() {
        eprintln!("skipped: packages_share_no_file ({why})");
        return;
    }
    let (collector, agent) = (files(&package("parallax")), files(&package("parallax-agent")));
    let both: Vec<_> = collector.intersection(&agent).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn packages_run_no_script_that_cannot_be_read() {
    if let Some(why) = missing() {
        eprintln!("skipped: packages_run_no_script_that_cannot_be_read ({why})");
        return;
    }
    for name in ["parallax", "parallax-agent"] {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().to_str().unwrap();
        told("dpkg-deb", &["-e", package(name).to_str().unwrap(), control]);
        for script in ["postinst", "prerm", "postrm"] {
            let file = folder.path().join(script);
            told("sh", &["-n", file.to_str().unwrap()]);
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains(&format!("{name}.service")), "{script} of {name}: {text}");
            assert!(!text.contains("#DEBHELPER#"), "{script} of {name}: {text}");
        }
        let kept = std::fs::read_to_string(folder.path().join("conffiles")).unwrap();
        assert_eq!(kept.trim(), format!("/etc/default/{name}"));
    }
}

#[test]
fn manual_and_completions_know_every_command() {
    for name in ["parallax", "parallax-agent"] {
        let page = String::from_utf8(run(name, ["man"]).stdout).unwrap();
        for shell in ["bash", "zsh", "fish"] {
            let words = String::from_utf8(run(name, ["completions", shell]).stdout).unwrap();
            for command in commands(name) {
                assert!(words.contains(&command), "{name}, {shell}: no {command}");
                let escaped = command.replace('-', "\\-");
                assert!(page.contains(&escaped), "{name}: no {command} in {page}");
            }
        }
    }
}
