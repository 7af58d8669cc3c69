//! All open connections, and which of them goes for a new one where there is no room. Knows no requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pulse::{Cut, Pulse};

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Vec<Arc<Pulse>>>);

/// A connection's entry, taken out when dropped.
pub(super) struct Listed<'a> {
    crowd: &'a Crowd,
    pulse: Arc<Pulse>,
}

impl Crowd {
    /// Knows of a connection from now on.
    pub(super) fn list(&self, pulse: &Arc<Pulse>) -> Listed<'_> {
        self.all().push(Arc::clone(pulse));
        Listed { crowd: self, pulse: Arc::clone(pulse) }
    }

    /// Cuts the connection that has taken up room for the longest without being served. False if there is none.
    pub(super) fn cut_idlest(&self) -> bool {
        let all = self.all();
        let idlest = all.iter().filter_map(|pulse| Some((pulse.idle_since()?, pulse))).min_by_key(|(since, _)| *since);
        idlest.map(|(_, pulse)| pulse.end(Cut::Crowded)).is_some()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.crowd.all().retain(|pulse| !Arc::ptr_eq(pulse, &self.pulse));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_goes_first_and_those_being_served_never() {
        let crowd = Crowd::default();
        let pulses = [(); 3].map(|()| Pulse::new());
        let listed = pulses.each_ref().map(|pulse| crowd.list(pulse));
        pulses[0].asked();
        assert!(crowd.cut_idlest());
        assert_eq!(pulses.each_ref().map(|pulse| pulse.cut()), [None, Some(Cut::Crowded), None]);
        assert!(crowd.cut_idlest());
        assert_eq!(pulses[2].cut(), Some(Cut::Crowded));
        assert!(!crowd.cut_idlest(), "one is being served, the others are cut already");
        drop(listed);
        assert!(crowd.all().is_empty());
    }
}
