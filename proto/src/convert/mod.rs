//! The door: wire to domain, with errors that name the field.

pub(crate) mod batch;
mod clues;
mod fitness;
mod kind;
mod seen;
mod session;
mod target;

/// A message that breaks the contract: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid message: {field}: {why}")]
pub struct InvalidMessage {
    /// The field, as a path in the contract: `batch.results[3].target`.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl InvalidMessage {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

/// A list that is longer than the contract allows.
pub(crate) fn bounded(field: &str, len: usize, max: usize) -> Result<(), InvalidMessage> {
    if len > max {
        return Err(InvalidMessage::new(
            field,
            format!("{len} entries, at most {max} are allowed"),
        ));
    }
    Ok(())
}

/// A name that the domain does not take.
pub(crate) fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: impl Fn() -> String,
    name: &str,
) -> Result<T, InvalidMessage> {
    name.parse().map_err(|why: T::Err| InvalidMessage::new(field(), why.to_string()))
}
