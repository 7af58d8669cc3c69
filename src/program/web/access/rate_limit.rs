//! The `rate_limit` of the web configuration: one token bucket for all requests.

use std::time::Duration;

use tokio::time::Instant;

/// The sustained rate is one request per interval; `burst` requests may arrive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimit {
    /// Greater than zero.
    pub(super) interval: Duration,
    /// With 0 every request is rejected.
    pub(super) burst: u32,
}

/// A token bucket: one token for each request, refilled once per interval.
#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: Option<RateLimit>,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket. Without a limit it allows every request.
    pub(super) fn new(limit: Option<RateLimit>, now: Instant) -> Self {
        Self { limit, tokens: limit.map_or(0.0, |limit| f64::from(limit.burst)), filled: now }
    }

    /// Takes one token if available. A changed limit starts with a full bucket.
    pub(super) fn take(&mut self, limit: Option<RateLimit>, now: Instant) -> bool {
        if limit != self.limit {
            *self = Self::new(limit, now);
        }
        let Some(limit) = self.limit else { return true };
        let intervals = now.saturating_duration_since(self.filled).as_secs_f64() / limit.interval.as_secs_f64();
        (self.tokens, self.filled) = ((self.tokens + intervals).min(f64::from(limit.burst)), now);
        let is_available = self.tokens >= 1.0;
        if is_available {
            self.tokens -= 1.0;
        }
        is_available
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(burst: u32) -> Option<RateLimit> {
        Some(RateLimit { interval: Duration::from_secs(10), burst })
    }

    #[test]
    fn a_bucket_allows_a_burst_then_one_request_per_interval() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(limit(2), start);
        let mut take = |seconds| bucket.take(limit(2), start + Duration::from_secs(seconds));
        assert_eq!([0, 0, 0, 9, 10, 10].map(&mut take), [true, true, false, false, true, false]);
        // The bucket never holds more than the burst.
        assert_eq!([1000, 1000, 1000].map(&mut take), [true, true, false]);
        // A changed limit refills the bucket. A burst of 0 rejects every request; no limit allows every request.
        assert!(bucket.take(limit(1), start) && !bucket.take(limit(1), start));
        assert!(!bucket.take(limit(0), start) && bucket.take(None, start));
    }
}
