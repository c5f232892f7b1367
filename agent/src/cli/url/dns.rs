//! `dns://NAME?type=AAAA&server=1.1.1.1:53`

use std::net::{IpAddr, SocketAddr};

use parallax_model::{DnsCheck, DnsTransport, Rcode, RecordType};
use url::Url;

pub(super) fn check(url: &Url) -> Result<DnsCheck, String> {
    let name = url.host_str().ok_or("write it like dns://example.com?type=AAAA")?;
    let mut check = DnsCheck::new(name, RecordType::A);
    for (key, value) in url.query_pairs() {
        match &*key {
            "type" => check.record = record(&value)?,
            "server" => check.server = Some(server(&value)?),
            "contains" => check.answer_contains = Some(value.into_owned()),
            "rcode" => {
                let unknown = || format!("response code {value:?} is unknown; write NXDOMAIN");
                check.rcode = Rcode::from_word(&value).ok_or_else(unknown)?;
            }
            "tcp" => check.transport = DnsTransport::Tcp,
            "authenticated" => check.authenticated = true,
            other => {
                return Err(format!(
                    "{other:?} is unknown; type, server, contains, rcode, tcp and authenticated are known"
                ));
            }
        }
    }
    Ok(check)
}

fn record(word: &str) -> Result<RecordType, String> {
    RecordType::from_word(word).filter(|record| !record.is_reserved()).ok_or_else(|| {
        let known: Vec<&str> = RecordType::NAMED.iter().map(|&(_, word)| word).collect();
        let known = known.join(", ");
        format!("record type {word:?} is unknown; known are {known}, and TYPE with a number")
    })
}

/// A host or address, with port 53 if none is given.
fn server(text: &str) -> Result<String, String> {
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>();
    if let Ok(ip) = bare {
        return Ok(SocketAddr::new(ip, 53).to_string());
    }
    let wrong = || format!("{text:?} is no server; write it like 1.1.1.1 or ns1.example.com:53");
    let url = Url::parse(&format!("dns://{text}")).map_err(|_| wrong())?;
    let bare = Some(&url).filter(|url| url.path().is_empty() && url.username().is_empty());
    let host = bare.and_then(Url::host_str).filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    Ok(format!("{host}:{}", url.port().unwrap_or(53)))
}
