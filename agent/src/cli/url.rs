//! What a person types as a target.

use std::net::SocketAddr;

use parallax_model::{Check, DnsCheck, HttpCheck, RecordType, StatusSet, TcpCheck};
use url::Url;

/// Redirects that a look by hand follows: as many as curl's users expect, and browsers allow twice.
const REDIRECTS_MAX: u8 = 10;

/// How to look at `text`, or what is wrong with it.
pub(super) fn check(text: &str) -> Result<Check, String> {
    let url = Url::parse(text)
        .map_err(|e| format!("{text:?} is no address ({e}); write it like https://example.com/"))?;
    match url.scheme() {
        "http" | "https" => Ok(Check::Http(HttpCheck {
            url: text.to_owned(),
            method: "GET".into(),
            status: StatusSet::default(),
            body_contains: None,
            redirects_max: REDIRECTS_MAX,
        })),
        "tcp" => tcp(&url),
        "dns" => dns(&url),
        other => Err(format!("cannot look at {other}://; http, https, tcp and dns are known")),
    }
}

fn tcp(url: &Url) -> Result<Check, String> {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => Ok(Check::Tcp(TcpCheck { address: format!("{host}:{port}") })),
        _ => Err(format!("{url} has no port; write it like tcp://example.com:5432")),
    }
}

fn dns(url: &Url) -> Result<Check, String> {
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
    Ok(Check::Dns(DnsCheck { name: name.to_owned(), record, server, answer_contains }))
}

/// An address, with port 53 if none is given.
fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse().ok();
    let bare = || text.trim_matches(['[', ']']).parse().ok().map(|ip| SocketAddr::new(ip, 53));
    with_port().or_else(bare).ok_or_else(|| {
        format!("{text:?} is no address of a server; write it like 1.1.1.1 or 1.1.1.1:53")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_understood() {
        assert_eq!(check("tcp://h:1").unwrap().address(), "h:1");
        assert_eq!(check("https://h/x").unwrap().address(), "https://h/x");
        assert_eq!(check("dns://h").unwrap().address(), "A h");
        let dns = check("dns://h?type=mx&server=192.0.2.1&contains=x").unwrap();
        assert_eq!(dns.address(), "MX h @192.0.2.1:53");
        assert_eq!(check("dns://h?server=[::1]").unwrap().address(), "A h @[::1]:53");
    }

    #[test]
    fn a_mistake_says_how_to_write_it() {
        for (text, says) in [
            ("example.com", "write it like https://"),
            ("ftp://h/", "cannot look at ftp://"),
            ("tcp://h", "write it like tcp://"),
            ("dns://h?type=x", "known are A, AAAA"),
            ("dns://h?kind=a", "\"kind\" is unknown"),
            ("dns://h?server=x", "no address of a server"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
