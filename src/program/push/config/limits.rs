//! Numbers, durations and names of the configuration, within their bounds. Flags and files share them.

use std::time::Duration;

use crate::name::NameValidation;
use crate::program::duration;

/// Parses the interval of cycles.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), Duration::from_secs(3600))
}

/// Parses the time limit of a request.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(600))
}

/// Parses the limit of a cycle's age.
pub(crate) fn queue_age(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600))
}

fn between(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    match (min..=max).contains(&time) {
        true => Ok(time),
        false => Err(format!("expected a duration from {min:?} to {max:?}")),
    }
}

/// The bounds of the samples of a request.
pub(crate) const BATCH_SAMPLES: (usize, usize) = (2, 100_000);

/// The bounds of the bytes of a queue.
pub(crate) const QUEUE_BYTES: (usize, usize) = (1 << 16, 1 << 32);

/// Checks a label of a target. Mimir and Cortex need `__replica__`; other names with two underscores are reserved.
pub(crate) fn label(name: &str, value: &str) -> Result<(), String> {
    const MAX_BYTES: usize = 1024;
    let mut legal = String::new();
    NameValidation::Legacy.push_label(name, &mut legal);
    if name.is_empty() || name != "__replica__" && legal != name {
        return Err(format!("{name:?} is not a valid label name: use letters, digits and _, no digit first, not le, quantile or __*"));
    }
    if value.is_empty() {
        return Err(format!("the label {name} has no value; remove it"));
    }
    if value.len() > MAX_BYTES {
        return Err(format!("the value of the label {name} has more than {MAX_BYTES} bytes"));
    }
    Ok(())
}
