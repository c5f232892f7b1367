//! Asking for a certificate: the first with a token, the next with the one before.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parallax_proto::{JoinToken, pb};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::dial::{Dialler, NoRoad};
use super::ending::said;
use crate::identity::{Granted, Untrusted, joining};

/// How long a collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Largest answer: two certificates and some names.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJoined {
    /// Nobody answers.
    #[error(
        "no connection to the collector at {collector}: {why}; does it run, and listen there for other machines?"
    )]
    Away {
        /// Its address.
        collector: String,
        /// What went wrong.
        why: String,
    },
    /// Whoever answers is not the one that made the token.
    #[error(
        "{collector} is not the collector that made this token ({why}), and nothing was sent to it: \
         check the address, or make a token on that collector"
    )]
    Stranger {
        /// Its address.
        collector: String,
        /// By what it is known.
        why: Untrusted,
    },
    /// Whoever answers is no collector.
    #[error("{collector} is not a Parallax collector that agents can join ({why})")]
    Foreign {
        /// Its address.
        collector: String,
        /// By what it is known.
        why: String,
    },
    /// The collector says no, in its own words.
    #[error("the collector at {collector} refuses: {why}")]
    Refused {
        /// Its address.
        collector: String,
        /// Its words.
        why: String,
    },
}

/// Who asks.
#[derive(Debug)]
pub struct Applicant {
    /// The name wished for; empty leaves it to the token.
    pub name: String,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
    /// This machine's clock, Unix ms.
    pub now_ms: u64,
}

/// Joins: nothing is said before the collector has shown the authority that the token names.
pub async fn enroll(
    collector: &str,
    token: &JoinToken,
    who: Applicant,
) -> Result<Granted, NotJoined> {
    let named = || collector.to_owned();
    let tls = joining(token.authority).map_err(|e| NotJoined::Away {
        collector: named(),
        why: format!("cannot set up TLS: {e}"),
    })?;
    let road = Dialler::default().connect(collector, Some(tls.into())).await;
    let channel = road.map_err(|no| match no {
        NoRoad::Away(why) => NotJoined::Away { collector: named(), why },
        NoRoad::Untrusted(Untrusted::Speech(why)) | NoRoad::Foreign(why) => {
            NotJoined::Foreign { collector: named(), why }
        }
        NoRoad::Untrusted(why) => NotJoined::Stranger { collector: named(), why },
    })?;
    let request = pb::EnrollRequest {
        token: token.to_string(),
        csr: who.csr,
        name: who.name,
        build: env!("CARGO_PKG_VERSION").to_owned(),
        now_ms: who.now_ms,
    };
    let mut client = client(channel);
    let answer = timeout(ANSWER_WITHIN, client.enroll(request)).await;
    let answer = answer.unwrap_or_else(|_| Err(Status::unavailable("no answer within 15 s")));
    match answer.map(|answer| granted(answer.into_inner().credential)) {
        Ok(Ok(granted)) if digest(&SHA256, &granted.authority).as_ref() != token.authority => {
            let why = "its answer names another authority than the token".to_owned();
            Err(NotJoined::Foreign { collector: named(), why })
        }
        Ok(Ok(granted)) => Ok(granted),
        Ok(Err(why)) => Err(NotJoined::Foreign { collector: named(), why }),
        Err(status) => Err(refusal(&status, named())),
    }
}

fn refusal(status: &Status, collector: String) -> NotJoined {
    let why = said(status);
    let away = [Code::Unavailable, Code::Cancelled, Code::DeadlineExceeded, Code::Unknown];
    if away.contains(&status.code()) {
        NotJoined::Away { collector, why }
    } else if status.code() == Code::Unimplemented {
        NotJoined::Foreign { collector, why }
    } else {
        NotJoined::Refused { collector, why }
    }
}

/// Asks for the next certificate, on a connection that was made with the one before.
pub(super) async fn renew(channel: Channel, csr: Vec<u8>) -> Result<Granted, String> {
    let mut client = client(channel);
    let answer = timeout(ANSWER_WITHIN, client.renew(pb::RenewRequest { csr })).await;
    let answer = answer.map_err(|_| "no answer within 15 s".to_owned())?;
    granted(answer.map_err(|status| said(&status))?.into_inner().credential)
}

fn client(channel: Channel) -> pb::joining_client::JoiningClient<Channel> {
    pb::joining_client::JoiningClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

fn granted(credential: Option<pb::Credential>) -> Result<Granted, String> {
    let credential = credential.ok_or("it answers without a credential")?;
    Ok(Granted {
        certificate: credential.certificate,
        authority: credential.ca,
        name: credential.name,
        region: credential.region,
        provider: credential.provider,
        site: credential.site,
        not_after_ms: credential.not_after_ms,
        now_ms: credential.now_ms,
    })
}
