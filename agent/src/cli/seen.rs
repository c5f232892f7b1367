//! What a kind of probe measures beside its stages, for people and programs.

use std::time::Duration;

use parallax_model::{DnsSeen, GrpcSeen, IcmpSeen, LlmSeen, Seen};
use serde_json::{Value, json};

/// Times are whole microseconds.
pub(super) fn json(seen: &Seen) -> Value {
    let us = |time: Duration| time.as_micros() as u64;
    match seen {
        Seen::Dns(DnsSeen { answers, authority, additional, serial, authenticated }) => json!({
            "answers": answers, "authority": authority, "additional": additional,
            "serial": serial, "authenticated": authenticated,
        }),
        Seen::Icmp(icmp) => json!({
            "sent": icmp.sent, "received": icmp.received, "loss_percent": icmp.loss_percent(),
            "rtt_min": us(icmp.rtt_min), "rtt_mean": us(icmp.rtt_mean),
            "rtt_max": us(icmp.rtt_max), "rtt_stddev": us(icmp.rtt_stddev),
            "hop_limit": icmp.hop_limit,
        }),
        Seen::Grpc(GrpcSeen { serving }) => json!({ "serving": serving.as_str() }),
        Seen::Llm(llm) => json!({
            "first_token": llm.first_token.map(us), "longest_gap": llm.longest_gap.map(us),
            "tokens": llm.tokens, "prompt_tokens": llm.prompt_tokens,
            "tokens_per_second": llm.tokens_per_second(), "finished": llm.finished,
        }),
    }
}

/// Names and values, in order.
pub(super) fn lines(seen: &Seen) -> Vec<(&'static str, String)> {
    match seen {
        Seen::Dns(dns) => dns_lines(dns),
        Seen::Icmp(icmp) => icmp_lines(icmp),
        Seen::Grpc(GrpcSeen { serving }) => vec![("serving", serving.as_str().to_owned())],
        Seen::Llm(llm) => llm_lines(llm),
    }
}

fn dns_lines(dns: &DnsSeen) -> Vec<(&'static str, String)> {
    let DnsSeen { answers, authority, additional, serial, authenticated } = dns;
    let validated = if *authenticated { ", validated" } else { "" };
    let records =
        format!("{answers} answers, {authority} authority, {additional} additional{validated}");
    let serial = serial.map(|serial| ("serial", serial.to_string()));
    [("records", records)].into_iter().chain(serial).collect()
}

fn icmp_lines(icmp: &IcmpSeen) -> Vec<(&'static str, String)> {
    let IcmpSeen { sent, received, rtt_min, rtt_mean, rtt_max, rtt_stddev, .. } = icmp;
    let mut lines =
        vec![("echoes", format!("{received} of {sent} ({:.0} % lost)", icmp.loss_percent()))];
    if *received > 0 {
        let [min, mean, max, dev] = [rtt_min, rtt_mean, rtt_max, rtt_stddev].map(millis);
        lines.push(("round trip", format!("{min} / {mean} / {max} ms, deviation {dev} ms")));
    }
    lines
}

fn llm_lines(llm: &LlmSeen) -> Vec<(&'static str, String)> {
    let ends = if llm.finished { "finished" } else { "not finished" };
    let speed =
        llm.tokens_per_second().map(|speed| format!(", {speed:.1} a second")).unwrap_or_default();
    let tokens = format!("{} for {} of prompt{speed}, {ends}", llm.tokens, llm.prompt_tokens);
    let time = |name, time: Option<Duration>| Some((name, format!("{} ms", millis(&time?))));
    [time("first token", llm.first_token), time("longest gap", llm.longest_gap)]
        .into_iter()
        .flatten()
        .chain([("tokens", tokens)])
        .collect()
}

fn millis(time: &Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}
