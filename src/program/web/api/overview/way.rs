//! The way of a datagram: kernel, received, parsed, mapped, recorded, scraped, pushed; where something is lost, and what helps.

use serde_json::{Value, json};

use crate::program::history::{Measure, Past};

/// A stage: what passes it, and what is lost there.
struct Stage {
    name: &'static str,
    unit: &'static str,
    passed: &'static [Measure],
    lost: Option<Measure>,
    lost_unit: &'static str,
    /// What a loss means, and what ends it.
    sentence: &'static str,
    /// A command that ends it or shows more.
    command: &'static str,
}

const STAGES: [Stage; 7] = [
    Stage {
        name: "Kernel",
        unit: "datagrams",
        passed: &[Measure::Datagrams, Measure::KernelDrops],
        lost: Some(Measure::KernelDrops),
        lost_unit: "datagrams",
        sentence: "The receive buffer of the socket was full: datagrams arrived faster than they were read, or the process got no CPU. \
                   Raise the limit of the buffer, restart the bridge, and remove a CPU limit of the container.",
        command: "sysctl -w net.core.rmem_max=16777216",
    },
    Stage {
        name: "Received",
        unit: "datagrams",
        passed: &[Measure::Datagrams],
        lost: Some(Measure::ReceiveLosses),
        lost_unit: "datagrams or connections",
        sentence: "Datagrams were cut at --limits.datagram-bytes, receive calls failed, or connections were rejected or evicted. \
                   The log names a sender of each.",
        command: "statsd-bridge doctor",
    },
    Stage {
        name: "Parsed",
        unit: "lines",
        passed: &[Measure::Lines],
        lost: Some(Measure::Malformed),
        lost_unit: "lines or samples",
        sentence: "Lines are malformed. The view Rejected shows the last one of each reason with its sender.",
        command: "statsd-bridge explain 'LINE'",
    },
    Stage {
        name: "Mapped",
        unit: "samples",
        // Malformed samples are lost before. What is recorded, rejected and dropped by rules is the sum of the others.
        passed: &[Measure::Recorded, Measure::Rejected, Measure::DroppedByRule],
        lost: None,
        lost_unit: "samples",
        sentence: "",
        command: "",
    },
    Stage {
        name: "Recorded",
        unit: "samples",
        passed: &[Measure::Recorded],
        lost: Some(Measure::Rejected),
        lost_unit: "samples",
        sentence: "Well-formed samples are rejected: a type conflict, a limit, or a value that its type cannot have. \
                   The views Rejected and Cardinality name them.",
        command: "curl -s http://127.0.0.1:9102/api/v1/rejections",
    },
    Stage {
        name: "Scraped",
        unit: "scrapes",
        passed: &[Measure::Scrapes],
        lost: Some(Measure::FailedScrapes),
        lost_unit: "scrapes",
        sentence: "Scrapes were cut off or answered 503. Prometheus needs a longer scrape_timeout, or the bridge more --web.max-transfers.",
        command: "statsd-bridge doctor",
    },
    Stage {
        name: "Pushed",
        unit: "samples",
        passed: &[Measure::Pushed],
        lost: Some(Measure::PushLosses),
        lost_unit: "samples",
        sentence: "A push target rejected samples, or they became too old or too many in its queue. \
                   The view Push targets shows its last answer.",
        command: "curl http://127.0.0.1:9102/api/v1/push",
    },
];

/// All stages, with rates by second and sums since the start. Without push targets, the last one is left out.
pub(super) fn way(past: &Past, has_push: bool) -> Vec<Value> {
    let shown = if has_push { STAGES.len() } else { STAGES.len() - 1 };
    STAGES.iter().take(shown).map(|stage| stage.json(past)).collect()
}

impl Stage {
    fn json(&self, past: &Past) -> Value {
        let total = |measure: Measure| past.now().map_or(0.0, |now| now.of(measure));
        let rate = |measure: Measure| past.rate(|point| point.of(measure)).unwrap_or_default();
        let (lost_rate, lost_total) = self.lost.map_or((0.0, 0.0), |lost| (rate(lost), total(lost)));
        let dropped = (self.name == "Mapped").then(|| {
            let of = |measure| json!({ "rate": rate(measure), "total": total(measure) });
            json!({ "dropped_by_rule": of(Measure::DroppedByRule), "unmapped": of(Measure::Unmapped) })
        });
        json!({
            "stage": self.name.to_lowercase(),
            "title": self.name,
            "unit": self.unit,
            "rate": self.passed.iter().map(|measure| rate(*measure)).sum::<f64>(),
            "total": self.passed.iter().map(|measure| total(*measure)).sum::<f64>(),
            "lost_unit": self.lost_unit,
            "lost_rate": lost_rate,
            "lost_total": lost_total,
            "mapping": dropped,
            "advice": (lost_total > 0.0).then_some(self.sentence),
            "command": (lost_total > 0.0).then_some(self.command),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::mapping::Rules;
    use crate::options::Options;
    use crate::program::history::History;
    use crate::time::Timestamp;

    #[test]
    fn what_is_mapped_is_recorded_rejected_or_dropped() {
        let bridge = Bridge::of_program(Options::default());
        bridge.replace_rules(Rules::from_yaml("mappings:\n- match: noise.*\n  action: drop\n  name: noise\n").expect("rules"));
        let now = Timestamp::from_millis(1_700_000_000_000);
        bridge.worker().ingest(b"a:1|c\na:2|c\na:1|g\nnoise.b:1|c\nb:x|c\nbroken\n\nc:1:2|ms", now);
        let way = way(&History::default().until_now(&bridge, now), false);
        let of = |name: &str| way.iter().find(|stage| stage["stage"] == name).cloned().expect("a stage");
        let (parsed, mapped, recorded) = (of("parsed"), of("mapped"), of("recorded"));
        let dropped = &mapped["mapping"]["dropped_by_rule"]["total"];
        assert_eq!((&parsed["total"], &parsed["lost_total"], dropped), (&json!(7.0), &json!(2.0), &json!(1.0)));
        assert_eq!((&mapped["total"], &recorded["total"], &recorded["lost_total"]), (&json!(6.0), &json!(4.0), &json!(1.0)));
        assert!(recorded["command"].as_str().is_some_and(|command| command.ends_with("/api/v1/rejections")), "{recorded}");
    }
}
