//! All open connections, and which of them goes for a new one where there is no room. Knows no requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::program::web::activity::{Cut, Pulse};

/// What a connection has at least to say what it wants, before it may go for another one. Without it, those who come at once push
/// each other out before anybody has read what they sent. Longer, and a flood takes longer to pass.
const FIRST_MOMENT: Duration = Duration::from_millis(20);

/// How often one looks again while the one that goes is on its way out.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// The connections that are open.
#[derive(Debug, Default)]
pub(in crate::program::web) struct Crowd(Mutex<Vec<Arc<Pulse>>>);

/// There will be room, at the latest about then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) struct Going(Instant);

impl Crowd {
    /// Knows of a connection from now on.
    pub(in crate::program::web) fn list(&self, pulse: &Arc<Pulse>) {
        self.all().push(Arc::clone(pulse));
    }

    /// Knows of it no longer.
    pub(in crate::program::web) fn forget(&self, pulse: &Arc<Pulse>) {
        self.all().retain(|other| !Arc::ptr_eq(other, pulse));
    }

    /// Cuts the connection that has taken up room for the longest without being served, unless it has just come. `None` if all are
    /// being served.
    pub(in crate::program::web) fn make_room(&self) -> Option<Going> {
        self.make_room_at(Instant::now())
    }

    fn make_room_at(&self, now: Instant) -> Option<Going> {
        let all = self.all();
        let idlest = all.iter().filter_map(|pulse| Some((pulse.idle_since()?, pulse))).min_by_key(|(since, _)| *since);
        match idlest {
            Some((since, _)) if now.saturating_duration_since(since) < FIRST_MOMENT => Some(Going(since + FIRST_MOMENT)),
            Some((_, pulse)) => {
                pulse.end(Cut::Crowded);
                Some(Going(now + LOOK_AROUND))
            }
            // One that is cut already gives its place to somebody.
            None => all.iter().any(|pulse| pulse.cut().is_some()).then_some(Going(now + LOOK_AROUND)),
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    /// Ends then.
    pub(in crate::program::web) async fn by(self) {
        sleep_until(self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_goes_first_and_those_being_served_never() {
        let crowd = Crowd::default();
        let pulses = [(); 3].map(|()| Pulse::new());
        pulses.iter().for_each(|pulse| crowd.list(pulse));
        let cuts = || pulses.each_ref().map(|pulse| pulse.cut());
        pulses[0].asked();
        assert!(crowd.make_room_at(pulses[1].idle_since().expect("idle")).is_some());
        assert_eq!(cuts(), [None; 3], "they have just come");
        let now = Instant::now() + FIRST_MOMENT;
        assert!(crowd.make_room_at(now).is_some());
        assert_eq!(cuts(), [None, Some(Cut::Crowded), None]);
        assert!(crowd.make_room_at(now).is_some());
        assert_eq!(cuts(), [None, Some(Cut::Crowded), Some(Cut::Crowded)]);
        assert!(crowd.make_room_at(now).is_some(), "those who were cut are about to go");
        pulses[1..].iter().for_each(|pulse| crowd.forget(pulse));
        assert_eq!(crowd.make_room_at(now), None, "the one that is left is being served");
        crowd.forget(&pulses[0]);
        assert!(crowd.all().is_empty());
    }
}
