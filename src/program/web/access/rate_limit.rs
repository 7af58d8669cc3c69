//! `rate_limit` of the web configuration: a token bucket over all requests. Knows time and no HTTP.

use std::time::Duration;

use tokio::time::Instant;

/// One request an interval in the long run, and a burst of requests at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimit {
    /// Above zero.
    pub(super) interval: Duration,
    /// With 0 no request passes.
    pub(super) burst: u32,
}

/// Requests that may still come at once; one more each interval.
#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: Option<RateLimit>,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket. Without a limit it lets everything pass.
    pub(super) fn new(limit: Option<RateLimit>, now: Instant) -> Self {
        Self { limit, tokens: limit.map_or(0.0, |limit| f64::from(limit.burst)), filled: now }
    }

    /// Takes one token, if there is one. A limit other than before starts with a full bucket.
    pub(super) fn take(&mut self, limit: Option<RateLimit>, now: Instant) -> bool {
        if limit != self.limit {
            *self = Self::new(limit, now);
        }
        let Some(limit) = self.limit else { return true };
        let intervals = now.saturating_duration_since(self.filled).as_secs_f64() / limit.interval.as_secs_f64();
        (self.tokens, self.filled) = ((self.tokens + intervals).min(f64::from(limit.burst)), now);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(burst: u32) -> Option<RateLimit> {
        Some(RateLimit { interval: Duration::from_secs(10), burst })
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_an_interval() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(limit(2), start);
        let mut take = |seconds| bucket.take(limit(2), start + Duration::from_secs(seconds));
        assert_eq!([0, 0, 0, 9, 10, 10].map(&mut take), [true, true, false, false, true, false]);
        // No more than the burst gathers.
        assert_eq!([1000, 1000, 1000].map(&mut take), [true, true, false]);
        // Another burst is another bucket; a burst of 0 lets nothing pass, no limit everything.
        assert!(bucket.take(limit(1), start) && !bucket.take(limit(1), start));
        assert!(!bucket.take(limit(0), start) && bucket.take(None, start));
    }
}
