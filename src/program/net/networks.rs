//! Networks that may connect or send, in CIDR notation.

use std::fmt;
use std::net::IpAddr;

/// A network in CIDR notation: a base address and a prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedNetwork {
    base: IpAddr,
    prefix_length: u8,
}

impl AllowedNetwork {
    /// Parses `10.0.0.0/8`, `fd00::/8`, or a single address.
    ///
    /// # Errors
    ///
    /// A message that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network; expected a form such as 10.0.0.0/8, fd00::/8 or 127.0.0.1");
        let (address, prefix_length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let base: IpAddr = address.parse().map_err(|_| wrong())?;
        let max = if base.is_ipv4() { 32 } else { 128 };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let prefix_length = match prefix_length {
            None => max,
            Some(length) => length.parse().ok().filter(|n| is_number(length) && *n <= max).ok_or_else(wrong)?,
        };
        let network = Self { base, prefix_length };
        let first = network.first();
        if first != network.number(base) {
            let first = if base.is_ipv4() { IpAddr::from((first as u32).to_be_bytes()) } else { IpAddr::from(first.to_be_bytes()) };
            return Err(format!("{text:?} has host bits set; use {first}/{prefix_length}"));
        }
        Ok(network)
    }

    /// Whether the network contains the address. `::ffff:a.b.c.d`, as dual-stack sockets report IPv4 addresses, counts as IPv4.
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
        let rest = width - u32::from(self.prefix_length);
        // `::/0` shifts by the whole width.
        all & u128::MAX.checked_shl(rest).unwrap_or(0)
    }
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_the_addresses_of_their_prefix() {
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
    fn invalid_networks_are_rejected_with_advice() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "localhost", "10.0.0.0/8/8"] {
            assert!(AllowedNetwork::parse(bad).is_err_and(|why| why.contains("10.0.0.0/8")), "{bad}");
        }
        assert!(AllowedNetwork::parse("10.1.2.3/8").unwrap_err().ends_with("use 10.0.0.0/8"));
        assert!(AllowedNetwork::parse("fd01::1/8").unwrap_err().ends_with("use fd00::/8"));
    }
}
