//! How to look at a target: one file a kind of probe.

mod assertion;
mod dns;
mod grpc;
mod http;
mod icmp;
mod llm;
mod tcp;
mod tls;

use parallax_model::{Check, TcpCheck};

use super::section::{Field, Section};

pub(super) use http::{http_url, usual_http};

/// Longest text looked for in an answer, in bytes.
const CONTAINS_BYTES_MAX: usize = 1024;

/// Reads a check from the value of its kind's key.
type Read = fn(Field<'_>) -> Option<Check>;

/// Every kind: its key, how to read it, and an example of it.
const KINDS: &[(&str, Read, &str)] = &[
    ("http", |field| http::read(field).map(Check::Http), "http = { url = \"https://…\" }"),
    ("tcp", |field| tcp::read(field).map(Check::Tcp), "tcp = { address = \"host:port\" }"),
    ("dns", |field| dns::read(field).map(Check::Dns), "dns = { name = \"…\" }"),
    ("icmp", |field| icmp::read(field).map(Check::Icmp), "icmp = { host = \"…\" }"),
    ("grpc", |field| grpc::read(field).map(Check::Grpc), "grpc = { address = \"host:port\" }"),
    (
        "llm",
        |field| llm::read(field).map(Check::Llm),
        "llm = { url = \"https://…\", model = \"…\" }",
    ),
    ("tls", |field| tls::read(field).map(Check::Tls), "tls = { address = \"host:port\" }"),
];

/// The one check of a target.
pub(super) fn read(section: Section<'_>) -> Option<Check> {
    let said = KINDS.iter().filter_map(|&(key, read, _)| Some((section.get(key)?, read)));
    let said: Vec<(Field<'_>, Read)> = said.collect();
    match said[..] {
        [(field, read)] => read(field),
        [] => {
            let examples: Vec<&str> = KINDS.iter().map(|&(_, _, example)| example).collect();
            let examples = examples.join(", ");
            section.wrong(format!("a target says nothing of how to look; add one of {examples}"));
            None
        }
        _ => {
            let keys: Vec<&str> = KINDS.iter().map(|&(key, _, _)| key).collect();
            let keys = keys.join(", ");
            section.wrong(format!("a target has more than one of {keys}; keep one"));
            None
        }
    }
}

/// Stands for a check that was wrong; never leaves a configuration with mistakes.
pub(super) fn placeholder() -> Check {
    Check::Tcp(TcpCheck::to(""))
}

fn contains(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.is_empty() || text.len() > CONTAINS_BYTES_MAX {
        field.wrong(format!(
            "must have 1 to {CONTAINS_BYTES_MAX} bytes; leave it out or shorten it"
        ));
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_targets_has_the_keys_of_each_kind() {
        let reference = include_str!("../../../../deploy/config/targets.md");
        let keys = [
            ("http", http::KEYS),
            ("tls", tls::KEYS),
            ("tcp", tcp::KEYS),
            ("dns", dns::KEYS),
            ("icmp", icmp::KEYS),
            ("grpc", grpc::KEYS),
            ("llm", llm::KEYS),
        ];
        for (kind, keys) in keys {
            let section = reference.split(&format!("\n## {kind}\n")).nth(1).unwrap_or_default();
            let section = section.split("\n## ").next().unwrap_or_default();
            for key in keys {
                assert!(section.contains(&format!("`{key}`")), "{kind} says nothing of {key}");
            }
        }
    }
}
