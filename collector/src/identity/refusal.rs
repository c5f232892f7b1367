//! Why somebody is refused, in words for both sides.

use std::time::{Duration, SystemTime};

use parallax_model::{AgentName, Timestamp};

/// A time for people: `2026-11-26T07:51:43Z`.
pub(super) fn date(time: Timestamp) -> String {
    let since = Duration::from_micros(u64::try_from(time.micros()).unwrap_or(0));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

/// Why a token, a request or a certificate is not taken. Said to the agent and to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such token, or another secret; which of the two is not said.
    #[error("this token is none of this collector's: make one there with `parallax token create`")]
    UnknownToken,
    /// Too late.
    #[error("this token has expired: make a new one with `parallax token create`")]
    ExpiredToken,
    /// Too often.
    #[error("this token is used up: make a new one with `parallax token create`")]
    UsedToken,
    /// The agent's machine lives in another time.
    #[error(
        "this machine's clock is {off} {} the collector's (it says {theirs}, the collector {ours}): set \
         it, then enroll again",
        if *.behind { "behind" } else { "ahead of" }
    )]
    Clock {
        /// How far, in words.
        off: String,
        /// True if it is behind.
        behind: bool,
        /// The agent's clock.
        theirs: String,
        /// The collector's.
        ours: String,
    },
    /// Neither token nor agent names one.
    #[error("the agent has no name: add --name NAME")]
    NoName,
    /// The name is somebody's.
    #[error(
        "an agent named {0} has joined already: choose another with --name, or make room with \
         `parallax agents revoke {0}`"
    )]
    Taken(AgentName),
    /// The configuration says something else of that name.
    #[error(
        "the collector's configuration has an agent {name} elsewhere ({declared}), and this token is for \
         {token}: choose another --name, or make the two agree"
    )]
    Elsewhere {
        /// The name.
        name: AgentName,
        /// Where the configuration has it.
        declared: String,
        /// Where the token has it.
        token: String,
    },
    /// The request's key is known.
    #[error("this key has joined already: a request works once; enroll again to make a new key")]
    KnownKey,
    /// The request is none.
    #[error("the request is of no use: {0}")]
    Request(String),
    /// No certificate was shown.
    #[error("an agent must show its certificate here: join with `parallax-agent enroll`")]
    NoCertificate,
    /// It joined, and speaks as if it had not.
    #[error(
        "{0} has joined, and is believed by its certificate alone: run it with the data folder that \
         `parallax-agent enroll` made, without --collector"
    )]
    InTheClear(AgentName),
    /// Nobody speaks in the clear.
    #[error(
        "this collector hears nobody without a certificate (tls_only): join with `parallax-agent enroll`"
    )]
    TlsOnly,
    /// The certificate is another agent's.
    #[error("this certificate is {named}'s, and it says hello as {said}")]
    OtherName {
        /// Whose it is.
        named: AgentName,
        /// What it calls itself.
        said: AgentName,
    },
    /// The certificate is of another authority.
    #[error(
        "this certificate is of another authority: join this collector with `parallax-agent enroll`"
    )]
    Foreign,
    /// The certificate's time is over.
    #[error(
        "the certificate of {name} expired at {until}: join again with a new token \
         (`parallax-agent enroll --force`)"
    )]
    Expired {
        /// Whose it was.
        name: String,
        /// Until when.
        until: String,
    },
    /// The certificate's time has not come.
    #[error("this certificate is not valid yet: the collector's clock was set back, or is wrong")]
    NotYet,
    /// The register does not have the key.
    #[error(
        "this certificate was replaced by another one, or its agent was removed: join again with a new \
         token (`parallax-agent enroll --force`)"
    )]
    Replaced,
    /// The owner said so.
    #[error("{name} was revoked at {at}: it may join again with a new token (enroll --force)")]
    Revoked {
        /// Who.
        name: AgentName,
        /// When.
        at: String,
    },
    /// There is nobody to revoke.
    #[error(
        "no agent named {0} has joined; `parallax agents joined` lists those that did, and one that the \
         configuration declares is removed there"
    )]
    NobodyNamed(AgentName),
    /// It was done before.
    #[error("{0} is revoked already")]
    AlreadyRevoked(AgentName),
    /// There is no such token to revoke.
    #[error("no token {0}; `parallax token list` lists them")]
    NoToken(String),
    /// A bound.
    #[error("{0} already: revoke what is not needed")]
    TooMany(String),
    /// The disk does not take it.
    #[error("the collector cannot keep this: {0}")]
    NotKept(String),
}
