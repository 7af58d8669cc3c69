//! How long the thread of a Unix datagram socket pauses between receives, so that datagrams gather and it wakes up less often.
//!
//! A pause that fills the queue blocks the sender, or makes the kernel reject its datagrams. So the pause grows in small steps while far
//! fewer datagrams gather than the queue holds, and shrinks at once when more do. Must not know sockets.

use std::time::{Duration, Instant};

/// The first pause, and how much it grows at once. A shorter sleep costs as much as it saves.
const STEP: Duration = Duration::from_micros(10);
/// The longest pause by default. A longer one gathers few more datagrams.
const LONGEST: Duration = Duration::from_millis(1);
/// After a pause that nearly filled the queue, this many receives go without a pause.
const RECEIVES_WITHOUT: u32 = 256;
/// After this long without a datagram, senders are slow: a pause saves nothing, and the next burst may be sudden.
const IDLE: Duration = Duration::from_millis(2);

/// The pauses of one thread.
#[derive(Debug)]
pub(super) struct Pauses {
    longest: Duration,
    /// The number of datagrams that senders can queue before they wait.
    capacity: usize,
    pause: Duration,
    /// Receives until the next pause.
    without: u32,
    /// Datagrams received since the last pause.
    gathered: usize,
    /// The end of the last pause.
    resumed: Option<Instant>,
}

impl Pauses {
    /// Pauses of at most `longest` for a queue of `capacity` datagrams; none if either is 0.
    pub(super) fn new(longest: Option<Duration>, capacity: usize) -> Self {
        let longest = if capacity == 0 { Duration::ZERO } else { longest.unwrap_or(LONGEST) };
        Self { longest, capacity, pause: Duration::ZERO, without: 0, gathered: 0, resumed: None }
    }

    /// The longest pause.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// The pause after a receive call that returned at `now` with `received` datagrams. `is_full` says that more may be queued already.
    pub(super) fn next(&mut self, received: usize, is_full: bool, now: Instant) -> Duration {
        self.gathered += received;
        if is_full {
            return Duration::ZERO;
        }
        if self.resumed.is_some_and(|resumed| now.duration_since(resumed) > IDLE) {
            self.pause = Duration::ZERO;
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.adapt(gathered);
        let pause = if received == 0 { Duration::ZERO } else { self.pause };
        self.resumed = Some(now + pause);
        pause
    }

    /// Sets the pause by what gathered since the last one.
    fn adapt(&mut self, gathered: usize) {
        if self.pause > Duration::ZERO && gathered * 4 > self.capacity * 3 {
            (self.pause, self.without) = (Duration::ZERO, RECEIVES_WITHOUT);
        } else if gathered * 2 > self.capacity {
            self.pause /= 2;
        } else if self.without > 0 {
            self.without -= 1;
        } else if gathered * 4 <= self.capacity {
            self.pause = (self.pause + STEP).min(self.longest);
        }
        if self.pause < STEP.min(self.longest) {
            self.pause = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Senders at a steady rate: what gathers in a pause, and the pauses of 2,000 receives.
    fn steady(pauses: &mut Pauses, per_second: f64) -> Vec<(usize, Duration)> {
        let (mut now, mut owed) = (Instant::now(), 0.0);
        (0..2_000)
            .map(|_| {
                // Without a pause, the thread wakes up for the first datagram.
                let received = (owed as usize).max(1);
                owed -= received as f64;
                let pause = pauses.next(received, false, now);
                let round = pause.max(Duration::from_secs_f64(1.0 / per_second));
                now += round;
                owed += round.as_secs_f64() * per_second;
                (received, pause)
            })
            .collect()
    }

    #[test]
    fn a_steady_rate_never_fills_the_queue() {
        for capacity in [10, 100, 512] {
            for per_second in [1e3, 1e4, 1e5, 3e5, 1e6, 2e6] {
                let seen = steady(&mut Pauses::new(None, capacity), per_second);
                let most = seen.iter().map(|(received, _)| *received).max().unwrap();
                // One step more can gather this many.
                let step = (STEP.as_secs_f64() * per_second).ceil() as usize;
                assert!(most <= capacity / 2 + step + 1, "{capacity} {per_second}: {most}");
            }
        }
    }

    #[test]
    fn a_long_queue_gathers_many_datagrams() {
        let seen = steady(&mut Pauses::new(None, 512), 1e5);
        let (received, pause) = seen.last().unwrap();
        assert_eq!((*received, *pause), (100, LONGEST));
        let seen = steady(&mut Pauses::new(None, 10), 5e4);
        assert!(seen.iter().rev().take(100).all(|(received, _)| (2..=5).contains(received)), "{:?}", seen.last());
    }

    #[test]
    fn a_pause_that_nearly_fills_the_queue_is_the_last_for_long() {
        let mut pauses = Pauses::new(None, 10);
        let now = Instant::now();
        assert_eq!(pauses.next(1, false, now), STEP);
        assert_eq!(pauses.next(8, false, now), Duration::ZERO);
        for _ in 0..RECEIVES_WITHOUT {
            assert_eq!(pauses.next(1, false, now), Duration::ZERO);
        }
        assert_eq!(pauses.next(1, false, now), STEP);
    }

    #[test]
    fn nothing_pauses_while_more_is_queued_or_after_silence() {
        let mut pauses = Pauses::new(None, 512);
        let now = Instant::now();
        assert_eq!(pauses.next(64, true, now), Duration::ZERO);
        assert_eq!(pauses.next(5, false, now), STEP, "69 of 512");
        assert_eq!(pauses.next(1, false, now), 2 * STEP);
        assert_eq!(pauses.next(0, false, now), Duration::ZERO);
        assert_eq!(pauses.next(1, false, now + Duration::from_millis(3)), STEP, "it begins again");
    }

    #[test]
    fn the_longest_pause_is_kept() {
        let at_most = |longest, capacity| steady(&mut Pauses::new(longest, capacity), 1e5).iter().map(|(_, pause)| *pause).max().unwrap();
        assert_eq!(at_most(Some(Duration::ZERO), 512), Duration::ZERO);
        assert_eq!(at_most(Some(Duration::from_micros(5)), 512), Duration::from_micros(5));
        assert_eq!(at_most(Some(Duration::from_micros(55)), 512), Duration::from_micros(55));
        assert_eq!(at_most(Some(Duration::from_secs(1)), 0), Duration::ZERO);
    }
}
