//! `agent.toml` and the flags that stand above it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use parallax_model::AgentName;
use serde::Deserialize;

use super::belongings::{self, AuthoritySettings, CertificateSettings, KeySettings, ProxySettings};
use super::{
    CollectorUrl, Config, DATA_DIR_DEFAULT, LOOKS_AT_ONCE_DEFAULT, SPOOL_BYTES_DEFAULT,
    SPOOL_BYTES_MIN,
};

use crate::identity::{Identity, IdentityError};

/// Most looks at once that a file may ask for: each holds a socket, and 1024 is a common limit.
const LOOKS_AT_ONCE_MAX: usize = 1000;

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// A name is suggested for a mistyped one if at most this many letters differ.
const TYPO_LETTERS_MAX: usize = 3;

/// What is wrong with a configuration, one line a mistake. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// What a file or the flags say; nothing is required yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name by which the collector knows the agent.
    pub name: Option<String>,
    /// Where it reports to.
    pub collector: Option<String>,
    /// Where it keeps its spool.
    pub data_dir: Option<PathBuf>,
    /// Host names and the address to connect to instead of resolving them.
    #[serde(default)]
    pub connect_to: BTreeMap<String, SocketAddr>,
    /// Most bytes the spool keeps: `"512 MiB"`, or a number of bytes.
    pub spool_max: Option<Bytes>,
    /// Most looks under way at once.
    pub looks_at_once: Option<usize>,
    /// PEM file with certificates that are trusted beside the system's roots.
    pub extra_ca: Option<PathBuf>,
    /// Another resolver, asked about names of targets that fail: `"9.9.9.9"`, or with a port.
    pub second_resolver: Option<Server>,
    /// Keys that looks may use, by name.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySettings>,
    /// Authorities that targets may trust instead of the usual roots, by name.
    #[serde(default)]
    pub authorities: BTreeMap<String, AuthoritySettings>,
    /// Certificates for servers that ask who we are, by name.
    #[serde(default)]
    pub certificates: BTreeMap<String, CertificateSettings>,
    /// Proxies, by name.
    #[serde(default)]
    pub proxies: BTreeMap<String, ProxySettings>,
}

const NAMES: &[&str] = &[
    "name",
    "collector",
    "data_dir",
    "connect_to",
    "spool_max",
    "looks_at_once",
    "extra_ca",
    "second_resolver",
];

impl Settings {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            ConfigError(vec![format!("{}: cannot read the configuration: {e}", path.display())])
        })?;
        Self::parse(&text).map_err(|(line, what)| {
            let place = line.map_or_else(String::new, |line| format!(":{line}"));
            ConfigError(vec![format!("{}{place}: {what}", path.display())])
        })
    }

    fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        toml::from_str(text).map_err(|e| {
            let line =
                e.span().map(|at| 1 + text.bytes().take(at.start).filter(|&b| b == b'\n').count());
            (line, explain(e.message()))
        })
    }

    /// These settings, where they say something, above `below`.
    #[must_use]
    pub fn above(self, below: Self) -> Self {
        Self {
            name: self.name.or(below.name),
            collector: self.collector.or(below.collector),
            data_dir: self.data_dir.or(below.data_dir),
            connect_to: over(below.connect_to, self.connect_to),
            spool_max: self.spool_max.or(below.spool_max),
            looks_at_once: self.looks_at_once.or(below.looks_at_once),
            extra_ca: self.extra_ca.or(below.extra_ca),
            second_resolver: self.second_resolver.or(below.second_resolver),
            keys: over(below.keys, self.keys),
            authorities: over(below.authorities, self.authorities),
            certificates: over(below.certificates, self.certificates),
            proxies: over(below.proxies, self.proxies),
        }
    }

    /// The credential in the data folder; none where the collector is reached in the clear.
    pub fn identity(&self) -> Result<Option<Identity>, ConfigError> {
        let collector = self.collector.as_deref();
        if collector.is_some_and(|url| !url.starts_with("https:")) {
            return Ok(None);
        }
        let folder = self.data_dir.as_deref().unwrap_or(Path::new(DATA_DIR_DEFAULT));
        if self.name.is_some() && collector.is_none() && !Identity::exists(folder) {
            return Ok(None);
        }
        Identity::load(folder).map(Some).map_err(|why| {
            let mut words = vec![why.to_string()];
            if collector.is_none() && matches!(why, IdentityError::Missing { .. }) {
                words.push(
                    "(for a collector on this machine, give --name, --collector and --data-dir)"
                        .into(),
                );
            }
            ConfigError(words)
        })
    }

    /// The configuration of an agent that is this by its credential, or that has none; or everything
    /// that is wrong with it.
    pub fn check(mut self, identity: Option<Identity>) -> Result<Config, ConfigError> {
        let mut wrong = Vec::new();
        let looks = self.declared(&mut wrong);
        if let Some(identity) = &identity {
            if let Some(name) = self.name.as_ref().filter(|name| *name != identity.name().as_str())
            {
                let joined = identity.name();
                wrong.push(format!(
                    "name: this agent joined as {joined}, not as {name}: leave it out"
                ));
            }
            self.name = Some(identity.name().to_string());
            let joined = || identity.credential().collector.clone();
            self.collector.get_or_insert_with(joined);
            self.data_dir.get_or_insert_with(|| identity.folder().to_owned());
        }
        let name = required(&mut wrong, "name", self.name, |name| AgentName::new(&name));
        let collector =
            required(&mut wrong, "collector", self.collector, |url| CollectorUrl::new(&url));
        let data_dir = required(&mut wrong, "data_dir", self.data_dir, |dir| {
            if dir.as_os_str().is_empty() { Err("is empty") } else { Ok(dir) }
        });
        let spool_bytes_max = self.spool_max.map_or(SPOOL_BYTES_DEFAULT, |Bytes(n)| n);
        if spool_bytes_max < SPOOL_BYTES_MIN {
            wrong.push(format!(
                "spool_max: {spool_bytes_max} bytes are too few, take 512 KiB or more"
            ));
        }
        let looks_at_once = self.looks_at_once.unwrap_or(LOOKS_AT_ONCE_DEFAULT);
        if !(1..=LOOKS_AT_ONCE_MAX).contains(&looks_at_once) {
            wrong.push(format!(
                "looks_at_once: {looks_at_once} is not within 1-{LOOKS_AT_ONCE_MAX}"
            ));
        }
        let (Some(name), Some(collector), Some(data_dir), true) =
            (name, collector, data_dir, wrong.is_empty())
        else {
            return Err(ConfigError(wrong));
        };
        let connect_to =
            self.connect_to.into_iter().map(|(host, to)| (host.to_ascii_lowercase(), to)).collect();
        Ok(Config {
            identity,
            connect_to,
            spool_bytes_max,
            looks_at_once,
            extra_ca: self.extra_ca,
            second_resolver: self.second_resolver.map(|Server(at)| at),
            looks,
            ..Config::new(name, collector, data_dir)
        })
    }
}

fn over<T>(mut below: BTreeMap<String, T>, above: BTreeMap<String, T>) -> BTreeMap<String, T> {
    below.extend(above);
    below
}

fn required<T, U, E: fmt::Display>(
    wrong: &mut Vec<String>,
    what: &str,
    given: Option<T>,
    check: impl FnOnce(T) -> Result<U, E>,
) -> Option<U> {
    let Some(given) = given else {
        let flag = what.replace('_', "-");
        wrong.push(format!("{what} is missing: give --{flag}, or `{what} = …` in the file"));
        return None;
    };
    check(given).map_err(|e| wrong.push(format!("{what}: {e}"))).ok()
}

/// Adds the nearest known name to a complaint about an unknown one.
fn explain(message: &str) -> String {
    let message = message.trim().lines().next().unwrap_or_default();
    let Some(unknown) = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next())
    else {
        return message.to_owned();
    };
    let known = || NAMES.iter().chain(belongings::NAMES);
    let nearest = known().min_by_key(|name| strsim::levenshtein(name, unknown));
    match nearest.filter(|name| strsim::levenshtein(name, unknown) <= TYPO_LETTERS_MAX) {
        Some(name) => format!("unknown key {unknown:?}, did you mean {name:?}?"),
        None => format!(
            "unknown key {unknown:?}; known are {}",
            known().copied().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// A number of bytes, written as such or as `"64 MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawBytes")]
pub struct Bytes(pub u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBytes {
    Number(u64),
    Text(String),
}

impl TryFrom<RawBytes> for Bytes {
    type Error = String;

    fn try_from(raw: RawBytes) -> Result<Self, String> {
        let text = match raw {
            RawBytes::Number(bytes) => return Ok(Self(bytes)),
            RawBytes::Text(text) => text,
        };
        let wrong = || format!("{text:?} is no size; write it like \"512 MiB\"");
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
        let shift = match unit.trim() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

/// A name server, written as its address, with a port where that is not 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Server(pub SocketAddr);

impl TryFrom<String> for Server {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        plain.or_else(|_| text.parse()).map(Self).map_err(|_| {
            format!("{text:?} is no server's address; write it like \"9.9.9.9\" or \"[::1]:53\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::tests::Authority;

    fn check(text: &str) -> Result<Config, String> {
        let settings = Settings::parse(text).map_err(|(line, what)| format!("{line:?} {what}"))?;
        settings.check(None).map_err(|e| e.to_string())
    }

    #[test]
    fn a_whole_file_is_taken() {
        let config = check(
            "name = \"a\"\ncollector = \"http://127.0.0.1\"\ndata_dir = \"/x\"\n\
             spool_max = \"64 MiB\"\nlooks_at_once = 8\nsecond_resolver = \"9.9.9.9\"\n[connect_to]\n\"Shop.Test\" = \"127.0.0.1:81\"\n",
        )
        .unwrap();
        assert_eq!(config.spool_bytes_max, 64 << 20);
        assert_eq!(config.looks_at_once, 8);
        assert_eq!(config.connect_to["shop.test"].port(), 81);
        assert_eq!(config.second_resolver, Some("9.9.9.9:53".parse().unwrap()));
    }

    #[test]
    fn a_mistake_says_where_and_what_to_do() {
        for (text, says) in [
            ("\ncolector = \"x\"", "Some(2) unknown key \"colector\", did you mean \"collector\"?"),
            ("frequency = 1", "known are name, collector"),
            ("name = 3", "Some(1) invalid type"),
            ("spool_max = \"many\"", "\"many\" is no size"),
            ("name = \"a\"", "collector is missing: give --collector"),
            ("name = \" a\"\ncollector = \"x\"\ndata_dir = \"\"", "white space"),
            ("name = \"a\"\ncollector = \"http://10.0.0.1\"\ndata_dir = \"d\"", "in the clear"),
            ("looks_at_once = 0", "not within 1-1000"),
            ("spool_max = 7", "too few"),
            ("second_resolver = \"dns.test\"", "is no server's address"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }

    #[test]
    fn who_joined_needs_no_name_and_no_address() {
        let (ours, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let dir = format!("data_dir = \"{}\"\n", folder.path().display());
        let configured = |more: &str| {
            let settings = Settings::parse(&format!("{more}\n{dir}")).unwrap();
            let identity = settings.identity()?;
            settings.check(identity)
        };
        let said = configured("").unwrap_err().to_string();
        assert!(said.contains("no credential in") && said.contains("--collector"), "{said}");
        let said = configured("name = \"a\"\ncollector = \"https://c\"").unwrap_err().to_string();
        assert!(said.contains("no credential in") && !said.contains("--collector"), "{said}");
        ours.joined(folder.path(), "https://c:7481", Duration::from_mins(1));
        let config = configured("").unwrap();
        assert_eq!((config.name.as_str(), config.collector.as_str()), ("a", "https://c:7481"));
        assert!(config.identity.is_some());
        // a collector that moved
        let config = configured("collector = \"https://d\"").unwrap();
        assert_eq!(config.collector.as_str(), "https://d:7481");
        let said = configured("name = \"b\"").unwrap_err().to_string();
        assert!(said.contains("joined as a, not as b"), "{said}");
        // in the clear nobody shows who they are
        let config = configured("name = \"b\"\ncollector = \"http://127.0.0.1\"").unwrap();
        assert!(config.identity.is_none());
    }

    #[test]
    fn flags_stand_above_the_file() {
        let file = Settings::parse("name = \"file\"\ncollector = \"c\"").unwrap();
        let flags = Settings { name: Some("flag".into()), ..Settings::default() };
        let both = flags.above(file);
        assert_eq!(both.name.as_deref(), Some("flag"));
        assert_eq!(both.collector.as_deref(), Some("c"));
    }
}
