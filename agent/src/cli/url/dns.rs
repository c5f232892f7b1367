//! `dns://NAME?type=AAAA&server=1.1.1.1:53`

use std::net::SocketAddr;

use parallax_model::{DnsCheck, RecordType};
use url::Url;

pub(super) fn check(url: &Url) -> Result<DnsCheck, String> {
    let name = url.host_str().ok_or("write it like dns://example.com?type=AAAA")?;
    let (mut record, mut server, mut answer_contains) = (RecordType::A, None, None);
    for (key, value) in url.query_pairs() {
        match &*key {
            "type" => {
                record = RecordType::from_word(&value).ok_or_else(|| {
                    let known: Vec<_> = RecordType::ALL.iter().map(|t| t.as_str()).collect();
                    format!("record type {value:?} is unknown; known are {}", known.join(", "))
                })?;
            }
            "server" => server = Some(address(&value)?),
            "contains" => answer_contains = Some(value.into_owned()),
            other => {
                return Err(format!("{other:?} is unknown; type, server and contains are known"));
            }
        }
    }
    Ok(DnsCheck { name: name.to_owned(), record, server, answer_contains })
}

/// An address, with port 53 if none is given.
fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse().ok();
    let bare = || text.trim_matches(['[', ']']).parse().ok().map(|ip| SocketAddr::new(ip, 53));
    with_port().or_else(bare).ok_or_else(|| {
        format!("{text:?} is no address of a server; write it like 1.1.1.1 or 1.1.1.1:53")
    })
}
