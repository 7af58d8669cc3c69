//! Reads the subject alternative names of a certificate from its DER encoding. The input is untrusted.

use std::net::IpAddr;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
/// The tag of the extensions in the body of a certificate.
const EXTENSIONS: u8 = 0xa3;
/// The object identifier 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// DNS names, email addresses, IP addresses and URIs, as written; `None` if the bytes are not a certificate.
pub(super) fn of(certificate: &[u8]) -> Option<Vec<String>> {
    let (body, _) = expect(SEQUENCE, certificate)?;
    let (mut rest, _) = expect(SEQUENCE, body)?;
    while !rest.is_empty() {
        let (tag, value, after) = element(rest)?;
        if tag == EXTENSIONS {
            return in_extensions(expect(SEQUENCE, value)?.0);
        }
        rest = after;
    }
    Some(Vec::new())
}

fn in_extensions(mut extensions: &[u8]) -> Option<Vec<String>> {
    while !extensions.is_empty() {
        let (extension, after) = expect(SEQUENCE, extensions)?;
        let (id, value) = expect(OBJECT_ID, extension)?;
        if id == SUBJECT_ALT_NAME {
            let value = expect(BOOLEAN, value).map_or(value, |(_, value)| value);
            let (octets, _) = expect(OCTET_STRING, value)?;
            return names(expect(SEQUENCE, octets)?.0);
        }
        extensions = after;
    }
    Some(Vec::new())
}

fn names(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (tag, value, after) = element(rest)?;
        match tag {
            EMAIL | DNS | URI => names.push(str::from_utf8(value).ok()?.to_owned()),
            IP => names.push(address(value)?.to_string()),
            _ => {}
        }
        rest = after;
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The value of an element with this tag, and the remaining bytes.
fn expect(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, ..)| *found == tag).map(|(_, value, after)| (value, after))
}

/// The tag and value of the first element, and the remaining bytes.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Long form: the number of length bytes, then the length in big-endian order. Certificates are smaller than 16 MiB.
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| (1..=3).contains(&digits.len()))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (value, after) = rest.split_at_checked(length)?;
    Some((tag, value, after))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(sans: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn all_four_kinds_of_names_are_read() {
        let sans = vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::Rfc822Name("me@b.example".try_into().unwrap()),
            SanType::URI("spiffe://c/d".try_into().unwrap()),
            SanType::IpAddress("10.0.0.1".parse().unwrap()),
            SanType::IpAddress("::1".parse().unwrap()),
        ];
        assert_eq!(of(&certificate(sans)).unwrap(), ["a.example", "me@b.example", "spiffe://c/d", "10.0.0.1", "::1"]);
        assert_eq!(of(&certificate(Vec::new())), Some(Vec::new()));
    }

    #[test]
    fn truncated_and_corrupted_certificates_cause_no_panic() {
        let whole = certificate(vec![SanType::DnsName("a.example".try_into().unwrap())]);
        for end in 0..whole.len() {
            assert_eq!(of(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut corrupted = whole.clone();
                corrupted[at] ^= bits;
                let _ = of(&corrupted);
            }
        }
    }
}
