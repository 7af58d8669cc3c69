//! Finds the payload of a UDP datagram in a captured packet. Knows links, IP and UDP. Every access checks bounds.
//!
//! Must not know capture files or StatsD.

/// The content of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// A UDP datagram.
    Udp {
        /// The destination port.
        port: u16,
        /// The captured part of the payload.
        payload: &'a [u8],
        /// Whether the payload is longer than the captured part.
        is_cut: bool,
    },
    /// A fragment of a datagram. Fragments are not reassembled.
    Fragment,
    /// Anything else.
    Other,
}

/// The content of a packet of this link type: Ethernet, Linux cooked (SLL, SLL2), raw IP, loopback.
pub(super) fn content(link: u32, packet: &[u8]) -> Content<'_> {
    ip(link, packet).and_then(udp_in_ip).unwrap_or(Content::Other)
}

/// The IP packet after the link header.
fn ip(link: u32, packet: &[u8]) -> Option<&[u8]> {
    match link {
        // The BSD loopback header has the address family, which the IP header repeats.
        0 | 108 => packet.get(4..),
        1 => ethernet(packet),
        12 | 14 | 101 | 228 | 229 => Some(packet),
        113 => if_ip(u16_at(packet, 14)?, packet.get(16..)?),
        276 => if_ip(u16_at(packet, 0)?, packet.get(20..)?),
        _ => None,
    }
}

fn ethernet(packet: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    // At most two VLAN tags precede the type.
    for _ in 0..2 {
        if matches!(u16_at(packet, at)?, 0x8100 | 0x88a8 | 0x9100) {
            at += 4;
        }
    }
    if_ip(u16_at(packet, at)?, packet.get(at + 2..)?)
}

fn if_ip(protocol: u16, rest: &[u8]) -> Option<&[u8]> {
    matches!(protocol, 0x0800 | 0x86dd).then_some(rest)
}

fn udp_in_ip(packet: &[u8]) -> Option<Content<'_>> {
    match packet.first()? >> 4 {
        4 => {
            let head = usize::from(packet.first()? & 0x0f) * 4;
            let total = usize::from(u16_at(packet, 2)?);
            if head < 20 || *packet.get(9)? != 17 {
                return None;
            }
            if u16_at(packet, 6)? & 0x3fff != 0 {
                return Some(Content::Fragment);
            }
            // The packet can be followed by padding. The length can be 0 if the packet was captured before it was sent.
            let end = if total == 0 { packet.len() } else { total.min(packet.len()) };
            udp(packet.get(head..end)?)
        }
        6 => udp_in_ipv6(packet),
        _ => None,
    }
}

fn udp_in_ipv6(packet: &[u8]) -> Option<Content<'_>> {
    let length = usize::from(u16_at(packet, 4)?);
    let end = if length == 0 { packet.len() } else { (length + 40).min(packet.len()) };
    let (mut next, mut at) = (*packet.get(6)?, 40);
    // Hop-by-hop, routing and destination options can be between the headers.
    for _ in 0..8 {
        match next {
            17 => return udp(packet.get(at..end)?),
            44 => return Some(Content::Fragment),
            0 | 43 | 60 => {
                next = *packet.get(at)?;
                at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}

fn udp(datagram: &[u8]) -> Option<Content<'_>> {
    let port = u16_at(datagram, 2)?;
    let length = usize::from(u16_at(datagram, 4)?);
    let rest = datagram.get(8..)?;
    let wanted = if length == 0 { rest.len() } else { length.checked_sub(8)? };
    let payload = rest.get(..wanted.min(rest.len()))?;
    Some(Content::Udp { port, payload, is_cut: wanted > payload.len() })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp4(payload: &[u8]) -> Vec<u8> {
        let total = (28 + payload.len()) as u16;
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x30, 0x39, 0x23, 0xa5, 0, 0, 0, 0];
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet[24..26].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        packet.extend(payload);
        packet
    }

    fn udp6(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(16 + payload.len() as u16).to_be_bytes());
        // One options header before UDP.
        packet.extend([17, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([0x30, 0x39, 0x23, 0xa5, 0, 8 + payload.len() as u8, 0, 0]);
        packet.extend(payload);
        packet
    }

    fn found(payload: &[u8], is_cut: bool) -> Content<'_> {
        Content::Udp { port: 9125, payload, is_cut }
    }

    #[test]
    fn payloads_are_found_for_every_link_type() {
        for (packet, kind) in [(udp4(b"a:1|c"), [0x08, 0x00]), (udp6(b"a:1|c"), [0x86, 0xdd])] {
            let behind = |head: &[u8]| [head, &packet].concat();
            let ethernet = [&[0; 12][..], &kind].concat();
            let tagged = [&[0; 12][..], &[0x81, 0, 0, 5], &kind].concat();
            let sll = [&[0; 14][..], &kind].concat();
            let sll2 = [&kind[..], &[0; 18]].concat();
            for (link, head) in [(1, ethernet), (1, tagged), (113, sll), (276, sll2), (101, Vec::new()), (0, vec![2, 0, 0, 0])] {
                assert_eq!(content(link, &behind(&head)), found(b"a:1|c", false), "{link}");
            }
            assert_eq!(content(101, &[&packet[..], &[0; 6]].concat()), found(b"a:1|c", false), "padding");
            assert_eq!(content(101, &packet[..packet.len() - 2]), found(b"a:1", true), "cut");
            for end in 0..packet.len() {
                let _ = content(101, &packet[..end]);
            }
            assert_eq!(content(7, &packet), Content::Other);
        }
    }

    #[test]
    fn other_packets_are_recognised() {
        let mut packet = udp4(b"a:1|c");
        packet[6] = 0x20;
        assert_eq!(content(101, &packet), Content::Fragment);
        packet[6] = 0x40;
        assert_eq!(content(101, &packet), found(b"a:1|c", false), "the flag that forbids fragmentation");
        packet[9] = 6;
        assert_eq!(content(101, &packet), Content::Other);
        packet[9] = 17;
        packet[25] = 3;
        assert_eq!(content(101, &packet), Content::Other, "shorter than its header");
    }
}
