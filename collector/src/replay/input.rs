//! The files that were named as results and fleet, or a word on why they cannot be that.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::row::HEADER;

/// How compressed files begin, and what unpacks them.
const PACKED: [(&[u8], &str, &str); 3] = [
    (&[0x1f, 0x8b], "gzip", "zcat"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz", "xzcat"),
];

/// What it is called in messages.
pub(super) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "stdin".to_owned() } else { path.display().to_string() }
}

/// Opens it; an error says what is wrong with it, and what to do.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    if path.as_os_str() == "-" {
        return unpacked(io::stdin().lock(), "FILE").map(|input| Box::new(input) as _);
    }
    let cannot = |why: io::Error| format!("cannot be read: {why}; name a file that can");
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        let inside = path.join("results.csv");
        let remedy = if inside.exists() {
            format!("did you mean {}?", inside.display())
        } else {
            "name the file with the results".to_owned()
        };
        return Err(format!("it is a folder; {remedy}"));
    }
    let input = BufReader::with_capacity(1 << 18, file);
    unpacked(input, &path.display().to_string()).map(|input| Box::new(input) as _)
}

/// A compressed file is not unpacked here, but told how to be.
fn unpacked<R: BufRead>(mut input: R, file: &str) -> Result<R, String> {
    let begin = input.fill_buf().map_err(|why| format!("cannot be read: {why}"))?;
    match packed_with(begin) {
        Some((kind, tool)) => Err(format!(
            "it is compressed with {kind}; unpack it on the way: \
             {tool} {file} | parallax replay --fleet FLEET.toml --results -"
        )),
        None if is_binary(begin) => Err(format!("this is no CSV text; {GIVE}")),
        None => Ok(input),
    }
}

/// What it is packed with, and what unpacks it.
fn packed_with(begin: &[u8]) -> Option<(&'static str, &'static str)> {
    let (_, kind, tool) = PACKED.iter().find(|(magic, ..)| begin.starts_with(magic))?;
    Some((kind, tool))
}

/// What to name instead of something else.
pub(super) const GIVE: &str =
    "give the results.csv of a trace, as `parallax export results` writes it";

/// Bytes of a file that tell whether it is text.
const BEGIN_BYTES: usize = 4096;

/// True if the first line is none. A byte that is no text further down is a mistake of its row.
fn is_binary(begin: &[u8]) -> bool {
    let begin = begin.get(..BEGIN_BYTES).unwrap_or(begin);
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let broken = std::str::from_utf8(line).is_err_and(|why| why.error_len().is_some());
    broken || line.contains(&0)
}

/// Why it cannot be a fleet, whatever else is wrong with it: a file of TOML begins with a section, a key or a
/// comment. Of results, told line by line, nobody would find that out.
pub(super) fn is_no_fleet(path: &Path) -> Option<String> {
    // what is read of a pipe is gone
    if !path.is_file() {
        return None;
    }
    let mut begin = Vec::new();
    File::open(path).ok()?.take(BEGIN_BYTES as u64).read_to_end(&mut begin).ok()?;
    let what = what_else(&begin)?;
    Some(format!(
        "this is no fleet file (TOML){what}; give the fleet.toml that lies beside results.csv, or \
         the collector's configuration"
    ))
}

/// What begins so, as far as that can be told, if it is no TOML.
fn what_else(begin: &[u8]) -> Option<String> {
    if let Some((kind, tool)) = packed_with(begin) {
        return Some(format!(": it is compressed with {kind} ({tool} shows what it is)"));
    }
    if is_binary(begin) {
        return Some(": it is no text in UTF-8".to_owned());
    }
    let text = String::from_utf8_lossy(begin);
    let first = text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty())?;
    let may_be = first.trim_start().starts_with(['[', '#']) || first.contains('=');
    let results = if first.trim() == HEADER.join(",") { " but results" } else { "" };
    (!may_be).then(|| results.to_owned())
}
