//! `agents` of a target: who looks.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use parallax_model::Selector;

use super::section::Field;

const KEYS: &[&str] = &["name", "region", "provider", "site", "labels"];

/// Most entries of one list.
const ENTRIES_MAX: usize = 1000;

/// Who looks, as it is declared.
pub(super) fn read(field: Field<'_>) -> Selector {
    let Some(section) = field.section("a target's agents", KEYS) else {
        return Selector::default();
    };
    let labels = section.get("labels").map(labels).unwrap_or_default();
    let selector = Selector {
        names: section.get("name").map(words).unwrap_or_default(),
        regions: section.get("region").map(words).unwrap_or_default(),
        providers: section.get("provider").map(words).unwrap_or_default(),
        sites: section.get("site").map(words).unwrap_or_default(),
        labels,
    };
    if selector == Selector::default() {
        field.wrong("names no agents; write { region = [\"eu-west\"] }, or leave it out for all");
    }
    selector
}

/// One word, or a list of them.
fn words<T: FromStr<Err: Display>>(field: Field<'_>) -> Vec<T> {
    let remedy = "use plain words: [\"eu-west\", \"us-east\"]";
    entries(field).iter().filter_map(|entry| entry.parsed(remedy)).collect()
}

fn labels(field: Field<'_>) -> BTreeMap<String, Vec<String>> {
    let values = |field: Field<'_>| {
        entries(field).iter().filter_map(Field::text).map(str::to_owned).collect()
    };
    field.pairs().into_iter().map(|(key, field)| (key.to_owned(), values(field))).collect()
}

fn entries(field: Field<'_>) -> Vec<Field<'_>> {
    if field.as_text().is_some() {
        return vec![field];
    }
    let entries = field.list("words such as [\"eu-west\", \"us-east\"]");
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        field.wrong(format!("{} entries, at least 1 and at most {ENTRIES_MAX}", entries.len()));
    }
    entries
}
