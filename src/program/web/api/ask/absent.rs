//! Why a family has no series.

use serde_json::json;

use super::card::Card;
use super::present::Meant;
use super::question::Question;
use crate::arrivals::Verdict;
use crate::name::is_prometheus_name;
use crate::program::tools::advice;
use crate::program::wall_time::time_of;
use crate::program::web::api::series::seconds;
use crate::registry::{Family, FamilyKind};

impl Question<'_> {
    /// Why there is no family of this name, as far as is known. `raw` is the raw name; labels are those that the series would have, and
    /// whether they are all of them.
    pub(super) fn absent(&self, name: &str, raw: &str, labels: Option<(&str, bool)>) -> Option<Card> {
        let bridge = &self.live.bridge;
        let conflict = bridge.conflicts().into_iter().find(|conflict| *conflict.name == *name && conflict.reason.rejection().is_some());
        if let Some(conflict) = conflict {
            let kept = conflict.kept.as_ref();
            let by = kept.map(|kept| format!(" The {} {} was there before: {} from {}.", kept.kind, kept.name, kept.example, kept.source));
            let sentence = format!("Samples of {name} are {}.{}", conflict.reason.policy(), by.unwrap_or_default());
            let reason = conflict.reason.rejection().map_or("", |rejection| rejection.as_str());
            return Some(Card::new("conflict", sentence).advice(advice::of_reason(reason)));
        }
        let rejected = self.arrived.iter().filter(|known| *known.name == *raw).find_map(|known| match known.verdict {
            Verdict::Rejected(reason) => Some((known, reason)),
            _ => None,
        });
        if let Some((known, reason)) = rejected {
            let verdict = if reason.ends_with("_limit") { "limit" } else { "rejected" };
            let sentence = format!("Its samples are rejected: {reason}. The last one came from {}.", known.sources.1);
            return Some(Card::new(verdict, sentence).advice(advice::of_reason(reason)));
        }
        if self.has_expired(name, raw, labels)
            && let Some(card) = self.expired(name)
        {
            return Some(card);
        }
        let is_of_name =
            |input: &str| input.strip_prefix(raw).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.'));
        let bad = bridge.rejections().into_iter().find(|rejection| rejection.last.as_ref().is_some_and(|last| is_of_name(&last.input)));
        if let Some((reason, last)) = bad.and_then(|bad| Some((bad.reason, bad.last?))) {
            let sentence = format!("The last line of this name was rejected: {reason}. It was {} from {}.", last.input, last.source);
            return Some(Card::new("malformed", sentence).advice(advice::of_reason(&reason)));
        }
        if let (Some(gone), Some((labels, _))) = (bridge.registry().expired(name), labels) {
            let sentence = format!(
                "It never arrived: it would be {name}{{{labels}}}. {} series of {name} expired, none of them with these labels.",
                gone.series
            );
            return Some(Card::new("never", sentence).advice(self.how_to_send()));
        }
        let was_recorded =
            self.arrived.iter().any(|known| *known.name == *raw && matches!(known.verdict, Verdict::Recorded | Verdict::Folded));
        was_recorded.then(|| {
            let sentence = format!("It arrived, but {name} has no series now: they were deleted, or ended with a change of the rules.");
            Card::new("gone", sentence).advice("The next sample starts it again.")
        })
    }

    /// Whether the series that is asked about expired: one with its labels did, or its raw name arrived before.
    pub(super) fn has_expired(&self, name: &str, raw: &str, labels: Option<(&str, bool)>) -> bool {
        let bridge = &self.live.bridge;
        let Some((labels, is_whole)) = labels else { return bridge.registry().expired(name).is_some() };
        // The label of the origin depends on the sender.
        let is_whole = is_whole && bridge.options().origin_label.is_none();
        match bridge.registry().has_expired(name, labels) {
            Some(true) => true,
            Some(false) if is_whole => false,
            _ => bridge.registry().expired(name).is_some() && self.arrived.iter().any(|known| *known.name == *raw),
        }
    }

    /// Series of this family expired.
    pub(super) fn expired(&self, name: &str) -> Option<Card> {
        let gone = self.live.bridge.registry().expired(name)?;
        let (age, ttl) = (seconds(self.now, gone.last), gone.ttl_ms as f64 / 1000.0);
        let sentence = format!("Its series expired: no sample came for the ttl of {ttl} s. The last one expired {age:.0} s ago.");
        let advice = "Send it again, or give it a longer ttl by --ttl.* or the `ttl` of a rule.";
        let (_, time) = time_of(gone.last);
        let expired = json!({ "series": gone.series, "last": time, "age_seconds": age, "ttl_seconds": ttl, "labels": *gone.labels });
        Some(Card::new("expired", sentence).advice(advice).with("expired", expired))
    }

    /// A name of an exposition that no sample leads to.
    pub(super) fn written_by_others(&self, name: &str) -> Option<Card> {
        if self.live.bridge.owns_name(name) {
            let path = &self.live.telemetry_path;
            let sentence = format!("{name} is a name of the self-metrics: the bridge writes them itself, and no sample leads there.");
            let advice = format!("{path} shows those that there are, and docs/metrics.md lists all.");
            return Some(Card::new("arrives", sentence).advice(advice));
        }
        let is_known = self.arrived.iter().any(|known| *known.name == *name || *known.family == *name);
        (is_prometheus_name(name) && !is_known).then(|| {
            let sentence = format!("{name} is a name that Prometheus writes itself for each scrape. It is not in the bridge's exposition.");
            Card::new("no_sample", sentence).advice("Ask Prometheus for it.")
        })
    }

    /// A name that differs from that of a family in the suffix `_total`.
    pub(super) fn other_suffix(&self, name: &str) -> Option<Card> {
        let (other, has_total) = match name.strip_suffix("_total") {
            Some(bare) => (bare.to_owned(), true),
            None => (format!("{name}_total"), false),
        };
        let family = self.live.bridge.registry().family(&other)?;
        let kind = family.kind().as_str();
        let (sentence, advice) = if !has_total {
            (
                format!("The {kind} is named {other} here, with the suffix `_total`."),
                format!(
                    "Ask Prometheus for {other}. If the client does not send the suffix, --counters.total-suffix or `total_suffix` of a \
                     rule adds it."
                ),
            )
        } else if *family.kind() == FamilyKind::Counter {
            (
                format!("The counter is named {other} here, without the suffix `_total`."),
                format!(
                    "Ask Prometheus for {other}; or set --counters.total-suffix, or `total_suffix: true` in a rule, to add the suffix."
                ),
            )
        } else {
            (format!("{other} is a {kind} here; counters alone get the suffix `_total`."), format!("Ask Prometheus for {other}."))
        };
        Some(self.present(&family, Meant::All, &other).verdict("other_name", sentence).advice(advice))
    }

    /// What helps against samples of another type.
    pub(super) fn against_conflict(&self, kept: &Family) -> String {
        let kind = match kept.kind() {
            FamilyKind::Counter => "`|c`",
            FamilyKind::Gauge => "`|g`",
            FamilyKind::Set => "`|s`",
            FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => "`|ms`, `|h` or `|d`",
        };
        let of_rule = if kept.rule().is_empty() { "" } else { ", unless its rule makes it another type" };
        format!(
            "Send the type that was first, {} ({kind}{of_rule}); or give one of them another name by a rule.{}",
            kept.kind().as_str(),
            self.failed_reload()
        )
    }

    /// A line of another type than the family.
    pub(super) fn conflict(&self, name: &str, kind: &str, kept: &Family) -> Card {
        let (example, source) = kept.first();
        let is = kept.kind().as_str();
        let sentence =
            format!("{name} is a {is} already, so the bridge rejects it as a {kind}. The first sample was {example} from {source}.");
        Card::new("conflict", sentence).advice(self.against_conflict(kept)).family(kept, self)
    }

    /// Nothing is known of the name.
    pub(super) fn never(&self) -> Card {
        let all = self.live.bridge.accounting();
        let telemetry = self.live.bridge.telemetry();
        let datagrams = telemetry.sum("udp_packets_total").saturating_add(telemetry.sum("unixgram_packets_total"));
        let sentence = format!("It never arrived. Since the start, the bridge received {datagrams} datagrams and {} lines.", all.lines);
        Card::new("never", sentence).advice(self.how_to_send())
    }

    /// What to check where nothing of a name arrived.
    pub(super) fn how_to_send(&self) -> String {
        let listens = self.listens_on();
        match &self.live.sample_command {
            Some(command) => {
                // The shell opens these paths itself; no file has them.
                let shell = if command.contains("/dev/") { " of Bash" } else { "" };
                format!(
                    "Check host and port of the client.{listens} This command{shell} sends a sample to the bridge: `{command}`. \
                     `statsd-bridge doctor` sends probes and says why any do not arrive."
                )
            }
            None => {
                format!("Check the address of the client.{listens} `statsd-bridge doctor` sends probes and says why any do not arrive.")
            }
        }
    }

    /// The addresses of all transports, as the flags state them.
    fn listens_on(&self) -> String {
        let transports = [
            ("statsd.listen-udp", "UDP"),
            ("statsd.listen-tcp", "TCP"),
            ("statsd.listen-unixgram", "unixgram"),
            ("statsd.listen-unix", "unix"),
        ];
        let flags = &self.live.configuration.flags;
        let of = |(flag, shown): (&str, &str)| {
            let value = &flags.iter().find(|value| value.flag == flag)?.value;
            // The kernel chooses port 0.
            let is_stated = !value.is_empty() && !value.ends_with(":0");
            is_stated.then(|| format!("{shown} {value}"))
        };
        let all: Vec<String> = transports.into_iter().filter_map(of).collect();
        if all.is_empty() { String::new() } else { format!(" The bridge listens on {}.", all.join(", ")) }
    }
}
