//! `[[agents]]`: who looks.

use std::collections::BTreeMap;

use parallax_model::{AgentName, AgentSpec};

use super::section::{Field, Section};
use super::source::Place;

/// Keys of an agent.
pub(super) const KEYS: &[&str] = &["name", "region", "provider", "site", "asn", "labels"];

/// Most labels of one agent.
const LABELS_MAX: usize = 32;

/// Longest key or value of a label, in bytes.
const LABEL_BYTES_MAX: usize = 255;

/// An agent as it is declared; none if it has no name that can be used.
pub(super) fn read(section: Section<'_>) -> Option<(Place, AgentSpec)> {
    let name = section.need("name", "\"eu-west-1\"");
    let region = section.get("region").and_then(|f| f.parsed("use a plain word: \"eu-west\""));
    let provider = section.get("provider").and_then(|f| f.parsed("use a plain word: \"hetzner\""));
    let site = section.get("site").and_then(|f| f.parsed("use a plain word: \"dublin-a\""));
    let asn = section.get("asn").and_then(|f| f.number(1, u32::MAX));
    let labels = section.get("labels").map(labels).unwrap_or_default();
    let name_at = name?;
    let name: AgentName = name_at.parsed("use a plain name: \"eu-west-1\"")?;
    Some((name_at.place(), AgentSpec { name, region, provider, site, asn, labels }))
}

fn labels(field: Field<'_>) -> BTreeMap<String, String> {
    let pairs = field.pairs();
    if pairs.len() > LABELS_MAX {
        field.wrong(format!("{} labels, at most {LABELS_MAX}; remove some", pairs.len()));
    }
    pairs.into_iter().filter_map(|(key, value)| label(key, value)).collect()
}

fn label(key: &str, field: Field<'_>) -> Option<(String, String)> {
    let value = field.text()?;
    if key.len() > LABEL_BYTES_MAX || value.len() > LABEL_BYTES_MAX {
        field.wrong(format!("a label is longer than {LABEL_BYTES_MAX} bytes; shorten it"));
    }
    Some((key.to_owned(), value.to_owned()))
}
