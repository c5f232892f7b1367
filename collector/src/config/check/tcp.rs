//! `tcp`: a connection that must be made.

use parallax_model::TcpCheck;
use url::Url;

use crate::config::section::Field;

const KEYS: &[&str] = &["address"];

/// A TCP check.
pub(super) fn read(field: Field<'_>) -> Option<TcpCheck> {
    let section = field.section("tcp", KEYS)?;
    let address = section.need("address", "\"example.com:5432\"")?;
    let text = address.text()?;
    if !is_host_and_port(text) {
        address
            .wrong(format!("{text:?} is no host:port; write \"example.com:5432\" or \"[::1]:53\""));
        return None;
    }
    Some(TcpCheck { address: text.to_owned() })
}

fn is_host_and_port(text: &str) -> bool {
    let Ok(url) = Url::parse(&format!("tcp://{text}")) else { return false };
    let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().is_some_and(|h| !h.is_empty());
    bare && host && url.username().is_empty() && url.port().is_some_and(|p| p > 0)
}
