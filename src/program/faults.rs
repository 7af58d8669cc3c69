//! Limits the log messages of repeated errors: the first error is logged, then one message a minute. Must not know what failed.

use std::time::{Duration, Instant};

/// Interval between two messages.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// One kind of error at one socket.
#[derive(Default)]
pub(in crate::program) struct Faults {
    last_logged: Option<Instant>,
    unlogged: u64,
}

impl Faults {
    /// Counts an error. If it is time for a message, calls `log` with the number of errors since the last message.
    pub(in crate::program) fn warn(&mut self, log: impl FnOnce(u64)) {
        self.unlogged += 1;
        if self.last_logged.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            log(std::mem::take(&mut self.unlogged));
            self.last_logged = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_logged_and_later_messages_have_the_number_of_errors() {
        let (mut faults, mut logged) = (Faults::default(), Vec::new());
        (0..3).for_each(|_| faults.warn(|times| logged.push(times)));
        faults.last_logged = Instant::now().checked_sub(LOG_INTERVAL);
        faults.warn(|times| logged.push(times));
        assert_eq!(logged, [1, 3]);
    }
}
