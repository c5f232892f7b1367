//! Where an agent never looks, whoever asks: the last word is the agent's.
//!
//! Asked of every resolved address right before the connection, on every redirect again, so that
//! neither a name that points inwards nor one that changes between two questions gets past it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why `ip` is out of bounds; none if it may be looked at.
pub(super) fn denied(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => denied_v4(ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(ip) => denied_v4(ip),
            None => denied_v6(ip),
        },
    }
}

/// Metadata services outside the link-local block: Alibaba's, and Azure's `WireServer`.
const METADATA_V4: [Ipv4Addr; 2] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// Metadata services over IPv6: of EC2, of Google Compute Engine, of Scaleway.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

fn denied_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if ip.is_link_local() || METADATA_V4.contains(&ip) {
        Some("a link-local or metadata address")
    } else if ip.octets()[0] == 0 {
        Some("no host's address")
    } else if ip.is_multicast() || ip.is_broadcast() {
        Some("a multicast address")
    } else {
        None
    }
}

fn denied_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unicast_link_local() || METADATA_V6.contains(&ip) {
        Some("a link-local or metadata address")
    } else if ip.is_unspecified() {
        Some("no host's address")
    } else if ip.is_multicast() {
        Some("a multicast address")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped (`::ffff:0:0/96`), compatible (`::/96`) or
/// behind NAT64 (`64:ff9b::/96`, RFC 6052).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |ip: Ipv6Addr| {
        let [.., a, b, c, d] = ip.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(low(ip)),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(low(ip)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_are_denied_in_every_dress() {
        for ip in [
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:42::42",
            "ff02::1",
            "::",
        ] {
            assert!(denied(ip.parse().unwrap()).is_some(), "{ip}");
        }
    }

    #[test]
    fn ordinary_addresses_are_not() {
        for ip in ["127.0.0.1", "10.0.0.1", "93.184.216.34", "::1", "2001:db8::1", "fd12::1"] {
            assert_eq!(denied(ip.parse().unwrap()), None, "{ip}");
        }
    }
}
