//! The Debian packages, made of the binaries under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{binary, output_of};

/// How long packing may take on a busy machine; the compiler is not needed.
const PACKING: Duration = Duration::from_mins(5);

/// Why packages cannot be made here, if they cannot.
pub fn missing() -> Option<String> {
    let has = |words: &[&str]| {
        Command::new(words[0]).args(&words[1..]).output().is_ok_and(|o| o.status.success())
    };
    if !has(&["dpkg-deb", "--version"]) || !has(&["dpkg-shlibdeps", "--version"]) {
        return Some("no dpkg-deb and dpkg-shlibdeps".to_owned());
    }
    let own = target().join("tools/bin/cargo-deb").exists();
    (!own && !has(&["cargo", "deb", "--version"]))
        .then(|| "no cargo-deb: run deploy/package --tools".to_owned())
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    binary("parallax").ancestors().nth(2).unwrap().to_owned()
}

/// The package `name`, made once a run: unoptimised, and like what is shipped in all else. `PARALLAX_PACKAGES`
/// names a folder of others, such as those that are shipped.
pub fn package(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("PARALLAX_PACKAGES") {
            return PathBuf::from(folder);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/package");
        let target = target();
        let mut command = Command::new(script);
        command.arg("--as-built").env("CARGO_TARGET_DIR", &target);
        let out = output_of("deploy/package", &mut command, PACKING);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        target.join("package-as-built")
    });
    let prefix = format!("{name}_");
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with(&prefix);
    files.find(is_it).unwrap_or_else(|| panic!("no package {name} in {}", folder.display()))
}
