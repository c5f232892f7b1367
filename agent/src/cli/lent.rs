//! What a person lends a look by hand: a key, an authority, a certificate, a proxy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use parallax_model::{Check, LlmCheck, TlsOptions};

use crate::probe::{Belongings, ClientCertificate, Key, Keys, Proxy};

/// The name by which the one look knows each of them.
const NAME: &str = "by-hand";

#[derive(Debug, Args)]
pub(super) struct Lent {
    /// File with the key for an LLM service; it is sent to the host of the URL
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// PEM file with the authority to trust instead of this machine's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file with a certificate to show
    #[arg(long, value_name = "FILE", requires = "client_key_file")]
    client_certificate: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key_file: Option<PathBuf>,
    /// HTTP proxy to go through, such as proxy.example:3128 or me@proxy.example:3128
    #[arg(long, value_name = "[USER@]HOST:PORT")]
    proxy: Option<String>,
    /// File with the password of the proxy's user
    #[arg(long, value_name = "FILE", requires = "proxy")]
    proxy_password_file: Option<PathBuf>,
}

impl Lent {
    /// Makes `check` use what was lent, or says why it cannot.
    pub(super) fn to(self, check: &mut Check) -> Result<Belongings, String> {
        let mut own = Belongings::default();
        if let Some(file) = self.key_file {
            let Check::Llm(check) = check else {
                return Err("--key-file is for openai+https:// and anthropic+https://".into());
            };
            own.keys = key(check, file);
        }
        if let Some(ca) = self.ca {
            tls(check).ok_or("--ca is for https://, tls:// and grpcs://")?.authority =
                Some(NAME.into());
            own.authorities.insert(NAME.into(), ca);
        }
        if let (Some(file), Some(key)) = (self.client_certificate, self.client_key_file) {
            let hosts = host(check).into_iter().collect();
            tls(check)
                .ok_or("--client-certificate is for https://, tls:// and grpcs://")?
                .certificate = Some(NAME.into());
            own.certificates.insert(NAME.into(), ClientCertificate { file, key, hosts });
        }
        if let Some(text) = self.proxy {
            let Check::Http(check) = check else {
                return Err("--proxy is for http:// and https://".into());
            };
            check.proxy = Some(NAME.into());
            own.proxies.insert(NAME.into(), proxy(&text, self.proxy_password_file)?);
        }
        Ok(own)
    }
}

/// A key typed by hand goes to the host typed by hand, once.
fn key(check: &mut LlmCheck, file: PathBuf) -> Keys {
    check.key = Some(NAME.to_owned());
    let hosts = host_of_url(&check.url).into_iter().collect();
    let key = Key { file, hosts, tokens_per_day: u64::MAX };
    Keys::new(BTreeMap::from([(NAME.to_owned(), key)]), None)
}

fn proxy(text: &str, password: Option<PathBuf>) -> Result<Proxy, String> {
    let (user, address) = match text.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, text),
    };
    if !Proxy::is_address(address) {
        return Err(format!("{address:?} is no host:port; write --proxy proxy.example:3128"));
    }
    let user = match (user, password) {
        (None, None) => None,
        (Some(user), Some(file)) => Some((user.to_owned(), file)),
        (Some(_), None) => return Err("add --proxy-password-file for the proxy's user".into()),
        (None, Some(_)) => return Err("write --proxy USER@HOST:PORT beside its password".into()),
    };
    Ok(Proxy { address: address.to_owned(), user })
}

fn tls(check: &mut Check) -> Option<&mut TlsOptions> {
    match check {
        Check::Http(check) => check.url.starts_with("https:").then_some(&mut check.tls),
        Check::Tls(check) => Some(&mut check.tls),
        Check::Grpc(check) => check.tls.as_mut(),
        Check::Tcp(_) | Check::Dns(_) | Check::Icmp(_) | Check::Llm(_) => None,
    }
}

fn host(check: &Check) -> Option<String> {
    match check {
        Check::Http(check) => host_of_url(&check.url),
        Check::Tls(check) => host_of(&check.address),
        Check::Grpc(check) => host_of(&check.address),
        Check::Tcp(_) | Check::Dns(_) | Check::Icmp(_) | Check::Llm(_) => None,
    }
}

fn host_of_url(url: &str) -> Option<String> {
    Some(::url::Url::parse(url).ok()?.host_str()?.trim_matches(['[', ']']).to_owned())
}

fn host_of(address: &str) -> Option<String> {
    Some(address.rsplit_once(':')?.0.trim_matches(['[', ']']).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::url;
    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        lent: Lent,
    }

    fn lend(to: &str, args: &[&str]) -> Result<(Check, Belongings), String> {
        let typed =
            Typed::try_parse_from([&["probe"], args].concat()).map_err(|e| e.to_string())?;
        let mut check = url::check(to)?;
        let own = typed.lent.to(&mut check)?;
        Ok((check, own))
    }

    #[test]
    fn what_is_lent_goes_to_the_host_that_was_typed() {
        let args = ["--client-certificate", "c", "--client-key-file", "k", "--ca", "a"];
        for to in ["https://Shop.test/", "tls://shop.test", "grpcs://shop.test:1"] {
            let (_, own) = lend(to, &args).unwrap();
            assert_eq!(own.certificates[NAME].hosts, ["shop.test"], "{to}");
            assert_eq!(own.authorities[NAME], PathBuf::from("a"));
        }
        let (check, own) =
            lend("http://h/", &["--proxy", "me@p:1", "--proxy-password-file", "f"]).unwrap();
        assert!(matches!(check, Check::Http(check) if check.proxy.as_deref() == Some(NAME)));
        let user = Some(("me".to_owned(), PathBuf::from("f")));
        assert_eq!(own.proxies[NAME], Proxy { address: "p:1".into(), user });
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (to, args, says) in [
            ("tcp://h:1", &["--ca", "a"][..], "--ca is for"),
            ("http://h/", &["--ca", "a"], "--ca is for"),
            ("grpc://h:1", &["--ca", "a"], "--ca is for"),
            ("https://h/", &["--client-certificate", "c"], "--client-key-file"),
            ("https://h/", &["--key-file", "k"], "--key-file is for"),
            ("https://h/", &["--proxy", "p"], "is no host:port"),
            ("https://h/", &["--proxy", "me@p:1"], "--proxy-password-file"),
            ("tls://h", &["--proxy", "p:1"], "--proxy is for"),
        ] {
            let said = lend(to, args).unwrap_err();
            assert!(said.contains(says), "{to}: {said}");
        }
    }
}
