//! Requests to read the mapping files again, and what became of each. Must not know who asks, nor what is read.

use std::sync::Arc;

use tokio::sync::watch;

/// What became of a reload; the mistakes, a line each, if the files are not in force.
pub(super) type ReloadOutcome = Result<(), Arc<str>>;

/// Requests by number. Those that came before a reload began have its outcome together, so that none is kept by itself.
pub(super) struct ReloadRequests {
    asked: watch::Sender<u64>,
    answered: watch::Sender<(u64, ReloadOutcome)>,
}

impl Default for ReloadRequests {
    fn default() -> Self {
        Self { asked: watch::Sender::new(0), answered: watch::Sender::new((0, Ok(()))) }
    }
}

impl ReloadRequests {
    /// Asks for a reload; returns the number of the request.
    pub(super) fn ask(&self) -> u64 {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked = asked.saturating_add(1);
            number = *asked;
        });
        number
    }

    /// Waits for the reload that answers this request.
    pub(super) async fn outcome(&self, request: u64) -> ReloadOutcome {
        let mut answers = self.answered.subscribe();
        // An error would mean that the sender is gone, and it is borrowed here.
        let answer = answers.wait_for(|(answered, _)| *answered >= request).await;
        answer.map_or(Ok(()), |answer| answer.1.clone())
    }

    /// Waits for a request with a number above `answered`; returns the number of the latest.
    pub(super) async fn asked_beyond(&self, answered: u64) -> u64 {
        let mut requests = self.asked.subscribe();
        let latest = requests.wait_for(|asked| *asked > answered).await;
        latest.map_or(answered, |latest| *latest)
    }

    /// Tells those who asked, up to this number, what became of the reload.
    pub(super) fn answer(&self, request: u64, outcome: ReloadOutcome) {
        drop(self.answered.send_replace((request, outcome)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asked_before_has_the_outcome_and_whoever_asks_later_waits() {
        let requests = Arc::new(ReloadRequests::default());
        let (first, second) = (requests.ask(), requests.ask());
        assert_eq!(requests.asked_beyond(0).await, second);
        requests.answer(second, Err("a mistake".into()));
        assert_eq!(requests.outcome(first).await, Err("a mistake".into()));
        let third = requests.ask();
        let waiting = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.outcome(third).await }
        });
        assert_eq!(requests.asked_beyond(second).await, third);
        requests.answer(third, Ok(()));
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
