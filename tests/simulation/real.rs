//! Runs the same script on the real core.

use std::collections::BTreeMap;

use statsd_bridge::internals::format::{read_frames, read_header};
use statsd_bridge::mapping::Rules;
use statsd_bridge::{Bridge, Options, Timestamp, Worker};

use super::model::Counts;
use super::script::{Sent, Step};

pub struct Real {
    options: Options,
    rules: &'static [&'static str],
    in_force: usize,
    bridge: Bridge,
    workers: Vec<Worker>,
    now: Timestamp,
    page: Vec<u8>,
}

/// The rules of a mapping file.
fn compiled(text: &str) -> Rules {
    Rules::from_yaml(text).unwrap_or_else(|error| panic!("{error}"))
}

impl Real {
    pub fn new(options: Options, rules: &'static [&'static str], workers: usize, now: Timestamp) -> Self {
        let bridge = Bridge::new(options.clone());
        let workers = (0..workers).map(|_| bridge.worker()).collect();
        Self { options, rules, in_force: 0, bridge, workers, now, page: Vec::new() }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Send { worker, sent } => self.send(*worker, sent),
            Step::Wait { millis } => self.now = Timestamp::from_millis(self.now.as_millis() + millis),
            Step::Expire { between } => {
                self.bridge.expire(self.now);
                between.iter().for_each(|(worker, sent)| self.send(*worker, sent));
                self.workers.iter_mut().for_each(Worker::tick);
                self.bridge.expire(self.now);
                self.workers.iter_mut().for_each(Worker::tick);
                self.bridge.expire(self.now);
            }
            Step::Rules(number) => {
                self.in_force = *number;
                self.bridge.replace_rules(compiled(self.rules[*number]));
            }
            Step::Restart { orderly } => self.restart(*orderly),
            Step::Delete { name, who } => {
                let has_who = |labels: &[(&str, String)], who| labels.iter().any(|(label, value)| *label == "who" && value == who);
                let wanted =
                    |of: &str, labels: &[(&str, String)]| name.is_none_or(|name| name == of) && who.is_none_or(|who| has_who(labels, who));
                self.bridge.delete_series(&wanted, false);
            }
            Step::Compare => {}
        }
    }

    fn send(&mut self, worker: usize, sent: &Sent) {
        self.workers[worker].ingest(sent.to_string().as_bytes(), self.now);
    }

    fn restart(&mut self, orderly: bool) {
        self.workers.iter_mut().for_each(Worker::tick);
        let mut state = Vec::new();
        self.bridge.write_state(self.now, &mut state).expect("memory takes all");
        let workers = self.workers.len();
        self.workers.clear();
        self.bridge = Bridge::new(self.options.clone());
        self.bridge.replace_rules(compiled(self.rules[self.in_force]));
        let mut input = &state[..];
        read_header(&mut input).expect("what was written is read");
        let restore = |family| {
            if orderly {
                self.bridge.restore(family, self.now)
            } else {
                self.bridge.restore_levels(family, self.now)
            };
        };
        read_frames(&mut input, restore).expect("what was written is read");
        self.workers = (0..workers).map(|_| self.bridge.worker()).collect();
    }

    /// The outcomes of samples since the start.
    ///
    /// # Errors
    ///
    /// If the sums do not agree.
    pub fn counts(&mut self) -> Result<Counts, String> {
        self.workers.iter_mut().for_each(Worker::tick);
        let all = self.bridge.accounting();
        if !all.adds_up() {
            return Err(format!("the sums do not agree: {all:?}"));
        }
        Ok(Counts { recorded: all.recorded, rejected: all.samples_rejected, dropped: all.dropped })
    }

    /// Each line of the exposition with its value, except self-metrics and quantiles.
    pub fn lines(&mut self) -> BTreeMap<String, f64> {
        self.page.clear();
        self.bridge.render(self.now, &mut self.page);
        let text = std::str::from_utf8(&self.page).expect("an exposition is UTF-8");
        let own = |line: &str| line.starts_with("statsd_bridge_") || line.contains("quantile=\"");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !own(line));
        let line = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (series.to_owned(), value.parse().expect("a number"))
        };
        lines.map(line).collect()
    }
}
