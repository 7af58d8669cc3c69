//! All families by name: a map for look-ups of new bindings, and an index in the order of the exposition.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use rapidhash::quality::RandomState;

use super::family::Family;
use super::kind::FamilyKind;
use super::set_times::SET_TIME_SUFFIX;

/// Number of shards. Most machines have fewer cores, so two workers rarely need the same shard.
const SHARDS: usize = 64;

/// Families in the order of the exposition.
pub(super) type Index = BTreeMap<Box<str>, Arc<Family>>;

/// All families of a registry.
pub(super) struct Families {
    by_name: DashMap<Box<str>, Arc<Family>, RandomState>,
    /// The same families in the order of the exposition. Its lock serialises the creation of families, so that two families whose
    /// lines collide are never created together.
    index: RwLock<Index>,
}

impl Default for Families {
    fn default() -> Self {
        Self { by_name: DashMap::with_hasher_and_shard_amount(RandomState::new(), SHARDS), index: RwLock::default() }
    }
}

impl Families {
    /// The family of this name. It may have lost its last series: see [`Family::is_gone`].
    pub(super) fn get(&self, name: &str) -> Option<Arc<Family>> {
        self.by_name.get(name).map(|family| Arc::clone(&family))
    }

    /// The family of this name, if it is not gone; else the one that `new` creates, given all others. No other family is created
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// The error of `new`.
    pub(super) fn get_or_create<E>(&self, name: &str, new: impl FnOnce(&Index) -> Result<Arc<Family>, E>) -> Result<Arc<Family>, E> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = index.get(name).filter(|family| !family.is_gone()) {
            return Ok(Arc::clone(family));
        }
        let family = new(&index)?;
        index.insert(name.into(), Arc::clone(&family));
        self.by_name.insert(name.into(), Arc::clone(&family));
        Ok(family)
    }

    /// Removes a family that is gone, unless a new one of its name exists already.
    pub(super) fn forget(&self, family: &Arc<Family>) {
        let name = family.name().as_str();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.get(name).is_some_and(|known| Arc::ptr_eq(known, family)) {
            index.remove(name);
        }
        self.by_name.remove_if(name, |_, known| Arc::ptr_eq(known, family));
    }

    /// The number of families.
    #[cfg(feature = "cli")]
    pub(super) fn len(&self) -> usize {
        self.index.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The families from this name on, sorted by name; all of them for `None`.
    pub(super) fn from(&self, name: Option<&str>) -> Vec<Arc<Family>> {
        let from = name.map_or(Bound::Unbounded, Bound::Included);
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.range::<str, _>((from, Bound::Unbounded)).map(|(_, family)| Arc::clone(family)).collect()
    }
}

/// An existing family whose lines would collide with those of the new one, such as `x_sum` beside a histogram `x`. `has_set_times`: each
/// gauge has a second family, with the times at which it was set.
pub(super) fn lines_collide<'i>(index: &'i Index, name: &str, kind: &FamilyKind, has_set_times: bool) -> Option<&'i Arc<Family>> {
    let living = |name: &str| index.get(name).filter(|family| !family.is_gone());
    let suffixes = |kind: &FamilyKind| match kind {
        FamilyKind::Gauge if has_set_times => &[SET_TIME_SUFFIX],
        kind => kind.suffixes(),
    };
    let taken_by_new = suffixes(kind).iter().find_map(|suffix| living(&format!("{name}{suffix}")));
    taken_by_new.or_else(|| {
        let of_names = ["_sum", "_count", "_bucket", SET_TIME_SUFFIX].iter();
        let old = of_names.filter_map(|suffix| Some((suffix, living(name.strip_suffix(suffix)?)?)));
        old.into_iter().find(|(suffix, family)| suffixes(family.kind()).contains(suffix)).map(|(_, family)| family)
    })
}
