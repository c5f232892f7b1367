//! What a person types as a target. One file a kind of probe.

mod dns;
mod grpc;
mod icmp;
mod llm;
mod tcp;
mod tls;

use parallax_model::{Check, HttpCheck, LlmApi};
use url::Url;

/// Redirects that a look by hand follows: as many as curl's users expect, and browsers allow twice.
const REDIRECTS_MAX: u8 = 10;

/// How to look at `text`, or what is wrong with it.
pub(super) fn check(text: &str) -> Result<Check, String> {
    let url = Url::parse(text)
        .map_err(|e| format!("{text:?} is no address ({e}); write it like https://example.com/"))?;
    match url.scheme() {
        "http" | "https" => Ok(Check::Http(HttpCheck {
            redirects_max: REDIRECTS_MAX,
            http2: true,
            compression: true,
            ..HttpCheck::get(text)
        })),
        "tcp" => tcp::check(&url).map(Check::Tcp),
        "tls" => tls::check(&url).map(Check::Tls),
        "dns" => dns::check(&url).map(Check::Dns),
        "icmp" => icmp::check(&url).map(Check::Icmp),
        "grpc" | "grpcs" => grpc::check(&url).map(Check::Grpc),
        "openai+http" | "openai+https" => llm::check(LlmApi::OpenAi, &url).map(Check::Llm),
        "anthropic+http" | "anthropic+https" => llm::check(LlmApi::Anthropic, &url).map(Check::Llm),
        other => Err(format!(
            "cannot look at {other}://; http, https, tls, tcp, dns, icmp, grpc, grpcs, openai+https and anthropic+https are known"
        )),
    }
}

#[cfg(test)]
mod tests {
    use parallax_model::{TcpStep, TlsCheck};

    use super::*;

    #[test]
    fn every_kind_is_understood() {
        assert_eq!(check("tcp://h:1").unwrap().address(), "h:1");
        assert_eq!(check("https://h/x").unwrap().address(), "https://h/x");
        assert_eq!(check("dns://h").unwrap().address(), "A h");
        let dns = check("dns://h?type=mx&server=192.0.2.1&contains=x").unwrap();
        assert_eq!(dns.address(), "MX h @192.0.2.1:53");
        assert_eq!(check("dns://h?server=[::1]").unwrap().address(), "A h @[::1]:53");
        assert_eq!(check("dns://h?server=ns1.h&tcp").unwrap().address(), "A h @ns1.h:53");
        assert_eq!(check("icmp://h?count=9").unwrap().address(), "h");
        assert_eq!(check("grpcs://h:1/a.B").unwrap().address(), "h:1/a.B");
        assert_eq!(check("grpc://[::1]:1").unwrap().address(), "[::1]:1");
        let Check::Tls(tls) = check("tls://h:25?starttls=smtp").unwrap() else {
            panic!("tls is tls");
        };
        assert_eq!(Some(tls.talk), TlsCheck::starttls("smtp"));
        let llm = check("openai+https://h/v1/chat/completions?model=m&prompt=hi").unwrap();
        assert_eq!(llm.address(), "https://h/v1/chat/completions m");
        let Check::Tcp(tcp) = check("tcp://h:1?send=PING%0D%0A&expect=^PONG").unwrap() else {
            panic!("tcp is tcp");
        };
        let expected = [TcpStep::Send("PING\r\n".into()), TcpStep::Expect("^PONG".into())];
        assert_eq!(tcp.talk, expected);
    }

    #[test]
    fn a_mistake_says_how_to_write_it() {
        for (text, says) in [
            ("example.com", "write it like https://"),
            ("ftp://h/", "cannot look at ftp://"),
            ("tcp://h", "write it like tcp://"),
            ("tls://h:25?starttls=ftp", "smtp, imap, pop3 are known"),
            ("tls://h:25?talk=x", "starttls is known"),
            ("dns://h?type=x", "known are A, NS"),
            ("dns://h?kind=a", "\"kind\" is unknown"),
            ("dns://h?server=x/y", "is no server"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
