//! HyperLogLog estimates the number of distinct hashes in 16 KiB, or in less if memory is short.
//!
//! It takes uniformly distributed 64-bit hashes and does not know what was hashed. The estimator is Ertl's improved one ("New
//! cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables and no bias correction at any
//! cardinality.
//!
//! Inserting needs no lock: registers only rise, and are independent. A concurrent reader sees all insertions that ended before,
//! and possibly some that did not end yet. An estimate with fewer registers merges exactly with one that has more, because the
//! latter can be reduced to the same number.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32};

/// The number of bits of a hash that choose the register, if there is enough memory.
pub(super) const INDEX_BITS: u32 = 14;

/// The smallest number of such bits, with a standard error of 9 %.
pub(super) const INDEX_BITS_MIN: u32 = 7;

/// Registers of the largest estimate, one byte each. The standard error is 1.04 / sqrt(REGISTERS), that is 0.8 %.
#[cfg(test)]
const REGISTERS: usize = 1 << INDEX_BITS;

/// The highest value of a register: all other bits of the hash are zero.
const RANK_MAX: usize = rank_max(INDEX_BITS_MIN);

const fn rank_max(index_bits: u32) -> usize {
    64 - index_bits as usize + 1
}

/// The registers. Each holds the highest rank seen; the rank is 1 plus the number of zeros after the index of the hash.
#[derive(Debug)]
pub(super) struct HyperLogLog {
    registers: Box<[AtomicU8]>,
    /// The number of bits that choose a register. Only [`merge_shared`](Self::merge_shared) changes it.
    index_bits: AtomicU32,
}

impl Clone for HyperLogLog {
    fn clone(&self) -> Self {
        let index_bits = self.index_bits();
        let registers = self.registers().map(AtomicU8::new).collect();
        Self { registers, index_bits: AtomicU32::new(index_bits) }
    }
}

impl HyperLogLog {
    /// An empty estimate, with [`INDEX_BITS_MIN`] to [`INDEX_BITS`] bits that choose a register.
    pub(super) fn new(index_bits: u32) -> Self {
        let index_bits = index_bits.clamp(INDEX_BITS_MIN, INDEX_BITS);
        Self { registers: (0..1 << index_bits).map(|_| AtomicU8::new(0)).collect(), index_bits: AtomicU32::new(index_bits) }
    }

    /// An estimate from the result of [`registers`](Self::registers); `None` if their number or one of them is invalid.
    pub(super) fn from_registers(registers: &[u8]) -> Option<Self> {
        let index_bits = registers.len().checked_ilog2().filter(|bits| registers.len() == 1 << bits)?;
        let is_rank = |rank: &u8| usize::from(*rank) <= rank_max(index_bits);
        if !(INDEX_BITS_MIN..=INDEX_BITS).contains(&index_bits) || !registers.iter().all(is_rank) {
            return None;
        }
        Some(Self { registers: registers.iter().map(|rank| AtomicU8::new(*rank)).collect(), index_bits: AtomicU32::new(index_bits) })
    }

    pub(super) fn index_bits(&self) -> u32 {
        self.index_bits.load(Relaxed)
    }

    /// All registers, in order.
    pub(super) fn registers(&self) -> impl Iterator<Item = u8> {
        self.registers.iter().take(1 << self.index_bits()).map(|register| register.load(Relaxed))
    }

    #[inline]
    pub(super) fn insert(&self, hash: u64) {
        let bits = self.index_bits();
        // The bit that is set below the lowest bit of the hash ends the run of zeros.
        let rank = ((hash << bits) | (1 << (bits - 1))).leading_zeros() + 1;
        if let Some(register) = self.registers.get((hash >> (64 - bits)) as usize) {
            raise(register, rank as u8);
        }
    }

    /// Adds the hashes of `other`. The result has as many registers as the one with
    /// fewer. The access is exclusive, so no register needs an atomic operation or a branch, which would be unpredictable.
    pub(super) fn merge(&mut self, other: &Self) {
        let bits = other.index_bits();
        if self.index_bits() > bits {
            *self = self.with_index_bits(bits);
        }
        if self.index_bits() < bits {
            return self.merge(&other.with_index_bits(self.index_bits()));
        }
        for (mine, other) in self.registers.iter_mut().zip(other.registers()) {
            let mine = mine.get_mut();
            *mine = (*mine).max(other);
        }
    }

    /// As [`merge`](Self::merge), while other threads insert and read. If `other` has fewer registers, no other thread may insert
    /// yet. The memory stays the same.
    pub(super) fn merge_shared(&self, other: &Self) {
        if self.index_bits() > other.index_bits() {
            let fewer = self.with_index_bits(other.index_bits());
            self.registers.iter().zip(fewer.registers()).for_each(|(mine, rank)| mine.store(rank, Relaxed));
            self.index_bits.store(fewer.index_bits(), Relaxed);
        }
        let other = other.with_index_bits(self.index_bits());
        self.registers.iter().zip(other.registers()).for_each(|(mine, rank)| raise(mine, rank));
    }

    /// This estimate with fewer registers. Unchanged if it does not have more.
    pub(super) fn with_index_bits(&self, index_bits: u32) -> Self {
        let index_bits = index_bits.clamp(INDEX_BITS_MIN, self.index_bits());
        let fewer = Self::new(index_bits);
        let merged_bits = self.index_bits() - index_bits;
        for (number, rank) in self.registers().enumerate().filter(|(_, rank)| *rank > 0) {
            // Bits that no longer belong to the index begin the run of zeros, or end it.
            let rest = number & ((1 << merged_bits) - 1);
            let rank = match rest.checked_ilog2() {
                Some(highest) => (merged_bits - highest) as u8,
                None => rank + merged_bits as u8,
            };
            if let Some(register) = fewer.registers.get(number >> merged_bits) {
                raise(register, rank);
            }
        }
        fewer
    }

    /// The estimated number of distinct hashes: finite, not rounded.
    pub(super) fn estimate(&self) -> f64 {
        let mut of_rank = [0_u32; RANK_MAX + 1];
        for rank in self.registers() {
            of_rank[usize::from(rank).min(RANK_MAX)] += 1;
        }
        let (m, rank_max) = (f64::from(1_u32 << self.index_bits()), rank_max(self.index_bits()));
        let share = |rank: usize| f64::from(of_rank[rank]) / m;
        let mut z = m * tau(1.0 - share(rank_max));
        for rank in (1..rank_max).rev() {
            z = 0.5 * (z + f64::from(of_rank[rank]));
        }
        z += m * sigma(share(0));
        // z is 0 only if all registers have their highest value, which takes forged hashes.
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).min(u64::MAX as f64)
    }
}

/// Raises a register to at least `rank`, concurrently with other threads. Few insertions raise a register; the others only read.
#[inline(always)]
fn raise(register: &AtomicU8, rank: u8) {
    if register.load(Relaxed) < rank {
        register.fetch_max(rank, Relaxed);
    }
}

/// x + the sum of x^(2^k) * 2^(k-1) for k = 1, 2, ..: the correction for registers without hashes.
fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut factor, mut sum) = (x, 1.0, x);
    loop {
        power *= power;
        let next = sum + power * factor;
        if next == sum {
            return sum;
        }
        (sum, factor) = (next, factor * 2.0);
    }
}

/// (1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k for k = 1, 2, ..) / 3: the correction for registers with the highest value.
fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut root, mut factor, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        root = root.sqrt();
        factor *= 0.5;
        let next = sum - (1.0 - root) * (1.0 - root) * factor;
        if next == sum {
            return sum / 3.0;
        }
        sum = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: distinct seeds give distinct, well mixed numbers.
    fn hash(seed: u64) -> u64 {
        let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn the_ends_of_the_scale_are_finite() {
        let hll = HyperLogLog::new(INDEX_BITS);
        assert_eq!(hll.estimate(), 0.0);
        hll.insert(0);
        hll.insert(u64::MAX);
        assert_eq!((hll.registers().next(), hll.registers().last()), (Some(rank_max(INDEX_BITS) as u8), Some(1)));
        assert_eq!(hll.estimate().round(), 2.0);
        let full = HyperLogLog::from_registers(&[rank_max(INDEX_BITS) as u8; REGISTERS]).expect("each may be that high");
        assert_eq!(full.estimate(), u64::MAX as f64);
    }

    #[test]
    fn estimates_are_good_from_one_to_a_million() {
        for start in [0, 1 << 40, 2 << 40] {
            let hll = HyperLogLog::new(INDEX_BITS);
            for n in 0..1_000_000_u64 {
                hll.insert(hash(start + n));
                if [1, 10, 100, 1000, 10_000, 30_000, 50_000, 100_000, 1_000_000].contains(&(n + 1)) {
                    let (got, want) = (hll.estimate(), (n + 1) as f64);
                    assert!((got / want - 1.0).abs() < 0.03, "{got} for {want}");
                }
            }
        }
    }

    #[test]
    fn merging_equals_one_that_saw_everything() {
        let (whole, parts) = (HyperLogLog::new(INDEX_BITS), [(); 3].map(|()| HyperLogLog::new(INDEX_BITS)));
        for n in 0..50_000_u64 {
            whole.insert(hash(n));
            parts[(n % 3) as usize].insert(hash(n));
        }
        let [first, second, third] = parts;
        let mut merged = first.clone();
        for part in [&second, &third, &second] {
            merged.merge(part);
            first.merge_shared(part);
        }
        assert!(merged.registers().eq(whole.registers()));
        assert!(first.registers().eq(whole.registers()));
    }

    #[test]
    fn registers_are_those_of_the_definition() {
        let (hll, mut want) = (HyperLogLog::new(INDEX_BITS), vec![0_u8; REGISTERS]);
        for n in 0..30_000_u64 {
            let bits = format!("{:064b}", hash(n));
            let (index, rest) = bits.split_at(INDEX_BITS as usize);
            let rank = rest.find('1').unwrap_or(rest.len()) + 1;
            let index = usize::from_str_radix(index, 2).expect("binary digits");
            want[index] = want[index].max(rank as u8);
            hll.insert(hash(n));
        }
        assert!(hll.registers().eq(want.iter().copied()));
        let again = HyperLogLog::from_registers(&want).expect("they are good");
        assert!(again.registers().eq(want) && again.estimate() == hll.estimate());
    }

    #[test]
    fn threads_that_insert_at_once_lose_nothing() {
        let (shared, whole) = (HyperLogLog::new(INDEX_BITS), HyperLogLog::new(INDEX_BITS));
        (0..40_000).for_each(|n| whole.insert(hash(n)));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let shared = &shared;
                scope.spawn(move || (thread * 8000..thread * 8000 + 16_000).for_each(|n| shared.insert(hash(n))));
            }
        });
        assert!(shared.registers().eq(whole.registers()));
    }

    /// The result equals an estimate that had the smaller number of registers from the start, in both directions of the merge.
    #[test]
    fn fewer_registers_are_those_of_one_that_never_had_more() {
        for bits in INDEX_BITS_MIN..INDEX_BITS {
            let (whole, first, second, few) =
                (HyperLogLog::new(bits), HyperLogLog::new(INDEX_BITS), HyperLogLog::new(bits), HyperLogLog::new(bits));
            for n in 0..40_000_u64 {
                whole.insert(hash(n));
                if n < 30_000 { &first } else { &second }.insert(hash(n));
                if n < 30_000 {
                    few.insert(hash(n));
                }
            }
            assert!(first.with_index_bits(bits).registers().eq(few.registers()), "{bits} bits");
            let (mut left, mut right) = (first.clone(), second.clone());
            left.merge(&second);
            right.merge(&first);
            first.merge_shared(&second);
            for merged in [&left, &right, &first] {
                assert!(merged.registers().eq(whole.registers()), "{bits} bits");
            }
            assert!((whole.estimate() / 40_000.0 - 1.0).abs() < 4.0 / f64::from(1_u32 << bits).sqrt(), "{bits} bits");
            let again = HyperLogLog::from_registers(&whole.registers().collect::<Vec<_>>()).expect("they are good");
            assert!(again.registers().eq(whole.registers()));
        }
    }
}
