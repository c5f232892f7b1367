//! Who joined, and who still may: the content of `register.json`.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use parallax_model::{AgentName, AgentSpec, Provider, Region, Site, Timestamp};
use parallax_proto::JoinToken;
use serde::{Deserialize, Serialize};

use super::authority::Key;
use super::refusal::{Refusal, date};

/// Most tokens that can be used at once.
const TOKENS_MAX: usize = 1_000;

/// Most agents that joined; as many as a configuration may declare.
const MEMBERS_MAX: usize = 10_000;

/// Renewed certificates of one agent that were handed out and not shown yet.
const NEXT_MAX: usize = 2;

/// What the register says of a key that is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is the agent's.
    Current(super::Member),
    /// It is the agent's from now on.
    Next,
}

/// Where an agent stands, by the word of its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Region.
    pub region: String,
    /// Provider.
    pub provider: String,
    /// Building, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// By which it is revoked.
    pub id: String,
    /// Where its agents stand.
    #[serde(flatten)]
    pub place: Place,
    /// The name its agent gets, if it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How often it can still be used.
    pub uses_left: u32,
    /// When it ends, Unix ms.
    pub expires_ms: i64,
}

/// An agent that joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// When it joined, Unix ms.
    pub joined_ms: i64,
    /// When its certificate ends, Unix ms.
    pub until_ms: i64,
    /// When it was revoked, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    #[serde(flatten)]
    row: TokenRow,
    /// SHA-256 of the secret, hexadecimal.
    secret_sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    #[serde(flatten)]
    row: MemberRow,
    /// The key of the certificate that it shows, hexadecimal SHA-256.
    key_sha256: String,
    /// The key of a renewed certificate that it has not shown yet, and its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    next: Vec<(String, i64)>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    #[serde(default)]
    tokens: Vec<Token>,
    #[serde(default)]
    members: BTreeMap<String, Member>,
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Refusal::NotKept("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

fn hash_of(secret: &[u8]) -> String {
    hex(digest(&SHA256, secret).as_ref())
}

impl Place {
    fn in_words(&self) -> String {
        let site = self.site.as_ref().map(|s| format!(", {s}")).unwrap_or_default();
        format!("{}, {}{site}", self.region, self.provider)
    }
}

impl Register {
    /// Keeps a token that was made for `place`.
    pub(super) fn add_token(
        &mut self,
        token: &JoinToken,
        grants: (Place, Option<AgentName>, u32),
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        // a day later nobody asks any more why a token does not work
        let long_over = |t: &Token| t.row.expires_ms + 86_400_000 < now.millis();
        self.tokens.retain(|t| !long_over(t));
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.retain(|t| t.row.uses_left > 0 && t.row.expires_ms > now.millis());
        }
        if self.tokens.len() >= TOKENS_MAX {
            return Err(Refusal::TooMany(format!("{TOKENS_MAX} tokens")));
        }
        let (place, name, uses_left) = grants;
        let row = TokenRow {
            id: hex(&token.id),
            place,
            name: name.map(|n| n.as_str().to_owned()),
            uses_left,
            expires_ms: expires.millis(),
        };
        self.tokens.push(Token { row, secret_sha256: hash_of(&token.secret) });
        Ok(())
    }

    pub(super) fn tokens(&self, now: Timestamp) -> Vec<TokenRow> {
        let usable = |t: &&Token| t.row.uses_left > 0 && t.row.expires_ms > now.millis();
        self.tokens.iter().filter(usable).map(|t| t.row.clone()).collect()
    }

    pub(super) fn revoke_token(&mut self, id: &str) -> Result<(), Refusal> {
        let before = self.tokens.len();
        self.tokens.retain(|t| t.row.id != id);
        if self.tokens.len() == before { Err(Refusal::NoToken(id.to_owned())) } else { Ok(()) }
    }

    /// What a token grants, if it can be used now.
    pub(super) fn redeem(
        &self,
        token: &JoinToken,
        now: Timestamp,
    ) -> Result<(Place, Option<AgentName>), Refusal> {
        let id = hex(&token.id);
        let found = self.tokens.iter().find(|t| t.row.id == id);
        let (row, kept) =
            found.map(|t| (&t.row, t.secret_sha256.as_str())).ok_or(Refusal::UnknownToken)?;
        verify_slices_are_equal(hash_of(&token.secret).as_bytes(), kept.as_bytes())
            .map_err(|_| Refusal::UnknownToken)?;
        if row.expires_ms <= now.millis() {
            return Err(Refusal::ExpiredToken);
        }
        if row.uses_left == 0 {
            return Err(Refusal::UsedToken);
        }
        let name = row.name.as_deref().and_then(|name| AgentName::new(name).ok());
        Ok((row.place.clone(), name))
    }

    pub(super) fn count_use(&mut self, id: &[u8]) {
        let id = hex(id);
        for token in self.tokens.iter_mut().filter(|t| t.row.id == id) {
            token.row.uses_left = token.row.uses_left.saturating_sub(1);
        }
    }

    /// Holds that `name` is free at `place`; `declared` is what the configuration says of it.
    pub(super) fn may_take(
        &self,
        name: &AgentName,
        place: &Place,
        declared: Option<&AgentSpec>,
    ) -> Result<(), Refusal> {
        if self.members.get(name.as_str()).is_some_and(|m| m.row.revoked_ms.is_none()) {
            return Err(Refusal::Taken(name.clone()));
        }
        // somebody who was revoked is still among the declared if the owner wrote it down
        let Some(declared) = declared else { return Ok(()) };
        let text = |part: Option<&str>| part.unwrap_or("-").to_owned();
        let its = Place {
            region: text(declared.region.as_ref().map(Region::as_str)),
            provider: text(declared.provider.as_ref().map(Provider::as_str)),
            site: declared.site.as_ref().map(|s| s.as_str().to_owned()),
        };
        if its == *place {
            return Ok(());
        }
        let (declared, token) = (its.in_words(), place.in_words());
        Err(Refusal::Elsewhere { name: name.clone(), declared, token })
    }

    fn knows(&self, key: &str) -> bool {
        self.members.values().any(|m| m.has(key))
    }

    pub(super) fn add_member(
        &mut self,
        name: &AgentName,
        place: Place,
        key: Key,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let key_sha256 = hex(&key);
        if self.knows(&key_sha256) {
            return Err(Refusal::KnownKey);
        }
        if self.members.len() >= MEMBERS_MAX {
            // whoever was put out long ago is forgotten before anybody else: its certificate is as useless
            // when nobody knows its key
            let revoked =
                self.members.iter().filter_map(|(n, m)| Some((m.row.revoked_ms?, n.clone())));
            if let Some((_, oldest)) = revoked.min() {
                self.members.remove(&oldest);
            }
        }
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(name.as_str()) {
            return Err(Refusal::TooMany(format!("{MEMBERS_MAX} agents joined")));
        }
        let row = MemberRow {
            name: name.as_str().to_owned(),
            place,
            joined_ms: now.millis(),
            until_ms: until.millis(),
            revoked_ms: None,
        };
        self.members.insert(row.name.clone(), Member { row, key_sha256, next: Vec::new() });
        Ok(())
    }

    pub(super) fn renew(
        &mut self,
        shown: &Key,
        key: Key,
        until: Timestamp,
    ) -> Result<Place, Refusal> {
        let key = hex(&key);
        if self.knows(&key) {
            return Err(Refusal::KnownKey);
        }
        // its name may be somebody else's by now, its key is not
        self.shown(shown)?;
        let shown = hex(shown);
        let member = self.members.values_mut().find(|m| m.has(&shown)).ok_or(Refusal::Replaced)?;
        // an answer may be lost on the way, or kept by an agent that asks again before it uses it
        if member.next.len() >= NEXT_MAX {
            member.next.remove(0);
        }
        member.next.push((key, until.millis()));
        Ok(member.row.place.clone())
    }

    /// The holder of a key shows its certificate.
    pub(super) fn shown(&self, shown: &Key) -> Result<Shown, Refusal> {
        let key = hex(shown);
        let member = self.members.values().find(|m| m.has(&key)).ok_or(Refusal::Replaced)?;
        let name = AgentName::new(&member.row.name).map_err(|_| Refusal::Replaced)?;
        if let Some(at) = member.row.revoked_ms {
            return Err(Refusal::Revoked { name, at: date(Timestamp::from_millis(at)) });
        }
        if member.key_sha256 != key {
            return Ok(Shown::Next);
        }
        let until = Timestamp::from_millis(member.row.until_ms);
        Ok(Shown::Current(super::Member { name, until, key: *shown }))
    }

    /// A renewed certificate is shown for the first time: the ones before it are over.
    pub(super) fn take_over(&mut self, key: &Key) -> Result<super::Member, Refusal> {
        let text = hex(key);
        let next = self.members.values_mut().find_map(|member| {
            let (key, until) = member.next.iter().find(|(next, _)| *next == text)?.clone();
            Some((member, key, until))
        });
        if let Some((member, key, until)) = next {
            (member.key_sha256, member.row.until_ms) = (key, until);
            member.next.clear();
        }
        match self.shown(key)? {
            Shown::Current(member) => Ok(member),
            Shown::Next => Err(Refusal::Replaced),
        }
    }

    pub(super) fn name_of(&self, key: &Key) -> String {
        let key = hex(key);
        let found = self.members.values().find(|m| m.has(&key));
        found.map_or_else(|| "an agent that is not known".to_owned(), |m| m.row.name.clone())
    }

    pub(super) fn members(&self) -> Vec<MemberRow> {
        self.members.values().map(|m| m.row.clone()).collect()
    }

    pub(super) fn has_joined(&self, name: &AgentName) -> bool {
        self.members.contains_key(name.as_str())
    }

    pub(super) fn agents(&self) -> Vec<AgentSpec> {
        let live = self.members.values().filter(|m| m.row.revoked_ms.is_none());
        live.filter_map(|m| m.row.spec()).collect()
    }

    pub(super) fn revoke_agent(&mut self, name: &AgentName, now: Timestamp) -> Result<(), Refusal> {
        let member = self
            .members
            .get_mut(name.as_str())
            .ok_or_else(|| Refusal::NobodyNamed(name.clone()))?;
        if member.row.revoked_ms.replace(now.millis()).is_some() {
            return Err(Refusal::AlreadyRevoked(name.clone()));
        }
        Ok(())
    }
}

impl Member {
    fn has(&self, key: &str) -> bool {
        self.key_sha256 == key || self.next.iter().any(|(next, _)| next == key)
    }
}

impl MemberRow {
    /// The agent as if it were declared; none if a word of it is no name, which was refused before it was
    /// written.
    fn spec(&self) -> Option<AgentSpec> {
        let mut spec = AgentSpec::unlabelled(AgentName::new(&self.name).ok()?);
        spec.region = Some(Region::new(&self.place.region).ok()?);
        spec.provider = Some(Provider::new(&self.place.provider).ok()?);
        spec.site = self.place.site.as_deref().map(Site::new).transpose().ok()?;
        Some(spec)
    }
}
