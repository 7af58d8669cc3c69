//! The limits of one sender: token buckets, and the log messages that name a sender over its limit.
//!
//! A bucket holds the tokens of one second. A datagram is admitted if there is a token, and may take more than there are, so that a
//! datagram of many lines is admitted at last and the mean rate is the limit.

use crate::source::Sender;
use crate::time::Timestamp;

/// Minimum time between two messages about one sender under one limit.
const EVERY_MS: u64 = 10_000;

/// Messages about all senders in that time.
const MAX_MESSAGES: u32 = 10;

/// A limit of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceLimit {
    /// Lines per second.
    Lines,
    /// New series per second.
    NewSeries,
}

/// A limit of one sender, and what it sent.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Thousandths of tokens.
    tokens: i64,
    at: Timestamp,
    /// What came since `since`, and what was rejected of it.
    came: u64,
    rejected: u64,
    since: Timestamp,
    logged: Option<Timestamp>,
}

/// The limit of a log's messages.
#[derive(Debug, Default)]
pub(super) struct MessageLimit {
    since: Timestamp,
    messages: u32,
}

/// A sender that exceeds a limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) sender: Sender,
    /// What the sender sends per second.
    pub(super) rate: u64,
    /// What was rejected since the last message.
    pub(super) rejected: u64,
}

impl Limiter {
    pub(super) fn new(per_second: u64, now: Timestamp) -> Self {
        Self { tokens: thousand(per_second), at: now, came: 0, rejected: 0, since: now, logged: None }
    }

    /// Takes `count` tokens. False if there is none; everything is rejected then.
    pub(super) fn take(&mut self, count: u64, per_second: u64, now: Timestamp) -> bool {
        let passed = i64::try_from(now.millis_since(self.at)).unwrap_or(i64::MAX);
        let rate = i64::try_from(per_second).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(rate.saturating_mul(passed)).min(thousand(per_second));
        self.at = self.at.max(now);
        if now.millis_since(self.since) > EVERY_MS && self.rejected == 0 {
            (self.came, self.since) = (0, now);
        }
        self.came += count;
        let is_admitted = self.tokens > 0;
        if is_admitted {
            self.tokens = self.tokens.saturating_sub(thousand(count));
        } else {
            self.rejected += count;
        }
        is_admitted
    }

    /// What a message says about the sender now, if it is time for one. Call it after a rejection.
    pub(super) fn excess(&mut self, sender: Sender, messages: &mut MessageLimit, now: Timestamp) -> Option<Excess> {
        if self.logged.is_some_and(|logged| now.millis_since(logged) < EVERY_MS) || !messages.admits(now) {
            return None;
        }
        let rate = self.came.saturating_mul(1000) / now.millis_since(self.since).max(1);
        let excess = Excess { sender, rate, rejected: self.rejected };
        (self.came, self.rejected, self.since, self.logged) = (0, 0, now, Some(now));
        Some(excess)
    }
}

impl MessageLimit {
    fn admits(&mut self, now: Timestamp) -> bool {
        if now.millis_since(self.since) >= EVERY_MS {
            (self.since, self.messages) = (now, 0);
        }
        self.messages += 1;
        self.messages <= MAX_MESSAGES
    }
}

fn thousand(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_mean_rate_is_the_limit_however_large_the_pieces() {
        for piece in [1, 30, 500] {
            let mut limiter = Limiter::new(100, at(5));
            let admitted: u64 = (0..60_000).map(|millis| if limiter.take(piece, 100, at(5 + millis)) { piece } else { 0 }).sum();
            // The bucket of one second at the start, and the excess of one piece.
            assert!((6_000..=6_100 + piece).contains(&admitted), "{piece}: {admitted}");
        }
    }

    #[test]
    fn a_sender_under_its_limit_is_never_rejected_after_a_pause_either() {
        let mut limiter = Limiter::new(10, at(0));
        assert!((0..1_000).all(|step| limiter.take(1, 10, at(step * 100))));
        assert!((0..10).all(|_| limiter.take(1, 10, at(10_000_000))) && !limiter.take(1, 10, at(10_000_000)));
    }

    #[test]
    fn a_message_has_the_rate_and_comes_at_a_limited_rate() {
        let (mut limiter, mut messages) = (Limiter::new(10, at(0)), MessageLimit::default());
        let sender = Sender::from(Source::Unixgram);
        let mut said = Vec::new();
        for millis in 1..=25_000 {
            if !limiter.take(2, 10, at(millis)) {
                said.extend(limiter.excess(sender, &mut messages, at(millis)));
            }
        }
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().all(|excess| (1_900..=2_400).contains(&excess.rate)), "{said:?}");
        assert!(said[1].rejected > 19_000, "{said:?}");
        let mut others = (0..100).filter_map(|_| {
            let mut limiter = Limiter::new(1, at(25_000));
            (0..3).for_each(|_| _ = limiter.take(1, 1, at(25_000)));
            limiter.excess(sender, &mut messages, at(25_000))
        });
        assert_eq!(others.by_ref().count(), MAX_MESSAGES as usize - 1);
    }
}
