//! Networks that `--web.allow-from` names, in CIDR form. Knows no sockets.

use std::fmt;
use std::net::IpAddr;

/// A network in CIDR form: an address, and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedNetwork {
    base: IpAddr,
    bits: u8,
}

impl AllowedNetwork {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    ///
    /// # Errors
    ///
    /// What to write instead, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: write it as 10.0.0.0/8, fd00::/8 or 127.0.0.1");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let base: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|n| digits(bits) && *n <= most).ok_or_else(wrong)?,
        };
        let network = Self { base, bits };
        let first = network.first();
        if first != network.number(base) {
            let first = if base.is_ipv4() { IpAddr::from((first as u32).to_be_bytes()) } else { IpAddr::from(first.to_be_bytes()) };
            return Err(format!("{text:?} has bits set beyond the first {bits}: write {first}/{bits}"));
        }
        Ok(network)
    }

    /// Whether the address belongs to it. An IPv4 address that a dual-stack socket reports as `::ffff:a.b.c.d` counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && self.number(address) & self.mask() == self.first()
    }

    fn first(&self) -> u128 {
        self.number(self.base) & self.mask()
    }

    fn number(&self, address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        }
    }

    fn mask(&self) -> u128 {
        let width = if self.base.is_ipv4() { 32 } else { 128 };
        let all = u128::MAX >> (128 - width);
        let rest = width - u32::from(self.bits);
        all & u128::MAX.checked_shl(rest).unwrap_or(0)
    }
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_their_bits_say() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::a00:1"),
            ("192.168.1.4/30", "192.168.1.7", "192.168.1.8"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "fe80::1", "1.2.3.4"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1", "::1", "::2"),
        ] {
            let network = AllowedNetwork::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_advice() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "localhost", "10.0.0.0/8/8"] {
            assert!(AllowedNetwork::parse(bad).is_err_and(|why| why.contains("10.0.0.0/8")), "{bad}");
        }
        assert!(AllowedNetwork::parse("10.1.2.3/8").unwrap_err().ends_with("write 10.0.0.0/8"));
        assert!(AllowedNetwork::parse("fd01::1/8").unwrap_err().ends_with("write fd00::/8"));
    }
}
