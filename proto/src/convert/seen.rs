//! What a look measured beside its stages.

use std::time::Duration;

use parallax_model::{DnsSeen, GrpcSeen, IcmpSeen, LlmSeen, Seen, Serving};

use super::batch::micros;
use crate::pb;
use crate::pb::result::Seen as Wire;

pub(super) fn to_wire(seen: &Seen) -> Wire {
    match *seen {
        Seen::Dns(dns) => Wire::Dns(pb::DnsSeen {
            answers: dns.answers.into(),
            authority: dns.authority.into(),
            additional: dns.additional.into(),
            serial: dns.serial,
            authenticated: dns.authenticated,
        }),
        Seen::Icmp(icmp) => Wire::Icmp(pb::IcmpSeen {
            sent: icmp.sent.into(),
            received: icmp.received.into(),
            rtt_min_us: micros(icmp.rtt_min),
            rtt_mean_us: micros(icmp.rtt_mean),
            rtt_max_us: micros(icmp.rtt_max),
            rtt_stddev_us: micros(icmp.rtt_stddev),
            hop_limit: icmp.hop_limit.map(u32::from),
        }),
        Seen::Grpc(grpc) => Wire::Grpc(pb::GrpcSeen { serving: grpc.serving as u32 }),
        Seen::Llm(llm) => Wire::Llm(pb::LlmSeen {
            first_token_us: llm.first_token.map(micros),
            longest_gap_us: llm.longest_gap.map(micros),
            streamed_us: micros(llm.streamed),
            tokens: llm.tokens,
            prompt_tokens: llm.prompt_tokens,
            finished: llm.finished,
        }),
    }
}

/// Whatever numbers came are taken, cut to what the words hold: they are measures, not decisions.
pub(super) fn from_wire(wire: &Wire) -> Seen {
    match wire {
        Wire::Dns(dns) => Seen::Dns(DnsSeen {
            answers: cut(dns.answers),
            authority: cut(dns.authority),
            additional: cut(dns.additional),
            serial: dns.serial,
            authenticated: dns.authenticated,
        }),
        Wire::Icmp(icmp) => Seen::Icmp(IcmpSeen {
            sent: cut(icmp.sent),
            received: cut(icmp.received),
            rtt_min: time(icmp.rtt_min_us),
            rtt_mean: time(icmp.rtt_mean_us),
            rtt_max: time(icmp.rtt_max_us),
            rtt_stddev: time(icmp.rtt_stddev_us),
            hop_limit: icmp.hop_limit.and_then(|n| u8::try_from(n).ok()),
        }),
        Wire::Grpc(grpc) => {
            let known = Serving::ALL.get(grpc.serving as usize);
            Seen::Grpc(GrpcSeen { serving: known.copied().unwrap_or(Serving::Unknown) })
        }
        Wire::Llm(llm) => Seen::Llm(LlmSeen {
            first_token: llm.first_token_us.map(time),
            longest_gap: llm.longest_gap_us.map(time),
            streamed: time(llm.streamed_us),
            tokens: llm.tokens,
            prompt_tokens: llm.prompt_tokens,
            finished: llm.finished,
        }),
    }
}

fn cut(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn time(us: u32) -> Duration {
    Duration::from_micros(us.into())
}
