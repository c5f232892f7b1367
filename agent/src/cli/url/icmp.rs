//! `icmp://HOST?count=5`

use parallax_model::target::icmp::ECHOES_MAX;
use parallax_model::{Family, IcmpCheck};
use url::Url;

pub(super) fn check(url: &Url) -> Result<IcmpCheck, String> {
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or("write it like icmp://example.com")?;
    let mut check = IcmpCheck::to(host);
    for (key, value) in url.query_pairs() {
        match &*key {
            "count" => {
                let count = value.parse().ok().filter(|n| (1..=ECHOES_MAX).contains(n));
                check.count = count.ok_or_else(|| {
                    format!("{value:?} is no count of echoes from 1 to {ECHOES_MAX}")
                })?;
            }
            "family" => {
                let unknown = || format!("family {value:?} is unknown; write any, ipv4 or ipv6");
                check.family = Family::from_word(&value).ok_or_else(unknown)?;
            }
            other => return Err(format!("{other:?} is unknown; count and family are known")),
        }
    }
    Ok(check)
}
