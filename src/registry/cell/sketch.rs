//! A weighted, mergeable sketch of a distribution, from which the quantiles of a summary are computed.
//!
//! Up to [`POINTS_MAX`] distinct values are kept exactly, so few values give exact quantiles and take little memory. Beyond
//! that it is a DDSketch: the bounds of bins grow by a constant factor, so that every value of a bin is within [`ACCURACY`]
//! (relative) of the bin's representative value. The order of adding and merging does not matter.
//! If memory is short it becomes coarser: each step joins pairs of neighbours, which gives half as many bins with twice the error.
//! Knows no time, no window and no lock.

mod saved;

pub use self::saved::SavedSketch;
use super::add_weights;

/// The largest relative error of a quantile.
pub(super) const ACCURACY: f64 = 0.01;

/// The most distinct values that are kept exactly. With one more, all are put into bins.
pub(super) const POINTS_MAX: usize = 32;

/// The most bins of one sign. Those of the largest magnitudes are kept; they span more than 17 decades.
pub(super) const BINS_MAX: usize = 2048;

/// The most steps of coarsening. Then all finite numbers fit a few bins.
const COARSEST: u8 = 13;

/// The fewest bytes of a sketch: the bins of both signs of the coarsest one.
pub(super) const FLOOR_BYTES: usize = 256;

/// The logarithm of gamma, the factor between the upper bounds of adjacent bins: ln((1 + a) / (1 - a)) for the accuracy a, as a
/// series.
const LN_GAMMA: f64 = {
    const A: f64 = ACCURACY;
    2.0 * A * (1.0 + A * A * (1.0 / 3.0 + A * A * (1.0 / 5.0 + A * A / 7.0)))
};

/// The relative tolerance of ranks, because weights such as 1/0.3 and ranks such as 0.07 * 100 are not exact in binary.
const RANK_SLACK: f64 = 1e-9;

/// The sketch; see the module. Sums saturate at `f64::MAX` instead of becoming infinite.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    weight: f64,
    /// Exact, like `max`. Both are undefined while `weight` is 0.
    min: f64,
    max: f64,
    /// Value and weight, ascending by value. Empty once `binned`; before that, the bins and `zero` are empty.
    points: Vec<(f64, f64)>,
    binned: bool,
    /// The number of coarsening steps: a bin comprises two to this power of the finest ones.
    coarseness: u8,
    zero: f64,
    negative: Bins,
    positive: Bins,
}

impl Sketch {
    pub(super) fn is_empty(&self) -> bool {
        self.weight == 0.0
    }

    pub(super) fn has_negative(&self) -> bool {
        !self.is_empty() && self.min < 0.0
    }

    /// Removes all values and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.negative.bins.clear();
        self.positive.bins.clear();
        (self.weight, self.zero, self.binned, self.coarseness) = (0.0, 0.0, false, 0);
    }

    /// Adds a finite `value` with a finite, positive `weight`. The cost does not depend on the weight. Returns the growth in bytes.
    pub(super) fn add(&mut self, value: f64, weight: f64) -> usize {
        let value = value + 0.0; // -0.0 and 0.0 are one value
        self.widen(value, value, weight);
        if self.binned { self.add_to_bin(value, weight) } else { self.add_point(value, weight) }
    }

    /// Adds the content of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            return self.copy(other);
        }
        self.widen(other.min, other.max, other.weight);
        for &(value, weight) in &other.points {
            if self.binned {
                self.add_to_bin(value, weight)
            } else {
                self.add_point(value, weight)
            };
        }
        if other.binned {
            while self.coarseness < other.coarseness {
                self.halve();
            }
            self.bin_all();
            let steps = self.coarseness - other.coarseness;
            self.zero = add_weights(self.zero, other.zero);
            self.negative.merge(&other.negative, steps);
            self.positive.merge(&other.positive, steps);
        }
    }

    /// Coarsens the sketch until it takes at most `bytes`, or [`FLOOR_BYTES`] if that is more.
    #[cold]
    pub(super) fn fit(&mut self, bytes: usize) {
        if self.heap_bytes() > bytes.max(FLOOR_BYTES) {
            self.bin_all();
            self.points = Vec::new();
        }
        while self.heap_bytes() > bytes.max(FLOOR_BYTES) && self.coarseness < COARSEST {
            self.halve();
        }
    }

    /// Joins pairs of bins.
    fn halve(&mut self) {
        self.coarseness += 1;
        self.negative.halve();
        self.positive.halve();
    }

    /// This sketch with the finest bins: the weight of each bin is put at its representative value.
    fn finest(&self) -> Self {
        if self.coarseness == 0 {
            return self.clone();
        }
        let finest = |bins: &Bins| {
            let mut finest = Bins::default();
            // The largest first, because these are kept.
            for (index, weight) in bins.iter().rev().filter(|(_, weight)| *weight > 0.0) {
                finest.add(index_of(magnitude_of(index, self.coarseness)), weight);
            }
            finest
        };
        Self { coarseness: 0, negative: finest(&self.negative), positive: finest(&self.positive), ..self.clone() }
    }

    /// Copies `other` into this sketch, and reuses the memory of this one.
    fn copy(&mut self, other: &Self) {
        (self.weight, self.min, self.max) = (other.weight, other.min, other.max);
        (self.binned, self.zero, self.coarseness) = (other.binned, other.zero, other.coarseness);
        self.points.clone_from(&other.points);
        self.negative.copy(&other.negative);
        self.positive.copy(&other.positive);
    }

    /// The value of nearest rank: the smallest value such that it and all smaller ones have at least `q` of the weight. So of
    /// 1, 2, 3, 4 the median is 2, `q` 0 is the minimum and 1 the maximum; a value of weight 10 counts as ten values.
    /// NaN if the sketch is empty or `q` is NaN. A `q` outside of 0 to 1 counts as the nearer of both.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        if self.is_empty() || q.is_nan() {
            return f64::NAN;
        }
        if q <= 0.0 {
            return self.min;
        }
        if q >= 1.0 {
            return self.max;
        }
        let rank = q * self.weight * (1.0 - RANK_SLACK);
        let points = self.points.iter().map(|&(value, weight)| (value, 0, weight));
        let negative = self.negative.iter().rev().map(|(index, weight)| (-1.0, index, weight));
        let positive = self.positive.iter().map(|(index, weight)| (1.0, index, weight));
        let mut seen = 0.0;
        let reaches = |&(_, _, weight): &(f64, i32, f64)| {
            seen += weight;
            weight > 0.0 && seen >= rank
        };
        match points.chain(negative).chain([(0.0, 0, self.zero)]).chain(positive).find(reaches) {
            None => self.max,
            Some((value, _, _)) if !self.binned => value,
            Some((sign, index, _)) => (sign * magnitude_of(index, self.coarseness)).clamp(self.min, self.max),
        }
    }

    fn widen(&mut self, min: f64, max: f64, weight: f64) {
        if self.is_empty() {
            (self.min, self.max) = (min, max);
        } else {
            (self.min, self.max) = (self.min.min(min), self.max.max(max));
        }
        self.weight = add_weights(self.weight, weight);
    }

    fn add_point(&mut self, value: f64, weight: f64) -> usize {
        match self.points.binary_search_by(|(known, _)| known.total_cmp(&value)) {
            Ok(at) => {
                self.points[at].1 = add_weights(self.points[at].1, weight);
                0
            }
            Err(at) if self.points.len() < POINTS_MAX => {
                let before = self.points.capacity();
                self.points.insert(at, (value, weight));
                (self.points.capacity() - before) * size_of::<(f64, f64)>()
            }
            Err(_) => self.bin_all() + self.add_to_bin(value, weight),
        }
    }

    fn bin_all(&mut self) -> usize {
        self.binned = true;
        // The empty vector is put back, so that a cleared sketch reuses its memory.
        let mut points = std::mem::take(&mut self.points);
        let grown = points.drain(..).map(|(value, weight)| self.add_to_bin(value, weight)).sum();
        self.points = points;
        grown
    }

    fn add_to_bin(&mut self, value: f64, weight: f64) -> usize {
        if value > 0.0 {
            self.positive.add(coarser(index_of(value), self.coarseness), weight)
        } else if value < 0.0 {
            self.negative.add(coarser(index_of(-value), self.coarseness), weight)
        } else {
            self.zero = add_weights(self.zero, weight);
            0
        }
    }

    /// The bytes of its allocations.
    pub(super) fn heap_bytes(&self) -> usize {
        self.points.capacity() * size_of::<(f64, f64)>() + self.negative.heap_bytes() + self.positive.heap_bytes()
    }
}

/// The bin that contains this one after this number of coarsening steps.
fn coarser(index: i32, steps: u8) -> i32 {
    index.saturating_add((1 << steps) - 1) >> steps
}

/// The bin of a positive, finite `magnitude`: from -37300 to 37300, subnormal numbers included.
fn index_of(magnitude: f64) -> i32 {
    (magnitude.ln() / LN_GAMMA).ceil() as i32
}

/// The representative value of a bin. The bounds are gamma^(i-1) and gamma^i, and 2 * gamma^i / (gamma + 1) has the same relative
/// distance to both: [`ACCURACY`] in the finest bins. Each coarsening step squares gamma. Computed by one exponential, so that no
/// intermediate result overflows or loses digits of subnormal numbers.
fn magnitude_of(index: i32, coarseness: u8) -> f64 {
    let ln_gamma = LN_GAMMA * f64::from(1_u32 << coarseness);
    // 2 / (gamma + 1) is 1 - accuracy, and the accuracy is tanh(ln(gamma) / 2).
    let accuracy = if coarseness == 0 { ACCURACY } else { (ln_gamma / 2.0).tanh() };
    let ln_share = if accuracy < 0.9 { (-accuracy).ln_1p() } else { std::f64::consts::LN_2 - ln_gamma - (-ln_gamma).exp().ln_1p() };
    (f64::from(index) * ln_gamma + ln_share).exp()
}

/// The weights of the bins of one sign. They are contiguous and grow as needed, up to [`BINS_MAX`]. Then the bins of the smallest
/// magnitudes are added to the smallest one kept, which depends only on the largest magnitude. So the order of adding does not
/// matter.
#[derive(Debug, Clone, Default)]
struct Bins {
    /// The index of `bins[0]`. Undefined while there are no bins.
    first: i32,
    bins: Vec<f64>,
}

impl Bins {
    fn copy(&mut self, other: &Self) {
        self.first = other.first;
        self.bins.clone_from(&other.bins);
    }

    /// Adds to a bin. Returns the growth in bytes.
    fn add(&mut self, index: i32, weight: f64) -> usize {
        let at = i64::from(index) - i64::from(self.first);
        if let Some(bin) = usize::try_from(at).ok().and_then(|at| self.bins.get_mut(at)) {
            *bin = add_weights(*bin, weight);
            return 0;
        }
        self.add_new(index, weight)
    }

    /// Adds to a bin that does not exist.
    #[inline(never)]
    fn add_new(&mut self, index: i32, weight: f64) -> usize {
        let before = self.heap_bytes();
        if self.bins.is_empty() {
            self.first = index;
        }
        let at = i64::from(index) - i64::from(self.first);
        let at = match usize::try_from(at) {
            Ok(at) => self.reach_up(at),
            Err(_) => self.reach_down(at.unsigned_abs() as usize),
        };
        if let Some(bin) = self.bins.get_mut(at) {
            *bin = add_weights(*bin, weight);
        }
        self.heap_bytes().saturating_sub(before)
    }

    fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<f64>()
    }

    /// Joins pairs of neighbours, and frees unused memory.
    fn halve(&mut self) {
        let first = coarser(self.first, 1);
        for at in 0..self.bins.len() {
            let to = (coarser(self.first.saturating_add(at as i32), 1) - first) as usize;
            let weight = std::mem::take(&mut self.bins[at]);
            self.bins[to] = add_weights(self.bins[to], weight);
        }
        let last = coarser(self.first.saturating_add(self.bins.len().saturating_sub(1) as i32), 1);
        let len = if self.bins.is_empty() { 0 } else { (last - first + 1) as usize };
        self.bins.truncate(len);
        self.bins.shrink_to(len.next_power_of_two());
        self.first = first;
    }

    /// Creates the position `at`, and returns its new position.
    fn reach_up(&mut self, at: usize) -> usize {
        if at < self.bins.len() {
            return at;
        }
        let excess = (at + 1).saturating_sub(BINS_MAX);
        if excess == 0 {
            self.grow_to(at + 1);
            return at;
        }
        let dropped = excess.min(self.bins.len());
        let collapsed = self.bins.drain(..dropped).fold(0.0, add_weights);
        self.grow_to(BINS_MAX);
        self.first = self.first.saturating_add_unsigned(excess as u32);
        if let Some(lowest) = self.bins.first_mut() {
            *lowest = add_weights(*lowest, collapsed);
        }
        BINS_MAX - 1
    }

    /// Creates the position `below` before the first one, or the lowest one allowed, and returns its new position.
    fn reach_down(&mut self, below: usize) -> usize {
        let grown = below.min(BINS_MAX.saturating_sub(self.bins.len()));
        self.grow_to(self.bins.len() + grown);
        self.bins.rotate_right(grown);
        self.first = self.first.saturating_sub_unsigned(grown as u32);
        0
    }

    /// Adds empty bins up to `len`, at most [`BINS_MAX`]. The memory grows in powers of two, up to the same limit.
    fn grow_to(&mut self, len: usize) {
        let room = len.next_power_of_two().min(BINS_MAX);
        self.bins.reserve_exact(room.saturating_sub(self.bins.len()));
        self.bins.resize(len, 0.0);
    }

    /// Adds bins that are finer by this number of steps.
    fn merge(&mut self, other: &Self, steps: u8) {
        // Adds both ends first, the upper one before the lower one. That creates all bins that can be kept at once.
        let mut ends = other.iter().map(|(index, _)| index);
        let (lower, upper) = (ends.next(), ends.next_back());
        for end in upper.into_iter().chain(lower) {
            self.add(coarser(end, steps), 0.0);
        }
        for (index, weight) in other.iter() {
            self.add(coarser(index, steps), weight);
        }
    }

    /// Index and weight, ascending by index.
    fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, f64)> + '_ {
        self.bins.iter().enumerate().map(|(at, &weight)| (self.first.saturating_add(at as i32), weight))
    }
}

#[cfg(test)]
mod tests;
