//! Requests to reload the mapping files, and their outcomes. Must not know the source of a request, nor what is reloaded.

use std::sync::Arc;

use tokio::sync::watch;

use crate::program::load_record::LoadCause;

/// The outcome of a reload. The error has the errors of the mapping files, one per line.
pub(super) type ReloadOutcome = Result<(), Arc<str>>;

/// Numbered requests. All requests from before a reload share its outcome, so that only numbers are stored.
pub(super) struct ReloadRequests {
    /// The number of the latest request, and its cause.
    asked: watch::Sender<(u64, LoadCause)>,
    answered: watch::Sender<(u64, ReloadOutcome)>,
}

impl Default for ReloadRequests {
    fn default() -> Self {
        Self { asked: watch::Sender::default(), answered: watch::Sender::new((0, Ok(()))) }
    }
}

impl ReloadRequests {
    /// Requests a reload. Returns the number of the request.
    pub(super) fn ask(&self, cause: LoadCause) -> u64 {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked = (asked.0.saturating_add(1), cause);
            number = asked.0;
        });
        number
    }

    /// Waits for the outcome of a request.
    pub(super) async fn outcome(&self, request: u64) -> ReloadOutcome {
        let mut answers = self.answered.subscribe();
        match answers.wait_for(|(answered, _)| *answered >= request).await {
            Ok(answer) => answer.1.clone(),
            Err(_) => {
                debug_assert!(false, "self has the sender");
                Err("the reload has no outcome".into())
            }
        }
    }

    /// Waits for a request with a number above `answered`. Returns the number of the latest request, and its cause.
    pub(super) async fn asked_beyond(&self, answered: u64) -> (u64, LoadCause) {
        let mut requests = self.asked.subscribe();
        let latest = requests.wait_for(|asked| asked.0 > answered).await.map(|latest| *latest);
        if let Ok(latest) = latest {
            return latest;
        }
        debug_assert!(false, "self has the sender");
        std::future::pending().await
    }

    /// Publishes the outcome of all requests up to this number.
    pub(super) fn answer(&self, request: u64, outcome: ReloadOutcome) {
        drop(self.answered.send_replace((request, outcome)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_before_a_reload_share_its_outcome_and_later_ones_wait() {
        let requests = Arc::new(ReloadRequests::default());
        let (first, second) = (requests.ask(LoadCause::Signal), requests.ask(LoadCause::Api));
        assert_eq!(requests.asked_beyond(0).await, (second, LoadCause::Api));
        requests.answer(second, Err("a mistake".into()));
        assert_eq!(requests.outcome(first).await, Err("a mistake".into()));
        let third = requests.ask(LoadCause::Signal);
        let waiting = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.outcome(third).await }
        });
        assert_eq!(requests.asked_beyond(second).await, (third, LoadCause::Signal));
        requests.answer(third, Ok(()));
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
