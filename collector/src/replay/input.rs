//! The file that was named as results, or a word on why it cannot be that.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

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
    match PACKED.iter().find(|(magic, ..)| begin.starts_with(magic)) {
        Some((_, kind, tool)) => Err(format!(
            "it is compressed with {kind}; unpack it on the way: \
             {tool} {file} | parallax replay --fleet FLEET.toml --results -"
        )),
        None => Ok(input),
    }
}
