//! All open connections, how many there may be, and which of them is evicted for a new one. Knows no requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::program::web::activity::{Activity, CutReason};
use crate::telemetry::Telemetry;

/// Time that a connection has to say what it wants before it may be evicted. Without it, connections that come at once evict each
/// other before anybody has read what they sent. With a longer time, a flood takes longer to pass.
const MIN_LIFETIME: Duration = Duration::from_millis(20);

/// How often to look again while an evicted connection is on its way out.
const RECHECK: Duration = Duration::from_millis(50);

/// The open connections of all listeners.
pub(in crate::program::web) struct OpenConnections {
    /// Connections that may still be opened.
    free: Arc<Semaphore>,
    #[cfg(test)]
    max: usize,
    activities: Mutex<Vec<Arc<Activity>>>,
}

/// When to look again for room: there will be some by then, or somebody else may be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RoomBy(Instant);

impl OpenConnections {
    /// None yet; `max` at the same time.
    pub(in crate::program::web) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(max)),
            #[cfg(test)]
            max,
            activities: Mutex::default(),
        }
    }

    /// A slot for a new connection. Where all are taken, evicts an idle connection and waits for its end, so that there are never
    /// more than allowed; none if no connection can be evicted.
    pub(super) async fn admit(self: &Arc<Self>, telemetry: &Arc<Telemetry>) -> Option<ConnectionSlot> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            let room = self.evict(Instant::now())?;
            tokio::select! {
                permit = Arc::clone(&self.free).acquire_owned() => break permit.ok()?,
                // By then its first moment may be over, or another connection may have become idle.
                () = sleep_until(room.0) => {}
            }
        };
        let activity = Activity::new();
        self.insert(&activity);
        telemetry.scrape.connections.increment(1.0);
        Some(ConnectionSlot { open: Arc::clone(self), activity, telemetry: Arc::clone(telemetry), _permit: permit })
    }

    fn insert(&self, activity: &Arc<Activity>) {
        self.activities().push(Arc::clone(activity));
    }

    fn remove(&self, activity: &Arc<Activity>) {
        self.activities().retain(|other| !Arc::ptr_eq(other, activity));
    }

    /// Evicts the connection that has been idle longest, unless it has just come. `None` if all are being served.
    fn evict(&self, now: Instant) -> Option<RoomBy> {
        let activities = self.activities();
        let idlest = activities.iter().filter_map(|activity| Some((activity.idle_since()?, activity))).min_by_key(|(since, _)| *since);
        match idlest {
            Some((since, _)) if now.saturating_duration_since(since) < MIN_LIFETIME => Some(RoomBy(since + MIN_LIFETIME)),
            Some((_, activity)) => {
                activity.cut(CutReason::Evicted);
                Some(RoomBy(now + RECHECK))
            }
            // A connection that is cut already will leave room.
            None => activities.iter().any(|activity| activity.cut_reason().is_some()).then_some(RoomBy(now + RECHECK)),
        }
    }

    fn activities(&self) -> MutexGuard<'_, Vec<Arc<Activity>>> {
        self.activities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open now.
    #[cfg(test)]
    pub(in crate::program::web) fn count(&self) -> usize {
        self.max.saturating_sub(self.free.available_permits())
    }
}

/// The room of one open connection; given back when dropped.
pub(super) struct ConnectionSlot {
    open: Arc<OpenConnections>,
    pub(super) activity: Arc<Activity>,
    telemetry: Arc<Telemetry>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.open.remove(&self.activity);
        self.telemetry.scrape.connections.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_goes_first_and_those_being_served_never() {
        let open = OpenConnections::new(3);
        let all = [(); 3].map(|()| Activity::new());
        all.iter().for_each(|activity| open.insert(activity));
        let cuts = || all.each_ref().map(|activity| activity.cut_reason());
        all[0].request_began();
        assert!(open.evict(all[1].idle_since().expect("idle")).is_some());
        assert_eq!(cuts(), [None; 3], "they have just come");
        let now = Instant::now() + MIN_LIFETIME;
        assert!(open.evict(now).is_some());
        assert_eq!(cuts(), [None, Some(CutReason::Evicted), None]);
        assert!(open.evict(now).is_some());
        assert_eq!(cuts(), [None, Some(CutReason::Evicted), Some(CutReason::Evicted)]);
        assert!(open.evict(now).is_some(), "those who were cut are about to go");
        all[1..].iter().for_each(|activity| open.remove(activity));
        assert_eq!(open.evict(now), None, "the one that is left is being served");
        open.remove(&all[0]);
        assert!(open.activities().is_empty());
    }
}
