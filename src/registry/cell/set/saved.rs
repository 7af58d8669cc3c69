//! The saved form of a set: plain numbers.
//!
//! Hashes depend on the hash function. To change that function is to change the format of saved sets.

use super::{EXACT_MAX, HyperLogLog, SetCell, SetMembers, SetSnapshot};

/// The saved members of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub enum SavedSet {
    /// The hashes of all members, at most 2048.
    Exact(Vec<u64>),
    /// The registers of the estimate: 16384, or down to 128 if memory was short.
    Estimated(Vec<u8>),
}

impl SetSnapshot {
    /// The saved form.
    pub fn save(&self) -> SavedSet {
        match &self.members {
            SetMembers::Exact(hashes) => SavedSet::Exact(hashes.clone()),
            SetMembers::Estimated(hll) => SavedSet::Estimated(hll.registers().collect()),
        }
    }
}

impl SetCell {
    /// Adds saved members. Returns false, and changes nothing, if they are invalid.
    #[must_use]
    pub fn absorb(&self, saved: SavedSet) -> bool {
        let members = match saved {
            SavedSet::Exact(hashes) if hashes.len() > EXACT_MAX => return false,
            SavedSet::Exact(mut hashes) => {
                hashes.sort_unstable();
                hashes.dedup();
                SetMembers::Exact(hashes)
            }
            SavedSet::Estimated(registers) => match HyperLogLog::from_registers(&registers) {
                Some(hll) => SetMembers::Estimated(hll),
                None => return false,
            },
        };
        self.merge_from(members);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell_of(members: impl IntoIterator<Item = u64>) -> SetCell {
        let cell = SetCell::new();
        members.into_iter().for_each(|n| cell.insert(&n.to_le_bytes()));
        cell
    }

    fn snapshot(cell: &SetCell) -> SetSnapshot {
        let mut out = SetSnapshot::default();
        cell.merge_into(&mut out);
        out
    }

    proptest! {
        #[test]
        fn a_restored_set_goes_on_as_the_saved_one(before in 0_u64..4000, after in 0_u64..4000, shared in 0_u64..2000) {
            let saved = cell_of(0..before);
            let restored = SetCell::new();
            prop_assert!(restored.absorb(snapshot(&saved).save()));
            for n in before.saturating_sub(shared)..before + after {
                saved.insert(&n.to_le_bytes());
                restored.insert(&n.to_le_bytes());
            }
            prop_assert_eq!(snapshot(&restored).save(), snapshot(&saved).save());
        }
    }

    /// A cell of each form absorbs a saved set of each form.
    #[test]
    fn taking_up_is_as_inserting() {
        for (own, kept) in [(10, 20), (1500, 1500), (10, 4000), (4000, 10), (4000, 5000)] {
            let cell = cell_of(0..own);
            assert!(cell.absorb(snapshot(&cell_of(own / 2..own / 2 + kept)).save()));
            let want = cell_of(0..own.max(own / 2 + kept));
            assert_eq!(snapshot(&cell).save(), snapshot(&want).save(), "{own} and {kept}");
        }
    }

    #[test]
    fn an_invalid_saved_set_is_rejected() {
        let cell = cell_of(0..3);
        let odd =
            [SavedSet::Exact((0..=EXACT_MAX as u64).collect()), SavedSet::Estimated(vec![0; 7]), SavedSet::Estimated(vec![52; 1 << 14])];
        for saved in odd {
            assert!(!cell.absorb(saved));
        }
        assert!(cell.absorb(SavedSet::Exact(vec![5, 1, 5])));
        assert_eq!(snapshot(&cell).distinct(), 5.0);
    }
}
