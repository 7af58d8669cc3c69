//! Why a family has no series.

use serde_json::json;

use super::card::Card;
use super::question::Question;
use crate::arrivals::Verdict;
use crate::program::tools::advice;
use crate::program::wall_time::time_of;
use crate::program::web::api::series::seconds;
use crate::registry::Family;

impl Question<'_> {
    /// Why there is no family of this name, as far as is known. `raw` is the raw name.
    pub(super) fn absent(&self, name: &str, raw: &str) -> Option<Card> {
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
        if let Some(gone) = bridge.registry().expired(name) {
            let age = seconds(self.now, gone.last);
            let sentence = format!("Its series expired: no sample came for the ttl. The last one expired {age:.0} s ago.");
            let card = Card::new("expired", sentence).advice("Send it again, or give it a longer ttl by --ttl.* or the `ttl` of a rule.");
            let (_, time) = time_of(gone.last);
            return Some(card.with("expired", json!({ "series": gone.series, "last": time, "age_seconds": age, "labels": *gone.labels })));
        }
        let is_of_name =
            |input: &str| input.strip_prefix(raw).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.'));
        let bad = bridge.rejections().into_iter().find(|rejection| rejection.last.as_ref().is_some_and(|last| is_of_name(&last.input)));
        if let Some((reason, last)) = bad.and_then(|bad| Some((bad.reason, bad.last?))) {
            let sentence = format!("The last line of this name was rejected: {reason}. It was {} from {}.", last.input, last.source);
            return Some(Card::new("malformed", sentence).advice(advice::of_reason(&reason)));
        }
        let was_recorded =
            self.arrived.iter().any(|known| *known.name == *raw && matches!(known.verdict, Verdict::Recorded | Verdict::Folded));
        was_recorded.then(|| {
            let sentence = format!("It arrived, but {name} has no series now: they were deleted, or ended with a change of the rules.");
            Card::new("gone", sentence).advice("The next sample starts it again.")
        })
    }

    /// A line of another type than the family.
    pub(super) fn conflict(&self, name: &str, kind: &str, kept: &Family) -> Card {
        let (example, source) = kept.first();
        let is = kept.kind().as_str();
        let sentence =
            format!("{name} is a {is} already, so the bridge rejects it as a {kind}. The first sample was {example} from {source}.");
        Card::new("conflict", sentence).advice(advice::of_reason("conflict")).family(kept, self)
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
        match &self.live.sample_command {
            Some(command) => format!(
                "Check host and port of the client. This command sends a sample to the bridge: `{command}`. \
                 `statsd-bridge doctor` sends probes and says why any do not arrive."
            ),
            None => "Check the address of the client. `statsd-bridge doctor` sends probes and says why any do not arrive.".to_owned(),
        }
    }
}
