use parallax_model::{Family, IcmpCheck, IcmpSeen, Seen};

use super::*;

async fn ping(check: IcmpCheck, timeout: Duration) -> ProbeResult {
    look(&target(Check::Icmp(check), timeout), &plain(), Timestamp::EPOCH, false).await
}

fn echoes(host: &str) -> IcmpCheck {
    IcmpCheck { spacing: Duration::from_millis(2), ..IcmpCheck::to(host) }
}

fn seen(result: &ProbeResult) -> IcmpSeen {
    match result.seen.as_deref() {
        Some(Seen::Icmp(seen)) => *seen,
        other => panic!("{other:?}: {}", detail(result)),
    }
}

/// Neither root nor in `net.ipv4.ping_group_range`: told, and nothing else to see.
fn skipped(result: &ProbeResult) -> bool {
    let skipped = detail(result).contains("may not ping");
    if skipped {
        tracing::warn!("skipped: this user may not ping");
        assert_eq!(kind(result), Some(ErrorKind::Internal));
    }
    skipped
}

#[tokio::test]
async fn loopback_echoes_by_both_families() {
    for host in ["127.0.0.1", "::1"] {
        let result = ping(IcmpCheck { count: 5, ..echoes(host) }, PATIENCE).await;
        if skipped(&result) {
            return;
        }
        if host == "::1" && kind(&result) == Some(ErrorKind::Unreachable) {
            tracing::warn!("skipped: this machine has no IPv6");
            continue;
        }
        assert_eq!(result.outcome, Outcome::Ok, "{}", detail(&result));
        assert_eq!(result.peer.as_deref(), Some(host));
        let seen = seen(&result);
        assert_eq!((seen.sent, seen.received), (5, 5));
        assert!(seen.rtt_min <= seen.rtt_mean && seen.rtt_mean <= seen.rtt_max);
        assert_eq!((result.latency, result.stages.connect), (seen.rtt_mean, Some(seen.rtt_mean)));
    }
}

#[tokio::test]
async fn looks_at_the_same_host_do_not_hear_each_other() {
    let looks = (0..20).map(|_| ping(IcmpCheck { count: 3, ..echoes("127.0.0.1") }, PATIENCE));
    for result in futures_util::future::join_all(looks).await {
        if skipped(&result) {
            return;
        }
        assert_eq!((seen(&result).sent, seen(&result).received), (3, 3));
    }
}

#[tokio::test]
async fn a_host_that_is_silent_is_told_from_one_that_is_slow() {
    // an address of this machine's loopback block is always there: limits below any round trip
    let slow = IcmpCheck { rtt_max: Some(Duration::from_nanos(1)), ..echoes("127.0.0.1") };
    let result = ping(slow, PATIENCE).await;
    if skipped(&result) {
        return;
    }
    assert_eq!(kind(&result), Some(ErrorKind::Assertion), "{}", detail(&result));
    // broadcast and documentation addresses: no route, or nobody there; never an answer
    let result = ping(echoes("240.0.0.1"), BRIEF).await;
    let kind = kind(&result).unwrap();
    assert!(
        matches!(kind, ErrorKind::Unreachable | ErrorKind::ConnectTimeout),
        "{kind}: {}",
        detail(&result)
    );
}

#[tokio::test]
async fn a_family_that_a_host_does_not_have_is_no_address() {
    let result = ping(IcmpCheck { family: Family::V6, ..echoes("127.0.0.1") }, PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::DnsNxdomain));
    assert_eq!(detail(&result), "127.0.0.1 has no ipv6 address");
    let result = ping(echoes("169.254.169.254"), PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::PolicyDenied));
}
