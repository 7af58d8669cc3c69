//! A bcrypt hash of `basic_auth_users`, checked when it is parsed.

use std::str::FromStr;

use base64::Engine;
use bcrypt::HashParts;

/// A well-formed bcrypt hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasswordHash {
    text: String,
    cost: u32,
}

impl PasswordHash {
    /// Parses a hash such as `$2y$10$...`; `None` if it is not well-formed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let cost = HashParts::from_str(text).ok()?.get_cost();
        let (salt, digest) = text.rsplit_once('$')?.1.split_at_checked(22)?;
        let is_encoded = bcrypt::BASE_64.decode(salt).is_ok() && bcrypt::BASE_64.decode(digest).is_ok();
        (is_encoded && (4..=31).contains(&cost)).then(|| Self { text: text.to_owned(), cost })
    }

    /// A hash of this cost that matches no password: bcrypt did not compute it.
    pub(super) fn unmatchable(cost: u32) -> Self {
        Self { text: format!("$2b${cost:02}$wU3tZ9mR5kQbX7cVnA1oHeK2sLpY8fDgJ4iT6uWxOzEqNvBrMaS.C"), cost }
    }

    /// The cost, from 4 to 31.
    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_hashes_are_parsed() {
        let good = bcrypt::hash("right", 4).unwrap();
        assert_eq!(PasswordHash::parse(&good).map(|hash| hash.cost()), Some(4));
        for bad in ["", "secret", "$2y$10$short", &good[..good.len() - 1], &good.replace("$04$", "$03$"), &format!("{good}x")] {
            assert_eq!(PasswordHash::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn unmatchable_hashes_are_well_formed() {
        for cost in [4, 10, 31] {
            let hash = PasswordHash::unmatchable(cost);
            assert_eq!(PasswordHash::parse(hash.as_str()), Some(hash));
        }
    }
}
