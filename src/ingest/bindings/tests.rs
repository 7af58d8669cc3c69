use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ingest::protocol::Kind;

fn identity<'a>(name: &'a str, tags: &'a str, kind: Kind) -> Sample<'a> {
    Sample { name: name.as_bytes(), tags: tags.as_bytes(), kind, ..Sample::default() }
}

fn counter(name: &str) -> Sample<'_> {
    identity(name, "", Kind::Counter)
}

/// Looks up a binding in both ways. The look-up in steps may miss a binding only if another one has a similar hash.
fn look_up<T: Clone + PartialEq>(bindings: &Bindings<T>, sample: &Sample<'_>) -> Option<T> {
    let hash = bindings.hash(sample);
    bindings.prefetch_slot(hash);
    let quick = bindings.candidate(hash).and_then(|place| {
        bindings.prefetch_key(place);
        bindings.target(place, sample).cloned()
    });
    let whole = bindings.find(hash, sample, b"").and_then(|id| bindings.get(id, sample, b"")).cloned();
    assert!(quick.is_none() || quick == whole);
    whole
}

fn insert<T>(bindings: &mut Bindings<T>, sample: &Sample<'_>, target: T) -> bool {
    bindings.insert(bindings.hash(sample), sample, b"", target).is_ok()
}

fn remove<T>(bindings: &mut Bindings<T>, sample: &Sample<'_>) -> Option<T> {
    bindings.find(bindings.hash(sample), sample, b"").and_then(|id| bindings.remove(id))
}

/// Calls `maintain` with `budget` steps until no work is left. Returns the number of calls.
fn maintain_all<T>(bindings: &mut Bindings<T>, budget: usize, gone: impl Fn(&T) -> bool) -> usize {
    let mut calls = 0;
    while bindings.needs_upkeep() {
        let steps = bindings.maintain(budget, |_| {}, &gone);
        assert!(steps <= budget + MOST_OVER_BUDGET, "{steps} steps of {budget}");
        calls += 1;
        assert!(calls < 1_000_000, "it comes to an end");
    }
    calls
}

/// The removals in the last group of a sweep may exceed the budget.
const MOST_OVER_BUDGET: usize = SWEPT_TOGETHER * (STEPS_OF_REMOVAL + 1);

#[test]
fn the_end_of_a_key_is_part_of_it() {
    let mut bindings = Bindings::new(1 << 20);
    let tags = ["", "#k:v", "#k:v\x01\x01"];
    let origins: [&[u8]; 4] = [b"", b"\x00", b"\x01\x01", b"\x02\x01"];
    let all = || tags.into_iter().flat_map(|tags| origins.map(|origin| (identity("a", tags, Kind::Counter), origin)));
    for (number, (sample, origin)) in all().enumerate() {
        let hash = bindings.hash(&sample) ^ bindings.hash_of_origin(origin);
        assert!(bindings.find(hash, &sample, origin).is_none(), "{sample} {origin:?}");
        assert!(bindings.insert(hash, &sample, origin, number).is_ok());
    }
    for (number, (sample, origin)) in all().enumerate() {
        let hash = bindings.hash(&sample) ^ bindings.hash_of_origin(origin);
        let found = bindings.find(hash, &sample, origin).and_then(|id| bindings.get(id, &sample, origin));
        let quick = bindings.candidate(hash).and_then(|place| bindings.target_of(place, &sample, origin));
        assert_eq!((found, quick), (Some(&number), Some(&number)), "{sample} {origin:?}");
        if origin.is_empty() {
            assert_eq!(look_up(&bindings, &sample), Some(number));
        }
    }
}

#[test]
fn name_tags_and_kind_are_the_identity() {
    let mut bindings = Bindings::new(1 << 20);
    let all = [
        identity("ab", "#k:v", Kind::Counter),
        identity("a", "b#k:v", Kind::Counter),
        identity("ab#k:v", "", Kind::Counter),
        identity("ab", "#k:v", Kind::Gauge),
        identity("ab", "", Kind::Counter),
    ];
    for (number, sample) in (0..).zip(&all) {
        assert_eq!(look_up(&bindings, sample), None);
        assert!(insert(&mut bindings, sample, number));
    }
    for (number, sample) in (0..).zip(&all) {
        assert_eq!(look_up(&bindings, sample), Some(number));
    }
    bindings.clear();
    assert_eq!((bindings.len(), look_up(&bindings, &all[0])), (0, None));
}

#[test]
fn a_prefetch_of_any_address_is_harmless() {
    prefetch(std::ptr::null::<u8>());
    prefetch(std::ptr::without_provenance::<u8>(usize::MAX));
}

#[test]
fn a_key_that_is_too_long_is_not_kept() {
    let mut bindings = Bindings::new(1 << 20);
    for (len, is_kept) in [(70_000, false), (key_bytes::LONGEST + 1, false), (key_bytes::LONGEST, true)] {
        let name = "n".repeat(len);
        assert_eq!(insert(&mut bindings, &counter(&name), 1), is_kept);
        assert_eq!(look_up(&bindings, &counter(&name)).is_some(), is_kept);
    }
}

#[test]
fn a_full_table_evicts_the_oldest() {
    let mut bindings = Bindings::new(100);
    for i in 0..1000 {
        let name = format!("n{i}");
        if bindings.is_full() {
            assert!(!insert(&mut bindings, &counter(&name), i));
            assert_eq!(bindings.evict(), Some(i - 100));
        }
        assert!(insert(&mut bindings, &counter(&name), i));
    }
    assert_eq!(bindings.len(), 100);
    assert!((900..1000).all(|i| look_up(&bindings, &counter(&format!("n{i}"))) == Some(i)));
}

#[test]
fn key_bytes_have_a_limit_of_their_own() {
    let mut bindings = Bindings::new(1000);
    for i in 0..500 {
        while bindings.is_full() {
            assert!(bindings.evict().is_some());
        }
        assert!(insert(&mut bindings, &counter(&format!("{i}{}", "n".repeat(8000))), i));
    }
    assert!((20..=25).contains(&bindings.len()), "{}", bindings.len());
    assert!(bindings.keys.held() <= 192_000 * 3 / 2 + 3 * key_bytes::SEGMENT, "{}", bindings.keys.held());
}

#[test]
fn outdated_bindings_are_removed_in_steps_and_give_their_memory_back() {
    const COUNT: usize = 100_000;
    let target = Arc::new(());
    let mut bindings = Bindings::new(1 << 20);
    for i in 0..COUNT {
        assert!(insert(&mut bindings, &counter(&format!("some.name.n{i}")), (i, Arc::clone(&target))));
    }
    maintain_all(&mut bindings, 1000, |_| true);
    assert_eq!(bindings.len(), COUNT, "nothing is removed without a sweep");
    let full = (bindings.slots.capacity(), bindings.places.capacity(), bindings.keys.held());
    bindings.sweep();
    let calls = maintain_all(&mut bindings, 1000, |(i, _)| i % 1000 != 0);
    assert!(calls > COUNT * STEPS_OF_REMOVAL / 1000, "{calls}");
    assert_eq!((bindings.len(), Arc::strong_count(&target)), (100, 101));
    assert!((0..COUNT).all(|i| look_up(&bindings, &counter(&format!("some.name.n{i}"))).is_some() == (i % 1000 == 0)));
    assert!(
        bindings.slots.capacity() * 16 < full.0 && bindings.keys.held() <= 3 * key_bytes::SEGMENT,
        "{} {}",
        bindings.slots.capacity(),
        bindings.keys.held()
    );
    bindings.sweep();
    maintain_all(&mut bindings, 1000, |_| true);
    assert_eq!((bindings.len(), bindings.places.capacity(), Arc::strong_count(&target)), (0, CHUNK, 1));
    for i in 0..COUNT {
        assert!(insert(&mut bindings, &counter(&format!("other.n{i}")), (i, Arc::clone(&target))));
    }
    bindings.sweep();
    maintain_all(&mut bindings, 777, |(i, _)| *i != COUNT / 2);
    assert_eq!(bindings.len(), 1, "a sweep passes chunks that become empty");
}

#[test]
fn a_cleared_table_is_dropped_in_steps() {
    let target = Arc::new(());
    let mut bindings = Bindings::new(1 << 20);
    for round in 1..=5 {
        for i in 0..5000 {
            assert!(insert(&mut bindings, &counter(&format!("n{i}")), Arc::clone(&target)));
        }
        bindings.clear();
        assert_eq!(bindings.len(), 0);
        assert!((5000..=10_000 + round).contains(&Arc::strong_count(&target)), "not at once, and of at most two tables");
    }
    assert!(maintain_all(&mut bindings, 1000, |_| false) > 30);
    assert_eq!(Arc::strong_count(&target), 1);
}

#[test]
fn memory_is_reused_under_churn() {
    const ALIVE: usize = 10_000;
    let mut bindings = Bindings::new(1 << 20);
    let name = |i: usize| format!("some.name.{}{i}", "x".repeat(i % 57));
    let mut early = (0, 0, 0);
    for i in 0..30 * ALIVE {
        assert!(insert(&mut bindings, &counter(&name(i)), i));
        if i >= ALIVE {
            // In practice, the removed binding is neither the oldest nor the newest.
            let old = (i - ALIVE) ^ 1;
            assert_eq!(remove(&mut bindings, &counter(&name(old))), Some(old));
        }
        if i % 1000 == 0 {
            bindings.maintain(200, |_| {}, |_| false);
        }
        let now = (bindings.slots.capacity(), bindings.places.capacity(), bindings.keys.held());
        if i < 4 * ALIVE {
            early = (early.0.max(now.0), early.1.max(now.1), early.2.max(now.2));
        } else {
            assert!(now.0 <= early.0 && now.1 <= early.1 && now.2 <= early.2 + 2 * key_bytes::SEGMENT, "{now:?} {early:?}");
        }
    }
}

#[test]
fn growing_moves_a_few_slots_at_a_time() {
    let mut slots = Slots::new();
    let mut random = 1_u64;
    let mut hash = move || {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        random ^ random >> 33
    };
    let mut hashes = Vec::new();
    for number in 0..200_000 {
        let before = slots.moved();
        hashes.push(hash());
        slots.insert(hashes[number as usize], number);
        // A cluster is always moved completely, which may exceed the budget.
        assert!(slots.moved() - before <= slots::MOVED_WITH_INSERTION + 200, "{}", slots.moved() - before);
    }
    assert!((0..200_000).all(|number| slots.find(hashes[number as usize], |found| found == number).is_some()));
}

/// An operation on a table.
#[derive(Debug, Clone)]
enum Operation {
    Insert(u16),
    Remove(u16),
    /// Bindings whose target is a multiple of this are outdated.
    Sweep(u32),
    Maintain(usize),
    Evict,
    Clear,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        600 => (0..4000_u16).prop_map(Operation::Insert),
        300 => (0..4000_u16).prop_map(Operation::Remove),
        5 => (2..7_u32).prop_map(Operation::Sweep),
        60 => (1..3000_usize).prop_map(Operation::Maintain),
        20 => Just(Operation::Evict),
        1 => Just(Operation::Clear),
    ]
}

/// The table of one worker, and a model with the same content.
struct Checked {
    bindings: Bindings<u32>,
    model: HashMap<String, u32>,
    dead: u32,
    next: u32,
}

impl Checked {
    fn new() -> Self {
        Self { bindings: Bindings::new(3000), model: HashMap::new(), dead: u32::MAX, next: 1 }
    }

    /// Keys of many lengths, so that some segments fill up.
    fn key(number: u16) -> String {
        format!("n{number}{}", "y".repeat(usize::from(number % 11) * 50))
    }

    fn step(&mut self, step: &Operation) {
        match step {
            Operation::Insert(number) => {
                let key = Self::key(*number);
                assert_eq!(look_up(&self.bindings, &counter(&key)), self.model.get(&key).copied());
                if !self.model.contains_key(&key) {
                    let is_full = self.bindings.is_full();
                    assert_eq!(insert(&mut self.bindings, &counter(&key), self.next), !is_full);
                    if !is_full {
                        self.model.insert(key, self.next);
                    }
                    self.next += 1;
                }
            }
            Operation::Remove(number) => {
                let key = Self::key(*number);
                assert_eq!(remove(&mut self.bindings, &counter(&key)), self.model.remove(&key));
            }
            Operation::Sweep(dead) => {
                self.dead = *dead;
                self.bindings.sweep();
            }
            Operation::Maintain(budget) => {
                let (dead, model) = (self.dead, &mut self.model);
                let steps = self.bindings.maintain(
                    *budget,
                    |_| {},
                    |target| {
                        let is_dead = target % dead == 0;
                        if is_dead {
                            model.retain(|_, known| known != target);
                        }
                        is_dead
                    },
                );
                assert!(steps <= budget + MOST_OVER_BUDGET);
            }
            Operation::Evict => {
                if let Some(target) = self.bindings.evict() {
                    self.model.retain(|_, known| *known != target);
                }
            }
            Operation::Clear => {
                self.bindings.clear();
                self.model.clear();
            }
        }
        assert_eq!(self.bindings.len(), self.model.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_workers_table_is_a_map(steps in proptest::collection::vec((0..3_usize, operation()), 0..8000)) {
        let mut workers: [Checked; 3] = std::array::from_fn(|_| Checked::new());
        for (worker, step) in &steps {
            workers[*worker].step(step);
        }
        for worker in &workers {
            for (key, target) in &worker.model {
                prop_assert_eq!(look_up(&worker.bindings, &counter(key)), Some(*target));
            }
        }
    }
}
