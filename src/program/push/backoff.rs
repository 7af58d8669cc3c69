//! The delay before a request is sent again: exponential with full jitter, and never shorter than what the receiver asks for.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The upper bound of the first delay. It doubles with every attempt.
const FIRST: Duration = Duration::from_millis(250);

/// The maximum delay, unless the receiver asks for a longer one.
const MAX: Duration = Duration::from_secs(30);

/// The longest delay that a receiver may ask for.
const MAX_ASKED: Duration = Duration::from_secs(600);

/// The delay before attempt number `attempt`, which is at least 1. `asked` is the `Retry-After` of the last answer.
pub(super) fn delay(attempt: u32, asked: Option<Duration>) -> Duration {
    delay_with(RandomState::new().hash_one(attempt), attempt, asked)
}

fn delay_with(random: u64, attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(MAX);
    // At least a tenth, so that no receiver is asked in a loop.
    let fraction = 0.1 + 0.9 * (random >> 11) as f64 / (1_u64 << 53) as f64;
    let asked = asked.unwrap_or_default().min(MAX_ASKED);
    // Receivers give many clients the same delay: the jitter is added, so that they do not return at once.
    match asked.is_zero() {
        true => doubled.mul_f64(fraction),
        false => asked + (doubled.min(asked)).mul_f64(fraction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_maximum_and_are_spread() {
        let longest = |attempt| delay_with(u64::MAX, attempt, None).as_millis();
        assert_eq!([1, 2, 3, 8, 9, 1000].map(longest), [250, 500, 1000, 30_000, 30_000, 30_000]);
        assert_eq!(delay_with(0, 1, None), Duration::from_millis(25));
        let delays: Vec<Duration> = (0..20).map(|_| delay(5, None)).collect();
        assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
    }

    #[test]
    fn the_receiver_sets_the_minimum() {
        for asked in [1, 7, 600] {
            let asked = Duration::from_secs(asked);
            for random in [0, u64::MAX] {
                let delay = delay_with(random, 1, Some(asked));
                assert!(delay >= asked && delay <= asked * 2, "{delay:?}");
            }
        }
        assert!(delay_with(u64::MAX, 1, Some(Duration::from_secs(1_000_000))) <= Duration::from_secs(631));
    }
}
