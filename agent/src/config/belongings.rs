//! What looks may use: `[keys.NAME]`, `[authorities.NAME]`, `[certificates.NAME]`, `[proxies.NAME]`.

use std::collections::BTreeMap;
use std::mem::take;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Settings, TOKENS_PER_DAY_DEFAULT};
use crate::probe::{ClientCertificate, Key, Proxy};

/// Keys of the sections.
pub(super) const NAMES: &[&str] = &[
    "keys",
    "authorities",
    "certificates",
    "proxies",
    "file",
    "hosts",
    "tokens_per_day",
    "key_file",
    "address",
    "user",
    "password_file",
];

/// `[keys.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// File that holds the key.
    pub file: Option<PathBuf>,
    /// Hosts that may see it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Most tokens a day.
    pub tokens_per_day: Option<u64>,
}

/// `[authorities.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySettings {
    /// PEM file with certificates.
    pub file: Option<PathBuf>,
}

/// `[certificates.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSettings {
    /// PEM file with the certificate and its chain.
    pub file: Option<PathBuf>,
    /// PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// Hosts that may see it.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// `[proxies.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySettings {
    /// `host:port`
    pub address: Option<String>,
    /// Who we are there.
    pub user: Option<String>,
    /// File that holds the user's password.
    pub password_file: Option<PathBuf>,
}

/// What looks may use, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Keys.
    pub keys: BTreeMap<String, Key>,
    /// PEM files with authorities.
    pub authorities: BTreeMap<String, PathBuf>,
    /// Client certificates.
    pub certificates: BTreeMap<String, ClientCertificate>,
    /// Proxies.
    pub proxies: BTreeMap<String, Proxy>,
}

impl Settings {
    pub(super) fn declared(&mut self, wrong: &mut Vec<String>) -> Declared {
        Declared {
            keys: each(take(&mut self.keys), wrong, KeySettings::check),
            authorities: each(take(&mut self.authorities), wrong, AuthoritySettings::check),
            certificates: each(take(&mut self.certificates), wrong, CertificateSettings::check),
            proxies: each(take(&mut self.proxies), wrong, ProxySettings::check),
        }
    }
}

fn each<S, T>(
    settings: BTreeMap<String, S>,
    wrong: &mut Vec<String>,
    check: impl Fn(S, &str, &mut Vec<String>) -> T,
) -> BTreeMap<String, T> {
    settings
        .into_iter()
        .map(|(name, settings)| {
            let checked = check(settings, &name, wrong);
            (name, checked)
        })
        .collect()
}

/// A file that must be named.
fn file(given: Option<PathBuf>, key: &str, example: &str, wrong: &mut Vec<String>) -> PathBuf {
    given.filter(|file| !file.as_os_str().is_empty()).unwrap_or_else(|| {
        let last = key.rsplit('.').next().unwrap_or(key);
        let table = key.strip_suffix(last).unwrap_or_default().trim_end_matches('.');
        wrong.push(format!("{table}: add {last} = \"/etc/parallax-agent/{example}\""));
        PathBuf::new()
    })
}

/// Hosts that must be named, in lower case.
fn hosts(given: Vec<String>, table: &str, example: &str, wrong: &mut Vec<String>) -> Vec<String> {
    if given.is_empty() {
        wrong.push(format!("{table}: no host may see it: add hosts = [\"{example}\"]"));
    }
    given.into_iter().map(|host| host.to_ascii_lowercase()).collect()
}

impl KeySettings {
    fn check(self, name: &str, wrong: &mut Vec<String>) -> Key {
        let table = format!("keys.{name}");
        let hosts = hosts(self.hosts, &table, "api.openai.com", wrong);
        let file = file(self.file, &format!("{table}.file"), &format!("{name}.key"), wrong);
        let tokens_per_day = self.tokens_per_day.unwrap_or(TOKENS_PER_DAY_DEFAULT);
        Key { file, hosts, tokens_per_day }
    }
}

impl AuthoritySettings {
    fn check(self, name: &str, wrong: &mut Vec<String>) -> PathBuf {
        let key = format!("authorities.{name}.file");
        file(self.file, &key, &format!("{name}.pem"), wrong)
    }
}

impl CertificateSettings {
    fn check(self, name: &str, wrong: &mut Vec<String>) -> ClientCertificate {
        let table = format!("certificates.{name}");
        let hosts = hosts(self.hosts, &table, "api.shop.example", wrong);
        let cert = file(self.file, &format!("{table}.file"), &format!("{name}.pem"), wrong);
        let key = file(self.key_file, &format!("{table}.key_file"), &format!("{name}.key"), wrong);
        ClientCertificate { file: cert, key, hosts }
    }
}

impl ProxySettings {
    fn check(self, name: &str, wrong: &mut Vec<String>) -> Proxy {
        let table = format!("proxies.{name}");
        let address = self.address.unwrap_or_default();
        if !Proxy::is_address(&address) {
            wrong.push(format!("{table}: add address = \"proxy.example:3128\", a host and a port"));
        }
        let user = match (self.user, self.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user, file)),
            (Some(_), None) | (None, Some(_)) => {
                wrong.push(format!("{table}: user and password_file go together: add the other"));
                None
            }
        };
        Proxy { address, user }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Declared, String> {
        let mut settings: Settings = toml::from_str(text).unwrap();
        let mut wrong = Vec::new();
        let declared = settings.declared(&mut wrong);
        if wrong.is_empty() { Ok(declared) } else { Err(wrong.join("\n")) }
    }

    #[test]
    fn what_looks_may_use_is_taken() {
        let declared = check(
            "keys.main = { file = \"/k\", hosts = [\"API.openai.com\"] }
             authorities.corp.file = \"/ca\"
             certificates.shop = { file = \"/c\", key_file = \"/ck\", hosts = [\"Shop.test\"] }
             proxies.out = { address = \"Proxy.test:3128\", user = \"me\", password_file = \"/p\" }",
        )
        .unwrap();
        let main = &declared.keys["main"];
        assert_eq!(
            (&main.hosts[..], main.tokens_per_day),
            (&["api.openai.com".to_owned()][..], TOKENS_PER_DAY_DEFAULT)
        );
        assert_eq!(declared.authorities["corp"], PathBuf::from("/ca"));
        assert_eq!(declared.certificates["shop"].hosts, ["shop.test"]);
        let user = Some(("me".to_owned(), PathBuf::from("/p")));
        assert_eq!(declared.proxies["out"], Proxy { address: "Proxy.test:3128".into(), user });
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, says) in [
            ("[keys.main]", "keys.main: no host may see it"),
            ("[keys.main]", "keys.main: add file = \"/etc/parallax-agent/main.key\""),
            ("[authorities.corp]", "authorities.corp: add file = \"/etc/parallax-agent/corp.pem\""),
            ("[certificates.shop]", "certificates.shop: no host may see it"),
            ("[certificates.shop]\nfile = \"/c\"", "certificates.shop: add key_file = "),
            ("[proxies.out]", "proxies.out: add address = \"proxy.example:3128\""),
            ("[proxies.out]\naddress = \"http://proxy\"", "a host and a port"),
            ("[proxies.out]\naddress = \"p:1\"\nuser = \"me\"", "add the other"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
