//! Months of a bridge in seconds: random senders, expiry, reloads, restarts and deletions, run on the core and on a small model. If
//! they differ, the test prints the seed and the shortest script of steps that shows the difference.
//!
//! `STATSD_BRIDGE_SIMULATION_STEPS` sets the number of steps, `STATSD_BRIDGE_SIMULATION_SEED` the first seed.

mod model;
mod real;
pub mod script;
mod shrink;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use statsd_bridge::options::{Buckets, Limits, Observer, Overflow, Ttl};
use statsd_bridge::{Options, Timestamp};

use self::model::Model;
use self::real::Real;
use self::script::{Numbers, Step, script};
use crate::harness::number_of;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const WORKERS: usize = 3;
/// Steps of one script: enough for series to start, expire and return, and few enough to shorten the script.
const SCRIPT: usize = 2_000;
const STEPS_DEFAULT: u64 = 200_000;

const COUNTER_TTL_MS: u64 = 120_000;
const GAUGE_TTL_MS: u64 = 60_000;
const RULED_TTL_MS: u64 = 90_000;
const GRACE_MS: u64 = 300_000;
const CLASSIC: [f64; 3] = [0.5, 5.0, 10.0];
const SMALL: [f64; 2] = [0.01, 1.0];

/// The sets of rules. The model implements them by number.
const RULES: [&str; 4] = [
    "",
    r#"mappings:
- {match: "svc.*.hits", name: svc_hits, labels: {service: "$1"}, ttl: 90s}
- {match: "debug.*", name: debug, action: drop}
"#,
    r#"mappings:
- {match: "svc.*.hits", name: svc_hits, labels: {service: "$1"}}
- {match: "h.*", name: "h_$1", observer_type: histogram, histogram_options: {buckets: [0.01, 1]}}
"#,
    r#"mappings:
- {match: "h.*", name: "h_$1", observer_type: summary}
"#,
];

/// The settings of a run.
#[derive(Clone, Copy)]
struct Setting {
    expires: bool,
    grace_ms: u64,
    /// The overflow policy, if families are so small that series are folded.
    folds: Option<Overflow>,
}

impl Setting {
    /// With an odd seed, series expire. With every other odd seed, they also have a grace period.
    fn without_limits(seed: u64) -> Self {
        Self { expires: seed % 2 == 1, grace_ms: if seed % 4 == 1 { GRACE_MS } else { 0 }, folds: None }
    }

    fn with_limits(seed: u64) -> Self {
        let overflow = if seed % 2 == 1 { Overflow::Fold } else { Overflow::DropLabel };
        Self { expires: false, grace_ms: 0, folds: Some(overflow) }
    }

    /// Whether a step has the same effect on both. Only the model keeps the identity of folded samples, so expiry and deletion can
    /// differ.
    fn has(self, step: &Step) -> bool {
        self.folds.is_none() || !matches!(step, Step::Delete { who: Some(_), .. } | Step::Expire { .. } | Step::Rules(1))
    }

    fn limits(self) -> Limits {
        let limits = Limits::default();
        self.folds.map_or(limits, |overflow| {
            limits.with(|limits| {
                limits.overflow = overflow;
                limits.series_per_family = 4;
                limits.values_per_label = 3;
                limits.labels_per_family = 1;
            })
        })
    }

    fn options(self) -> Options {
        let ttl = Ttl { counter_ms: Some(COUNTER_TTL_MS), gauge_ms: Some(GAUGE_TTL_MS), observer_ms: Some(COUNTER_TTL_MS), set_ms: None };
        Options::default().with(|options| {
            options.ttl = if self.expires { ttl } else { Ttl::default() };
            options.grace_ms = self.grace_ms;
            options.limits = self.limits();
            options.observer = Observer::histogram(Buckets::new(CLASSIC).expect("ascending"));
            options.without_process_metrics = true;
        })
    }
}

/// Runs a script on the core and on the model.
///
/// # Errors
///
/// The differences between the exposition and the model.
fn play(setting: Setting, steps: &[Step]) -> Result<(), String> {
    let mut model = Model::new(START.as_millis(), setting.expires, setting.grace_ms);
    let mut real = Real::new(setting.options(), &RULES, WORKERS, START);
    for step in steps.iter().filter(|step| setting.has(step)) {
        model.take(step);
        real.take(step);
        if *step == Step::Compare {
            if setting.folds.is_some() { compare_sums(&model, &mut real)? } else { compare(&model, &mut real)? }
        }
    }
    Ok(())
}

fn compare(model: &Model, real: &mut Real) -> Result<(), String> {
    let (is, counts) = (real.lines(), real.counts()?);
    if counts != model.counts {
        return Err(format!("samples are {counts:?}, and should be {:?}", model.counts));
    }
    differences(&is, &model.lines()).map_or(Ok(()), Err)
}

/// Compares the sums over the series of each family, which folding does not change.
fn compare_sums(model: &Model, real: &mut Real) -> Result<(), String> {
    real.counts()?;
    let levels = model.levels();
    let sums = |lines: BTreeMap<String, f64>| {
        let mut sums = BTreeMap::new();
        for (line, value) in lines {
            let name = line.split('{').next().unwrap_or_default();
            let bound = line.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            if !levels.contains(name) {
                *sums.entry(format!("the sum of {name} {bound}")).or_default() += value;
            }
        }
        sums
    };
    differences(&sums(real.lines()), &sums(model.lines())).map_or(Ok(()), Err)
}

fn differences(is: &BTreeMap<String, f64>, should: &BTreeMap<String, f64>) -> Option<String> {
    let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
    let wrong = should.iter().filter(|(line, value)| !is.get(*line).is_some_and(|is| is_near(*is, **value)));
    let mut all: Vec<_> = wrong.map(|(line, value)| format!("{line} is {:?}, and should be {value}", is.get(line))).collect();
    all.extend(
        is.iter().filter(|(line, _)| !should.contains_key(*line)).map(|(line, value)| format!("{line} is {value}, and should not be")),
    );
    (!all.is_empty()).then(|| all.join("\n"))
}

/// Like [`play`], with panics as errors.
fn play_caught(setting: Setting, steps: &[Step]) -> Result<(), String> {
    let panic = |payload: Box<dyn std::any::Any + Send>| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    };
    catch_unwind(AssertUnwindSafe(|| play(setting, steps))).unwrap_or_else(|payload| Err(format!("a panic: {}", panic(payload))))
}

/// Runs the scripts of consecutive seeds up to `end`, or until one fails.
fn play_seeds(setting_of: fn(u64) -> Setting, next: &AtomicU64, end: u64) -> Result<(), String> {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(());
        }
        let (setting, steps) = (setting_of(seed), script(&mut Numbers(seed), WORKERS, RULES.len(), SCRIPT));
        if play_caught(setting, &steps).is_err() {
            next.store(end, Ordering::Relaxed);
            let (steps, error) = shrink::shortest(steps, &|steps| play_caught(setting, steps).err());
            let steps: Vec<_> = steps.iter().map(Step::to_string).collect();
            return Err(format!("STATSD_BRIDGE_SIMULATION_SEED={seed} shows, in {} steps:\n{}\n\n{error}", steps.len(), steps.join("\n")));
        }
    }
}

/// Runs a part of all steps on all cores.
fn play_part(setting_of: fn(u64) -> Setting, (part, of): (u64, u64)) {
    let begin = number_of("STATSD_BRIDGE_SIMULATION_SEED").unwrap_or(0);
    let scripts = (number_of("STATSD_BRIDGE_SIMULATION_STEPS").unwrap_or(STEPS_DEFAULT) * part / of).div_ceil(SCRIPT as u64);
    let (next, end) = (AtomicU64::new(begin), begin + scripts);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(|| play_seeds(setting_of, &next, end))).collect();
        players.into_iter().filter_map(|player| player.join().expect("a player catches panics").err()).next()
    });
    assert!(failed.is_none(), "{}", failed.unwrap_or_default());
}

#[apply(test)]
fn the_core_is_what_the_model_says() {
    play_part(Setting::without_limits, (3, 4));
}

#[apply(test)]
fn what_limits_fold_adds_up_to_what_the_model_says() {
    play_part(Setting::with_limits, (1, 4));
}

#[apply(test)]
fn a_difference_is_shown_by_the_shortest_script() {
    // Fails if a line of `c.1` comes before a crash. All other steps can be removed.
    let steps = script(&mut Numbers(7), WORKERS, RULES.len(), 5 * SCRIPT);
    let is_c1 = |step: &Step| matches!(step, Step::Send { sent, .. } if sent.name == "c.1");
    let is_crash = |step: &Step| matches!(step, Step::Restart { orderly: false });
    let fails = |steps: &[Step]| {
        let first = steps.iter().position(is_c1)?;
        steps[first..].iter().any(is_crash).then(|| "lost".to_owned())
    };
    assert!(fails(&steps).is_some());
    let (shortest, error) = shrink::shortest(steps, &fails);
    assert_eq!((shortest.len(), is_c1(&shortest[0]), is_crash(&shortest[1]), &*error), (2, true, true, "lost"));
}
