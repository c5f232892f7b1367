//! What a person types as a target. One file a kind of probe.

mod dns;
mod tcp;

use parallax_model::{Check, HttpCheck, StatusSet};
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
        "tcp" => tcp::check(&url).map(Check::Tcp),
        "dns" => dns::check(&url).map(Check::Dns),
        other => Err(format!("cannot look at {other}://; http, https, tcp and dns are known")),
    }
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
