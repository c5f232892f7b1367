//! Names that cannot be mixed up: an agent's is no target's.
//!
//! Names are shared slices (`Arc<str>`): cloning one costs a reference count, so values that carry
//! them can be passed on freely.

use std::fmt;
use std::sync::Arc;

/// Longest name, in bytes. Long enough for a host name (253), short enough for a label.
pub const NAME_BYTES_MAX: usize = 255;

/// A name that no part of Parallax would accept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    what: &'static str,
    name: String,
    why: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} name {:?} {}", self.what, self.name, self.why)
    }
}

impl std::error::Error for InvalidName {}

fn check(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "is longer than 255 bytes"
    } else if name.chars().any(is_unprintable) {
        "has a control or direction character"
    } else if name.trim() != name {
        "begins or ends with white space"
    } else {
        return Ok(());
    };
    // the name is cut: an error message is no place for a megabyte
    Err(InvalidName { what, name: name.chars().take(60).collect(), why })
}

/// Control characters, and the invisible ones that turn text around on a page or terminal.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a name that is not empty, at most 255 bytes, printable and trimmed.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check($what, name)?;
                Ok(Self(Arc::from(name)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// One agent of the fleet. Comes from its credential (or the config), never from its hello.
    AgentName = "agent";
    /// Something that is probed.
    TargetName = "target";
    /// Where an agent stands, as its owner cuts the world: `eu-west`.
    Region = "region";
    /// Whose machines and network an agent stands on: `hetzner`.
    Provider = "provider";
    /// The building, where it is known: `dublin-a`.
    Site = "site";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken_as_they_are() {
        for name in ["eu-west-1", "svc 1", "api.example.com:443", "ü"] {
            assert_eq!(TargetName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_bad_name_says_why() {
        let long = "x".repeat(256);
        for (name, why) in [
            ("", "is empty"),
            (" a", "white space"),
            ("a\nb", "control"),
            ("a\u{202e}b", "direction"),
            (long.as_str(), "255"),
        ] {
            let message = AgentName::new(name).unwrap_err().to_string();
            assert!(message.contains(why) && message.starts_with("agent name"), "{message}");
            assert!(message.len() < 200, "{message}");
        }
    }
}
