//! ICMP echo packets, to bytes and back. Pure.
//!
//! An echo of ours is known by the nonce at the head of its payload: the kernel gives unprivileged sockets
//! an identifier of its own, and a raw socket hears the replies to everybody.

/// Header of an ICMP echo: type, code, checksum, identifier, sequence number.
const HEADER_BYTES: usize = 8;

const NONCE_BYTES: usize = 8;

/// Which protocol's numbers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 792.
    V4,
    /// RFC 4443.
    V6,
}

impl Version {
    const fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    const fn reply(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// An echo that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) seq: u16,
    pub(super) nonce: u64,
    /// TTL, where the system hands over the IP header.
    pub(super) hop_limit: Option<u8>,
}

/// A request with `payload` bytes, at least those of the nonce.
pub(super) fn request(version: Version, id: u16, seq: u16, nonce: u64, payload: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_BYTES + payload.max(NONCE_BYTES));
    packet.extend_from_slice(&[version.request(), 0, 0, 0]);
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&nonce.to_be_bytes());
    packet.resize(HEADER_BYTES + payload.max(NONCE_BYTES), b'p');
    if version == Version::V4 {
        // over IPv6 the checksum covers addresses that only the kernel knows: it fills it in
        let sum = checksum(&packet).to_be_bytes();
        if let Some(place) = packet.get_mut(2..4) {
            place.copy_from_slice(&sum);
        }
    }
    packet
}

/// The reply in what a socket received; none if it is anything else.
pub(super) fn reply(version: Version, received: &[u8]) -> Option<Reply> {
    let (hop_limit, icmp) = match version {
        Version::V4 => without_ip(received)?,
        Version::V6 => (None, received),
    };
    let (header, payload) = icmp.split_first_chunk::<HEADER_BYTES>()?;
    let [kind, code, _, _, _, _, seq @ ..] = *header;
    if kind != version.reply() || code != 0 {
        return None;
    }
    let nonce = u64::from_be_bytes(*payload.first_chunk()?);
    Some(Reply { seq: u16::from_be_bytes(seq), nonce, hop_limit })
}

/// An IPv4 packet's TTL and payload. Sockets that hand over no IP header begin with the ICMP type, which
/// for everything we wait for is no first byte of an IP header.
fn without_ip(received: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let first = *received.first()?;
    if first >> 4 != 4 {
        return Some((None, received));
    }
    let header = usize::from(first & 0x0f) * 4;
    if header < 20 {
        return None;
    }
    Some((received.get(8).copied(), received.get(header..)?))
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let last = odd.first().map(|&byte| u32::from(byte) << 8);
    let mut sum: u32 =
        pairs.iter().map(|&pair| u32::from(u16::from_be_bytes(pair))).chain(last).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a host makes of a request.
    fn answered(version: Version, mut packet: Vec<u8>) -> Vec<u8> {
        packet[0] = version.reply();
        packet
    }

    #[test]
    fn a_request_is_what_the_standard_says() {
        let packet = request(Version::V4, 0x1234, 7, 0x0102_0304_0506_0708, 8);
        assert_eq!(packet, [8, 0, 0xd5, 0xb0, 0x12, 0x34, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(checksum(&packet), 0, "a receiver's sum over all is zero");
        assert_eq!(request(Version::V6, 1, 2, 3, 56).len(), 64);
    }

    #[test]
    fn an_ip_header_is_passed_over() {
        let icmp = answered(Version::V4, request(Version::V4, 1, 9, 77, 56));
        let mut ip = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 61, 1];
        ip.resize(24, 0);
        let whole = [&ip[..], &icmp].concat();
        let expected = Reply { seq: 9, nonce: 77, hop_limit: Some(61) };
        assert_eq!(reply(Version::V4, &whole), Some(expected));
        assert_eq!(reply(Version::V4, &icmp), Some(Reply { hop_limit: None, ..expected }));
        assert_eq!(reply(Version::V4, &whole[..30]), None);
        assert_eq!(reply(Version::V4, &request(Version::V4, 1, 9, 77, 56)), None, "a request");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for version in [Version::V4, Version::V6] {
                if let Some(reply) = reply(version, &bytes) {
                    prop_assert!(bytes.len() >= HEADER_BYTES + NONCE_BYTES);
                    prop_assert!(reply.hop_limit.is_none() || version == Version::V4);
                }
            }
        }

        #[test]
        fn an_echo_comes_back_as_it_went(
            id in any::<u16>(), seq in any::<u16>(), nonce in any::<u64>(), payload in 0..1500usize,
        ) {
            for version in [Version::V4, Version::V6] {
                let packet = request(version, id, seq, nonce, payload);
                prop_assert_eq!(packet.len(), HEADER_BYTES + payload.max(NONCE_BYTES));
                let back = reply(version, &answered(version, packet));
                prop_assert_eq!(back, Some(Reply { seq, nonce, hop_limit: None }));
            }
        }
    }
}
