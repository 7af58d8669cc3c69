//! Expired series whose values are kept for a while, so that a counter that comes back goes on instead of falling to zero.
//!
//! Bounded in time, in number and in bytes; the oldest go first. A series is here only while it is in no family's table: it is
//! put here, and taken from here, under its family's lock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use hashbrown::HashTable;
use rapidhash::quality::RandomState;

use super::kind::FamilyKind;
use super::label_set::identity;
use super::series::Series;
use crate::lock::lock;
use crate::memory::{Account, Charge, Memory};
use crate::name::FamilyName;
use crate::options::Limits;
use crate::time::Timestamp;

/// Series in their grace period may take this part of the bytes that all series may take.
const BYTES_PART: usize = 4;

/// What the place of a series in its grace period costs beside its name, the allocator's part included.
const PLACE_BYTES: usize = 2 * size_of::<Expired>() + 2 * size_of::<(u64, u64, u64)>();

/// The series that are in their grace period.
pub(super) struct GracePeriod {
    grace_ms: u64,
    most: usize,
    most_bytes: usize,
    account: Arc<Account>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_identity: HashTable<Expired>,
    hasher: RandomState,
    /// End, number and hash of each that was put here, the first end on top; some are taken meanwhile. They come in another order
    /// where they are restored.
    order: BinaryHeap<Reverse<(u64, u64, u64)>>,
    next: u64,
    bytes: usize,
}

struct Expired {
    number: u64,
    end_ms: u64,
    name: FamilyName,
    kind: FamilyKind,
    series: Arc<Series>,
    /// Of the series, as it was put here.
    bytes: usize,
    /// For its place.
    _charge: Charge,
}

impl GracePeriod {
    pub(super) fn new(grace_ms: u64, limits: &Limits, memory: &Arc<Memory>) -> Self {
        let most_bytes = memory.part(BYTES_PART);
        Self { grace_ms, most: limits.resting_series, most_bytes, account: Account::new(memory), kept: Mutex::default() }
    }

    /// From which those take their memory that have no family.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Keeps a series that expired, if its kind has something to lose.
    pub(super) fn put(&self, name: &FamilyName, kind: &FamilyKind, series: &Arc<Series>, now: Timestamp) {
        self.put_until(name, kind, series, now.as_millis().saturating_add(self.grace_ms));
    }

    /// The same, for a time that began before a restart.
    pub(super) fn put_until(&self, name: &FamilyName, kind: &FamilyKind, series: &Arc<Series>, end_ms: u64) {
        if self.grace_ms == 0 || self.most == 0 || !kind.accumulates() {
            return;
        }
        let kept = &mut *lock(&self.kept);
        // What came back leaves its place in the order behind.
        let is_full =
            |kept: &Kept| kept.by_identity.len() >= self.most || kept.order.len() / 2 >= self.most || kept.bytes >= self.most_bytes;
        while is_full(kept) {
            kept.forget_oldest();
        }
        let hash = kept.hash(name, series.labels());
        let number = kept.next;
        kept.next += 1;
        let charge = Charge::new(&self.account, PLACE_BYTES + name.as_str().len());
        let bytes = series.bytes();
        kept.bytes += bytes;
        kept.order.push(Reverse((end_ms, number, hash)));
        let (name, kind, series) = (name.clone(), kind.clone(), Arc::clone(series));
        let expired = Expired { number, end_ms, name, kind, series, bytes, _charge: charge };
        let hasher = &kept.hasher;
        kept.by_identity.insert_unique(hash, expired, |known| hash_of(hasher, &known.name, known.series.labels()));
    }

    /// Gives a series back, if it is here and still of this kind.
    pub(super) fn take(&self, name: &FamilyName, kind: &FamilyKind, labels: &str) -> Option<Arc<Series>> {
        if self.grace_ms == 0 {
            return None;
        }
        let kept = &mut *lock(&self.kept);
        let hash = kept.hash(name, labels);
        let wanted = identity(labels);
        let is_it = |known: &Expired| known.name == *name && identity(known.series.labels()) == wanted;
        let (expired, _) = kept.by_identity.find_entry(hash, is_it).ok()?.remove();
        kept.bytes -= expired.bytes;
        (expired.kind == *kind).then_some(expired.series)
    }

    /// Takes out those for which `wanted` says so, given name and labels as they are; with `dry_run` only shows them. Returns them.
    pub(super) fn delete(&self, wanted: &dyn Fn(&FamilyName, &Series) -> bool, dry_run: bool) -> Vec<(FamilyName, Arc<Series>)> {
        // Selectors may take long, and who expires or comes back is not to wait for them.
        let meant: Vec<_> = self.all().into_iter().filter(|(name, _, series, _)| wanted(name, series)).collect();
        let kept = &mut *lock(&self.kept);
        let mut deleted = Vec::new();
        for (name, _, series, _) in meant {
            let hash = kept.hash(&name, series.labels());
            let Ok(entry) = kept.by_identity.find_entry(hash, |known| Arc::ptr_eq(&known.series, &series)) else { continue };
            if !dry_run {
                kept.bytes -= entry.remove().0.bytes;
            }
            deleted.push((name, series));
        }
        deleted
    }

    /// The kind of a series of this name, if there is one.
    #[cfg(feature = "cli")]
    pub(super) fn kind_of(&self, name: &str) -> Option<FamilyKind> {
        lock(&self.kept).by_identity.iter().find(|expired| expired.name.as_str() == name).map(|expired| expired.kind.clone())
    }

    /// Forgets the one that has rested longest. False if there is none.
    pub(super) fn forget_oldest(&self) -> bool {
        let kept = &mut *lock(&self.kept);
        if kept.by_identity.is_empty() {
            return false;
        }
        kept.forget_oldest();
        true
    }

    /// Forgets those whose time is over.
    pub(super) fn expire(&self, now: Timestamp) {
        let kept = &mut *lock(&self.kept);
        while kept.order.peek().is_some_and(|Reverse((end_ms, ..))| *end_ms <= now.as_millis()) {
            kept.forget_oldest();
        }
    }

    /// All that are kept, in no order, each with the end of its time.
    pub(super) fn all(&self) -> Vec<(FamilyName, FamilyKind, Arc<Series>, u64)> {
        let kept = lock(&self.kept);
        let copy = |expired: &Expired| (expired.name.clone(), expired.kind.clone(), Arc::clone(&expired.series), expired.end_ms);
        kept.by_identity.iter().map(copy).collect()
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        lock(&self.kept).by_identity.len()
    }
}

impl Kept {
    fn hash(&self, name: &FamilyName, labels: &str) -> u64 {
        hash_of(&self.hasher, name, labels)
    }

    fn forget_oldest(&mut self) {
        let Some(Reverse((_, number, hash))) = self.order.pop() else {
            // Nothing is left that could be forgotten.
            self.bytes = 0;
            return self.by_identity.clear();
        };
        if let Ok(entry) = self.by_identity.find_entry(hash, |known| known.number == number) {
            let (expired, _) = entry.remove();
            self.bytes -= expired.bytes;
        }
    }
}

fn hash_of(hasher: &RandomState, name: &FamilyName, labels: &str) -> u64 {
    hasher.hash_one((name.as_str(), identity(labels)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::ingest::pipeline::Worker;
    use crate::options::{Options, Ttl};

    const START: u64 = 1_700_000_000_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(START + millis)
    }

    fn bridge(limits: Limits) -> Bridge {
        let second = Some(1_000);
        let ttl = Ttl { counter_ms: second, gauge_ms: second, observer_ms: second, set_ms: second };
        Bridge::new(Options { ttl, limits, grace_ms: 10_000, ..Options::default() })
    }

    /// Lets everything expire that was not seen for a second.
    fn pass(bridge: &Bridge, worker: &mut Worker, now: Timestamp) -> usize {
        bridge.expire(now);
        worker.tick();
        bridge.expire(now)
    }

    fn page(bridge: &Bridge, now: Timestamp) -> String {
        let mut page = Vec::new();
        bridge.render(now, &mut page);
        String::from_utf8(page).expect("a page is UTF-8")
    }

    #[test]
    fn what_counts_goes_on_and_what_is_set_begins_anew() {
        let bridge = bridge(Limits::default());
        let (mut worker, mut other) = (bridge.worker(), bridge.worker());
        worker.ingest(b"c:5|c|#a:b\nh:1|h\ng:7|g\ns:x|s\n", at(0));
        other.ingest(b"c:3|c|#a:b", at(0));
        other.tick();
        bridge.expire(at(2_000));
        other.tick();
        assert_eq!(pass(&bridge, &mut worker, at(2_000)), 4);
        assert!(!page(&bridge, at(2_000)).contains("# TYPE c "), "gone, with its name");
        assert_eq!((bridge.registry().in_grace(), bridge.registry().series()), (2, 0));
        worker.ingest(b"c:1|c|#a:b\nh:1|h\ng:+1|g\ns:y|s\n", at(3_000));
        let text = page(&bridge, at(3_000));
        for line in ["c{a=\"b\"} 9", "h_count 2", "g 1", "s 1"] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        other.ingest(b"c:1|c|#a:b", at(3_000));
        let text = page(&bridge, at(3_000));
        assert_eq!(text.matches("\nc{a=\"b\"} ").count(), 1, "{text}");
        assert!(text.contains("c{a=\"b\"} 10"));
        assert_eq!(bridge.registry().in_grace(), 0);
    }

    #[test]
    fn what_goes_and_comes_back_between_two_pages_is_on_them_once() {
        let bridge = bridge(Limits::default());
        let mut worker = bridge.worker();
        for round in 0..3 {
            worker.ingest(b"c:1|c|#a:b\nstays:1|c", at(round * 2_000));
            if round == 0 {
                page(&bridge, at(0));
            }
            worker.ingest(b"stays:1|c", at(round * 2_000 + 1_500));
            pass(&bridge, &mut worker, at(round * 2_000 + 1_600));
        }
        worker.ingest(b"c:1|c|#a:b", at(6_000));
        let text = page(&bridge, at(6_000));
        assert_eq!(text.matches("\nc{a=\"b\"} 4\n").count(), 1, "{text}");
    }

    #[test]
    fn grace_ends_and_another_type_ends_it() {
        let bridge = bridge(Limits::default());
        let mut worker = bridge.worker();
        worker.ingest(b"a:5|c\nb:5|c", at(0));
        pass(&bridge, &mut worker, at(2_000));
        worker.ingest(b"b:1|g", at(3_000));
        pass(&bridge, &mut worker, at(5_000));
        worker.ingest(b"b:1|c", at(6_000));
        assert!(page(&bridge, at(6_000)).contains("\nb 1\n"), "it was something else meanwhile");
        pass(&bridge, &mut worker, at(13_000));
        worker.ingest(b"a:1|c", at(13_000));
        assert!(page(&bridge, at(13_000)).contains("\na 1\n"), "its time is over");
    }

    #[test]
    fn deletion_reaches_those_that_expired() {
        let bridge = bridge(Limits::default());
        let mut worker = bridge.worker();
        worker.ingest(b"c:500|c|#a:old\nc:7|c|#a:other\nh:1|h|#a:old\ng:1|g|#a:old", at(0));
        pass(&bridge, &mut worker, at(2_000));
        worker.ingest(b"lives:1|c|#a:old", at(2_000));
        let old = |_: &str, labels: &[(&str, String)]| labels.iter().any(|(name, value)| (*name, &**value) == ("a", "old"));
        let expected = ["lives{a=\"old\"}", "c{a=\"old\"}", "h{a=\"old\"}"];
        for dry_run in [true, false] {
            let mut deleted = bridge.delete_series(&old, dry_run);
            deleted.examples.sort_by_key(|example| expected.iter().position(|known| known == example));
            assert_eq!((deleted.series, &deleted.examples[..]), (3, &expected.map(str::to_owned)[..]), "{dry_run}");
        }
        assert_eq!((bridge.registry().in_grace(), bridge.delete_series(&old, false).series), (1, 0));
        worker.ingest(b"c:1|c|#a:old\nc:1|c|#a:other\nh:2|h|#a:old", at(2_100));
        let text = page(&bridge, at(2_100));
        for line in ["c{a=\"old\"} 1", "c{a=\"other\"} 8", "h_sum{a=\"old\"} 2"] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        pass(&bridge, &mut worker, at(4_000));
        assert_eq!(bridge.delete_series(&|_, _| true, false).series, 3);
        pass(&bridge, &mut worker, at(20_000));
        assert_eq!(lock(&bridge.registry().grace.kept).bytes, 0, "nothing is counted twice");
    }

    #[test]
    fn the_oldest_go_where_there_is_no_room() {
        for limits in [Limits { resting_series: 10, ..Limits::default() }, Limits { series_bytes: 40 * 300, ..Limits::default() }] {
            let bridge = bridge(limits);
            let mut worker = bridge.worker();
            for round in 0..30 {
                worker.ingest(format!("c:1|c|#n:{round}").as_bytes(), at(round * 100));
                pass(&bridge, &mut worker, at(round * 100));
            }
            pass(&bridge, &mut worker, at(5_000));
            assert!((8..=20).contains(&bridge.registry().in_grace()), "{}", bridge.registry().in_grace());
            worker.ingest(b"c:1|c|#n:0\nc:1|c|#n:29", at(5_100));
            let text = page(&bridge, at(5_100));
            assert!(text.contains("c{n=\"0\"} 1\n") && text.contains("c{n=\"29\"} 2\n"), "{text}");
        }
    }

    #[test]
    fn coming_and_going_piles_nothing_up() {
        let bridge = bridge(Limits { resting_series: 100, ..Limits::default() });
        let mut worker = bridge.worker();
        for round in 0..500 {
            worker.ingest(b"a:1|c\nb:1|c", at(round * 2_000));
            pass(&bridge, &mut worker, at(round * 2_000 + 1_500));
        }
        let order = lock(&bridge.registry().grace.kept).order.len();
        assert!(order <= 200, "{order} of 1,000 entries are left");
        worker.ingest(b"a:0|c\nb:0|c", at(1_000_000));
        let text = page(&bridge, at(1_000_000));
        assert!(text.contains("\na 500\n") && text.contains("\nb 500\n"), "{text}");
    }
}
