//! Errors of a system call that may go on for hours: logged at first and then once a minute. Must not know what failed.

use std::time::{Duration, Instant};

/// From one message to the next.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// One kind of error at one socket.
#[derive(Default)]
pub(in crate::program) struct Faults {
    said: Option<Instant>,
    since: u64,
}

impl Faults {
    /// Counts an error; calls `say` with how many there were since the last time, if it is time.
    pub(in crate::program) fn warn(&mut self, say: impl FnOnce(u64)) {
        self.since += 1;
        if self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            say(std::mem::take(&mut self.since));
            self.said = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_at_first_and_then_with_how_many_there_were() {
        let (mut faults, mut said) = (Faults::default(), Vec::new());
        (0..3).for_each(|_| faults.warn(|times| said.push(times)));
        faults.said = Instant::now().checked_sub(SAY_EVERY);
        faults.warn(|times| said.push(times));
        assert_eq!(said, [1, 3]);
    }
}
