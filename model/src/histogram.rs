//! The bridge's code that reads a histogram during writes, with loom's atomics.

#![allow(dead_code)]

use std::cell::Cell;
use std::sync::Arc;

use loom::sync::atomic::Ordering;

#[path = "../../src/registry/cell/moment.rs"]
mod moment;

thread_local! {
    /// True to omit the fences, so that a test can check that the model fails. loom runs all threads of a model on one thread.
    static WITHOUT_FENCES: Cell<bool> = const { Cell::new(false) };
}

loom::thread_local! {
    static IS_WRITER: Cell<bool> = Cell::new(false);
}

fn fence(order: Ordering) {
    if !WITHOUT_FENCES.get() {
        loom::sync::atomic::fence(order);
    }
}

/// loom's atomic, except that the single writer reads its last store from a copy.
///
/// loom tries other orders of a store and the last access before it. If that access is the writer's own load, loom does not reorder
/// the loads of readers, and misses orders.
struct AtomicU64 {
    word: loom::sync::atomic::AtomicU64,
    of_writer: std::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    fn new(value: u64) -> Self {
        Self { word: loom::sync::atomic::AtomicU64::new(value), of_writer: value.into() }
    }

    fn load(&self, order: Ordering) -> u64 {
        if IS_WRITER.with(Cell::get) { self.of_writer.load(Ordering::Relaxed) } else { self.word.load(order) }
    }

    fn store(&self, value: u64, order: Ordering) {
        self.of_writer.store(value, Ordering::Relaxed);
        self.word.store(value, order);
    }
}

/// The words of a histogram, as in `registry::cell::HistogramCell`.
#[derive(Clone)]
pub struct Histogram(Arc<[AtomicU64]>);

impl Histogram {
    /// With this number of buckets, including `+Inf`.
    pub fn new(buckets: usize) -> Self {
        Self(moment::empty(buckets))
    }

    /// Omits the fences of writer and reader from now on.
    pub fn leave_out_fences() {
        WITHOUT_FENCES.set(true);
    }

    fn words(&self) -> moment::Words<'_> {
        moment::Words::of(&self.0).expect("`new` makes all words")
    }

    /// Adds a sample of weight 1. Only one thread writes.
    pub fn observe(&self, bucket: usize, value: f64) {
        IS_WRITER.with(|is_writer| is_writer.set(true));
        assert!(self.words().add(bucket, value, 1.0));
    }

    /// Sets all values to 0. Only one thread writes.
    pub fn clear(&self) {
        IS_WRITER.with(|is_writer| is_writer.set(true));
        self.words().clear();
    }

    /// Consistent sum and weights, if they can be read now.
    pub fn try_read<const N: usize>(&self) -> Option<(f64, [f64; N])> {
        let mut weights = [0.0; N];
        let sum = self.words().try_read(&mut weights)?;
        Some((sum, weights))
    }
}
