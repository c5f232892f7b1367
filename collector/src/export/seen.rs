//! What kinds of probe measure beside their stages. Names and help texts are those of `blackbox_exporter`
//! and Synthetic Monitoring; for streamed inferences nobody has any yet, and these are ours.

use std::time::Duration;

use parallax_model::{DnsSeen, GrpcSeen, IcmpSeen, LlmSeen, Seen, Serving, Stage};

use super::exposition::Metric;
use super::probes::{Family, Kind, families};

families! {
    "gauge" "probe_dns_answer_rrs" "Returns number of entries in the answer resource record list"
        |row, lines| row.put_seen(lines, |seen| Some(dns(seen)?.answers));
    "gauge" "probe_dns_authority_rrs"
        "Returns number of entries in the authority resource record list"
        |row, lines| row.put_seen(lines, |seen| Some(dns(seen)?.authority));
    "gauge" "probe_dns_additional_rrs"
        "Returns number of entries in the additional resource record list"
        |row, lines| row.put_seen(lines, |seen| Some(dns(seen)?.additional));
    "gauge" "probe_dns_serial" "Returns the serial number of the zone"
        |row, lines| row.put_seen(lines, |seen| dns(seen)?.serial);
    "gauge" "probe_icmp_duration_seconds" "Duration of icmp request by phase"
        |row, lines| row.put_phases(Kind::Icmp, lines, &[
            ("resolve", Stage::Resolve),
            ("rtt", Stage::Connect),
        ]);
    "gauge" "probe_icmp_duration_rtt_min_seconds" "Minimum round trip time"
        |row, lines| row.put_seen(lines, |seen| trip(seen, |icmp| icmp.rtt_min));
    "gauge" "probe_icmp_duration_rtt_max_seconds" "Maximum round trip time"
        |row, lines| row.put_seen(lines, |seen| trip(seen, |icmp| icmp.rtt_max));
    "gauge" "probe_icmp_duration_rtt_stddev_seconds" "Standard deviation of round trip times"
        |row, lines| row.put_seen(lines, |seen| trip(seen, |icmp| icmp.rtt_stddev));
    "gauge" "probe_icmp_packets_sent_count" "Number of ICMP packets sent"
        |row, lines| row.put_seen(lines, |seen| Some(icmp(seen)?.sent));
    "gauge" "probe_icmp_packets_received_count" "Number of ICMP packets received"
        |row, lines| row.put_seen(lines, |seen| Some(icmp(seen)?.received));
    "gauge" "probe_icmp_reply_hop_limit" "Replied packet hop limit (TTL for ipv4)"
        |row, lines| row.put_seen(lines, |seen| icmp(seen)?.hop_limit);
    "gauge" "probe_grpc_duration_seconds" "Duration of gRPC request by phase"
        |row, lines| row.put_phases(Kind::Grpc, lines, &[
            ("resolve", Stage::Resolve),
            ("connect", Stage::Connect),
            ("tls", Stage::Tls),
            ("check", Stage::FirstByte),
        ]);
    "gauge" "probe_grpc_status_code" "Response gRPC status code"
        |row, lines| row.put_for(Kind::Grpc, lines, |path| path.status().unwrap_or(0));
    "gauge" "probe_grpc_ssl" "Indicates if SSL was used for the connection"
        |row, lines| row.put_for(Kind::Grpc, lines, |path| {
            u8::from(path.stage(Stage::Tls).is_some())
        });
    "gauge" "probe_grpc_healthcheck_response" "Response HealthCheck response"
        |row, lines| row.put_seen_by(lines, "serving_status", served);
    "gauge" "probe_llm_time_to_first_token_seconds" "Time from request to first token"
        |row, lines| row.put_seen(lines, |seen| Some(llm(seen)?.first_token?.as_secs_f64()));
    "gauge" "probe_llm_longest_gap_seconds" "Longest silence between two tokens"
        |row, lines| row.put_seen(lines, |seen| Some(llm(seen)?.longest_gap?.as_secs_f64()));
    "gauge" "probe_llm_output_tokens" "Tokens of the answer"
        |row, lines| row.put_seen(lines, |seen| Some(llm(seen)?.tokens));
    "gauge" "probe_llm_tokens_per_second" "Tokens a second after the first one"
        |row, lines| row.put_seen(lines, |seen| llm(seen)?.tokens_per_second());
    "gauge" "probe_llm_stream_completed" "Whether the stream came to its own end"
        |row, lines| row.put_seen(lines, |seen| Some(u8::from(llm(seen)?.finished)));
}

const fn dns(seen: &Seen) -> Option<&DnsSeen> {
    match seen {
        Seen::Dns(dns) => Some(dns),
        Seen::Icmp(_) | Seen::Grpc(_) | Seen::Llm(_) => None,
    }
}

const fn icmp(seen: &Seen) -> Option<&IcmpSeen> {
    match seen {
        Seen::Icmp(icmp) => Some(icmp),
        Seen::Dns(_) | Seen::Grpc(_) | Seen::Llm(_) => None,
    }
}

const fn llm(seen: &Seen) -> Option<&LlmSeen> {
    match seen {
        Seen::Llm(llm) => Some(llm),
        Seen::Dns(_) | Seen::Icmp(_) | Seen::Grpc(_) => None,
    }
}

/// Seconds; none if no echo came back.
fn trip(seen: &Seen, time: fn(&IcmpSeen) -> Duration) -> Option<f64> {
    icmp(seen).filter(|icmp| icmp.received > 0).map(|icmp| time(icmp).as_secs_f64())
}

/// One series a word, of which one is 1.
fn served(seen: &Seen) -> Vec<(&'static str, u8)> {
    match seen {
        Seen::Grpc(GrpcSeen { serving }) => {
            Serving::ALL.iter().map(|word| (word.as_str(), u8::from(word == serving))).collect()
        }
        Seen::Dns(_) | Seen::Icmp(_) | Seen::Llm(_) => Vec::new(),
    }
}
