//! The thread on which the cycles of one target are made.
//!
//! They are all made on one thread, because memory that different threads allocate lies in different arenas of the allocator, and each
//! arena keeps what the requests of its own thread needed at most. Must not know what a cycle is.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::maker::Maker;
use super::target::Target;
use crate::time::Timestamp;

/// What the thread does with the maker.
type Work = fn(&mut Maker);

/// Jobs of the thread, each with the sender of the time of its cycle.
type Jobs = mpsc::Sender<(Work, oneshot::Sender<Option<Timestamp>>)>;

/// A maker on a thread of its own. Dropping it ends the thread after its current cycle.
pub(super) struct MakerThread {
    target: Arc<Target>,
    /// The time of the last cycle.
    last: Option<Timestamp>,
    /// `None` before the first cycle, and after one that failed.
    jobs: Option<Jobs>,
}

impl MakerThread {
    /// A maker whose first cycle is later than `last`.
    pub(super) fn new(target: &Arc<Target>, last: Option<Timestamp>) -> Self {
        Self { target: Arc::clone(target), last, jobs: None }
    }

    /// Makes a cycle. After one that failed, the next one begins with a new maker, which knows only the time of the last one.
    pub(super) async fn make(&mut self, work: Work) {
        match self.run(work).await {
            Ok(last) => self.last = last,
            Err(error) => {
                tracing::error!(target = &*self.target.options.name, error, "push: a cycle failed");
                self.jobs = None;
            }
        }
    }

    async fn run(&mut self, work: Work) -> Result<Option<Timestamp>, String> {
        let (done, made) = oneshot::channel();
        let jobs = match self.jobs.take() {
            Some(jobs) => jobs,
            None => start(Maker::new(&self.target, self.last))?,
        };
        // The thread has ended if it does not take the job; then there is no answer either.
        drop(jobs.send((work, done)));
        let last = made.await.map_err(|_| "the thread that makes cycles panicked".to_owned())?;
        self.jobs = Some(jobs);
        Ok(last)
    }
}

fn start(mut maker: Maker) -> Result<Jobs, String> {
    let (jobs, queue) = mpsc::channel::<(Work, oneshot::Sender<Option<Timestamp>>)>();
    let run = move || {
        for (work, done) in queue {
            work(&mut maker);
            // Without a receiver, the target has ended.
            done.send(maker.last()).unwrap_or_default();
        }
    };
    let started = thread::Builder::new().name("push".to_owned()).spawn(run);
    started.map(|_| jobs).map_err(|error| format!("cannot start a thread: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options;
    use crate::program::push::options::PushTarget;
    use crate::program::push::url::PushUrl;

    #[tokio::test]
    async fn a_cycle_that_panics_costs_one_cycle() {
        let target = Target::new(PushTarget::new(PushUrl::unused()), &Bridge::new(Options::default()));
        let mut thread = MakerThread::new(&target, None);
        thread.make(Maker::make).await;
        let first = thread.last;
        assert!(first.is_some() && target.report().queue_requests > 0);
        thread.make(|_| panic!("a test")).await;
        assert_eq!((thread.last, thread.jobs.is_none()), (first, true));
        thread.make(Maker::make_last).await;
        assert!(thread.last > first && thread.jobs.is_some());
    }
}
