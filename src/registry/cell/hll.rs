//! HyperLogLog: how many distinct hashes were seen, estimated from 16 KiB however many there were.
//!
//! It takes 64-bit hashes, each bit as good as a coin toss, and knows nothing of what was hashed. The estimator is Ertl's
//! improved one ("New cardinality estimation algorithms for HyperLogLog sketches", 2017): no tables and no bias to correct, at any
//! cardinality.
//!
//! Inserting needs no lock: a register only rises, each by itself, so that whoever reads meanwhile finds what all insertions that
//! ended before would have left, and perhaps some of those under way.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 14;

/// Registers, one byte each. The standard error is 1.04 / sqrt(REGISTERS), that is 0.8 %.
const REGISTERS: usize = 1 << INDEX_BITS;

/// Highest value of a register: the other bits are all zero.
const RANK_MAX: usize = 64 - INDEX_BITS as usize + 1;

/// The registers: each the highest rank seen, the rank being 1 + the zeros that the hash has behind its index.
#[derive(Debug)]
pub(super) struct HyperLogLog {
    registers: Box<[AtomicU8; REGISTERS]>,
}

impl Clone for HyperLogLog {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.merge(self);
        copy
    }
}

impl HyperLogLog {
    pub(super) fn new() -> Self {
        Self { registers: Box::new([const { AtomicU8::new(0) }; REGISTERS]) }
    }

    /// From registers as [`registers`](Self::registers) gives them; `None` if their number or one of them cannot be.
    pub(super) fn from_registers(registers: &[u8]) -> Option<Self> {
        if registers.len() != REGISTERS || registers.iter().any(|rank| usize::from(*rank) > RANK_MAX) {
            return None;
        }
        let mut hll = Self::new();
        hll.registers.iter_mut().zip(registers).for_each(|(mine, rank)| *mine.get_mut() = *rank);
        Some(hll)
    }

    /// All registers, in order.
    pub(super) fn registers(&self) -> impl Iterator<Item = u8> {
        self.registers.iter().map(|register| register.load(Relaxed))
    }

    #[inline]
    pub(super) fn insert(&self, hash: u64) {
        // The bit set below the last one of the hash ends the run of zeros.
        let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1;
        raise(&self.registers[(hash >> (64 - INDEX_BITS)) as usize], rank as u8);
    }

    /// Makes this what it would be if it had seen the hashes of `other` too. Nobody else has it, so that no register needs a
    /// branch or an atomic operation: which of two is higher cannot be foretold.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, other) in self.registers.iter_mut().zip(other.registers()) {
            let mine = mine.get_mut();
            *mine = (*mine).max(other);
        }
    }

    /// As [`merge`](Self::merge), while others insert and read.
    pub(super) fn merge_shared(&self, other: &Self) {
        self.registers.iter().zip(other.registers()).for_each(|(mine, rank)| raise(mine, rank));
    }

    /// Distinct hashes seen, about: not rounded, finite.
    pub(super) fn estimate(&self) -> f64 {
        let mut of_rank = [0_u32; RANK_MAX + 1];
        for rank in self.registers() {
            of_rank[usize::from(rank).min(RANK_MAX)] += 1;
        }
        let m = REGISTERS as f64;
        let share = |rank: usize| f64::from(of_rank[rank]) / m;
        let mut z = m * tau(1.0 - share(RANK_MAX));
        for rank in (1..RANK_MAX).rev() {
            z = 0.5 * (z + f64::from(of_rank[rank]));
        }
        z += m * sigma(share(0));
        // z is 0 only if all registers are at their highest, which no number of honest members brings about.
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).min(u64::MAX as f64)
    }
}

/// Makes it at least `rank`, whoever else does so. Few insertions raise a register, and those that do not only read.
#[inline(always)]
fn raise(register: &AtomicU8, rank: u8) {
    if register.load(Relaxed) < rank {
        register.fetch_max(rank, Relaxed);
    }
}

/// x + the sum of x^(2^k) * 2^(k-1) for k = 1, 2, ..: corrects for registers that nothing has reached.
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

/// (1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k for k = 1, 2, ..) / 3: corrects for registers that cannot go higher.
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
        let hll = HyperLogLog::new();
        assert_eq!(hll.estimate(), 0.0);
        hll.insert(0);
        hll.insert(u64::MAX);
        assert_eq!((hll.registers().next(), hll.registers().last()), (Some(RANK_MAX as u8), Some(1)));
        assert_eq!(hll.estimate().round(), 2.0);
        let full = HyperLogLog::from_registers(&[RANK_MAX as u8; REGISTERS]).expect("each may be that high");
        assert_eq!(full.estimate(), u64::MAX as f64);
    }

    #[test]
    fn estimates_are_good_from_one_to_a_million() {
        for start in [0, 1 << 40, 2 << 40] {
            let hll = HyperLogLog::new();
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
        let (whole, parts) = (HyperLogLog::new(), [(); 3].map(|()| HyperLogLog::new()));
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
        let (hll, mut want) = (HyperLogLog::new(), vec![0_u8; REGISTERS]);
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
        let (shared, whole) = (HyperLogLog::new(), HyperLogLog::new());
        (0..40_000).for_each(|n| whole.insert(hash(n)));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let shared = &shared;
                scope.spawn(move || (thread * 8000..thread * 8000 + 16_000).for_each(|n| shared.insert(hash(n))));
            }
        });
        assert!(shared.registers().eq(whole.registers()));
    }
}
