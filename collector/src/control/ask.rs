//! What is asked and answered.

use std::net::SocketAddr;
use std::time::Duration;

use parallax_model::{AgentName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, MemberRow, Place, Refusal, TokenRow};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Make a token.
    CreateToken {
        /// Where its agents stand.
        place: Place,
        /// The name its one agent gets.
        name: Option<String>,
        /// How long it works, in seconds.
        ttl_s: u64,
        /// How many may join with it.
        uses: u32,
    },
    /// List the tokens that can be used.
    Tokens,
    /// Make a token useless.
    RevokeToken {
        /// Its id.
        id: String,
    },
    /// List the agents that joined.
    Members,
    /// Put an agent out.
    RevokeAgent {
        /// Its name.
        name: String,
    },
}

/// Where agents come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// As the owner says that it is found: `https://HOST:PORT`.
    pub url: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// A token was made.
    Token {
        /// As it is pasted.
        token: String,
        /// When it ends, Unix ms.
        expires_ms: i64,
        /// Where agents come to; none if nobody listens now.
        reach: Option<Reach>,
    },
    /// The tokens that can be used.
    Tokens {
        /// One each.
        tokens: Vec<TokenRow>,
    },
    /// The agents that joined.
    Members {
        /// One each.
        members: Vec<MemberRow>,
    },
    /// It is done.
    Done,
    /// It is not.
    Refused {
        /// Why.
        why: String,
    },
}

impl Ask {
    /// True if who may speak is another thing afterwards.
    pub(super) const fn changes_members(&self) -> bool {
        match self {
            Self::RevokeAgent { .. } => true,
            Self::CreateToken { .. } | Self::Tokens | Self::RevokeToken { .. } | Self::Members => {
                false
            }
        }
    }

    /// Does what is asked.
    pub(super) fn carry_out(
        self,
        identity: &Identity,
        reach: Option<Reach>,
        now: Timestamp,
    ) -> Answer {
        self.try_carry_out(identity, reach, now)
            .unwrap_or_else(|refusal| Answer::Refused { why: refusal.to_string() })
    }

    fn try_carry_out(
        self,
        identity: &Identity,
        reach: Option<Reach>,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let named = |name: &str| {
            AgentName::new(name).map_err(|why| Refusal::Request(format!("{name:?}: {why}")))
        };
        Ok(match self {
            Self::CreateToken { place, name, ttl_s, uses } => {
                let ttl = Duration::from_secs(ttl_s);
                let name = name.as_deref().map(named).transpose()?;
                let token = identity.create_token(place, name, ttl, uses, now)?;
                Answer::Token { token: token.to_string(), expires_ms: (now + ttl).millis(), reach }
            }
            Self::Tokens => Answer::Tokens { tokens: identity.tokens(now) },
            Self::RevokeToken { id } => {
                identity.revoke_token(&id)?;
                Answer::Done
            }
            Self::Members => Answer::Members { members: identity.members() },
            Self::RevokeAgent { name } => {
                identity.revoke_agent(&named(&name)?, now)?;
                Answer::Done
            }
        })
    }
}
