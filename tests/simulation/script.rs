//! A script of steps, generated from a seed. A script can be printed.

use std::fmt;

/// A line to send: `name:value|kind|@rate|#tags`, or a line without a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    pub name: &'static str,
    pub kind: &'static str,
    /// The sign before the value, or an empty text.
    pub sign: &'static str,
    /// The first value. A packed line continues with the next numbers.
    pub value: u32,
    pub packed: u32,
    pub rate: f64,
    /// The tag `who`, if there is one.
    pub who: Option<&'static str>,
}

impl Sent {
    /// The values in the line.
    pub fn values(&self) -> impl Iterator<Item = u32> + use<> {
        self.value..self.value + self.packed
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.values().try_for_each(|value| write!(f, ":{}{value}", self.sign))?;
        write!(f, "|{}", self.kind)?;
        if self.rate < 1.0 {
            write!(f, "|@{}", self.rate)?;
        }
        self.who.map_or(Ok(()), |who| write!(f, "|#who:{who}"))
    }
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A worker receives a line.
    Send { worker: usize, sent: Sent },
    /// Time passes.
    Wait { millis: u64 },
    /// Expiry runs, and every worker passes. With a line, a worker receives the line between the mark and the removal.
    Expire { between: Option<(usize, Sent)> },
    /// The rules with this number replace the current rules.
    Rules(usize),
    /// The state is written, the bridge ends, and a new bridge restores the state: after an orderly end, or after a crash.
    Restart { orderly: bool },
    /// All series of a name, or all with a value of the tag `who`, are deleted.
    Delete { name: Option<&'static str>, who: Option<&'static str> },
    /// The exposition is compared with the model.
    Compare,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { worker, sent } => write!(f, "worker {worker} receives  {sent}"),
            Self::Wait { millis } => write!(f, "{millis} ms pass"),
            Self::Expire { between: None } => f.write_str("expiry"),
            Self::Expire { between: Some((worker, sent)) } => write!(f, "expiry; between mark and end worker {worker} receives  {sent}"),
            Self::Rules(number) => write!(f, "rules {number} are in force"),
            Self::Restart { orderly } => f.write_str(if *orderly { "an orderly restart" } else { "a crash and a restart" }),
            Self::Delete { name, who } => write!(f, "delete name={name:?} who={who:?}"),
            Self::Compare => f.write_str("compare"),
        }
    }
}

/// Names, each with its usual kind. Some conflict on purpose: after escaping, by the names of their lines, or by a rule.
const NAMES: [(&str, &str); 16] = [
    ("c.0", "c"),
    ("c_0", "c"),
    ("c.1", "c"),
    ("req_total", "c"),
    ("g.0", "g"),
    ("g.1", "g"),
    ("s.0", "s"),
    ("h.0", "h"),
    ("h.1", "ms"),
    ("h.2", "d"),
    ("h_0_count", "c"),
    ("svc.web.hits", "c"),
    ("svc.api.hits", "c"),
    ("svc.api.time", "h"),
    ("debug.x", "c"),
    ("svc_hits", "c"),
];

const KINDS: [&str; 6] = ["c", "g", "s", "h", "ms", "d"];
const WHO: [&str; 6] = ["ann", "bob", "c\"d", "e\\f", "grün", "j k"];
const RATES: [f64; 4] = [1.0, 1.0, 0.5, 0.1];

/// Numbers from a seed (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

fn sent(numbers: &mut Numbers) -> Sent {
    let (name, usual) = numbers.one_of(&NAMES);
    let kind = if numbers.chance(40) { numbers.one_of(&KINDS) } else { usual };
    let sign = match kind {
        "g" if numbers.chance(2) => numbers.one_of(&["-", "+"]),
        "c" if numbers.chance(50) => "-",
        _ => "",
    };
    let packed = if kind != "s" && numbers.chance(8) { 1 + numbers.below(4) as u32 } else { 1 };
    let who = (!numbers.chance(5)).then(|| numbers.one_of(&WHO));
    Sent { name, kind, sign, value: numbers.below(20) as u32, packed, rate: numbers.one_of(&RATES), who }
}

/// A script with this number of steps.
pub fn script(numbers: &mut Numbers, workers: usize, rules: usize, steps: usize) -> Vec<Step> {
    let mut all: Vec<_> = (1..steps).map(|_| step(numbers, workers as u64, rules as u64)).collect();
    all.push(Step::Compare);
    all
}

fn step(numbers: &mut Numbers, workers: u64, rules: u64) -> Step {
    match numbers.below(1000) {
        0..=14 => Step::Wait { millis: numbers.one_of(&[1, 999, 10_000, 59_999, 60_000, 61_000, 120_000, 3_600_000]) },
        15..=26 => Step::Expire { between: numbers.chance(3).then(|| (numbers.below(workers) as usize, sent(numbers))) },
        27 => Step::Rules(numbers.below(rules) as usize),
        28 if numbers.chance(2) => Step::Restart { orderly: numbers.chance(2) },
        30 => {
            let name = numbers.chance(2).then(|| numbers.one_of(&["c_0", "h_0", "svc_hits", "g_1", "s_0"]));
            Step::Delete { name, who: if name.is_none() || numbers.chance(2) { Some(numbers.one_of(&WHO)) } else { None } }
        }
        31 => Step::Compare,
        _ => Step::Send { worker: numbers.below(workers) as usize, sent: sent(numbers) },
    }
}
