//! The recorded counts, and the comparison with them. Knows neither cases nor how they are counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Compiler and processor of the counts. If they are equal, counts are comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeBy {
    /// Output of `rustc --version`.
    pub(crate) rustc: String,
    /// Architecture, and the widest vectors that the code can use.
    pub(crate) processor: String,
}

/// Instructions per line, by case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) made_by: MadeBy,
    pub(crate) cases: BTreeMap<String, f64>,
}

impl Baseline {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The missing part of the file.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let all: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let word = |key: &str| all.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no {key:?}"));
        let made_by = MadeBy { rustc: word("rustc")?, processor: word("processor")? };
        let cases = all.get("instructions_per_line").and_then(Value::as_object).ok_or("no \"instructions_per_line\"")?;
        let count = |(name, count): (&String, &Value)| match count.as_f64() {
            Some(count) if count > 0.0 => Ok((name.clone(), count)),
            _ => Err(format!("{name}: {count} is no count")),
        };
        Ok(Self { made_by, cases: cases.iter().map(count).collect::<Result<_, _>>()? })
    }

    /// The text of a file, counts rounded to a tenth.
    pub(crate) fn write(&self) -> String {
        let cases: serde_json::Map<_, _> =
            self.cases.iter().map(|(name, count)| (name.clone(), ((count * 10.0).round() / 10.0).into())).collect();
        let all = json!({ "rustc": self.made_by.rustc, "processor": self.made_by.processor, "instructions_per_line": cases });
        format!("{all:#}\n")
    }

    /// Change of a case, in percent of the recorded count; `None` if there is none.
    pub(crate) fn change(&self, name: &str, count: f64) -> Option<f64> {
        self.cases.get(name).map(|recorded| (count / recorded - 1.0) * 100.0)
    }

    /// The faults of these counts, one sentence each: cases more than `percent` above the recorded count, cases without a recorded
    /// count, and recorded counts without a case.
    pub(crate) fn objections(&self, counts: &BTreeMap<String, f64>, percent: f64) -> Vec<String> {
        let of_count = |(name, count): (&String, &f64)| match self.change(name, *count) {
            Some(change) if change > percent => {
                Some(format!("{name}: {count:.1} instructions a line, {change:+.1} %, where {percent} % are allowed"))
            }
            Some(_) => None,
            None => Some(format!("{name}: not recorded")),
        };
        let gone = self.cases.keys().filter(|name| !counts.contains_key(*name)).map(|name| format!("{name}: recorded, but no case"));
        counts.iter().filter_map(of_count).chain(gone).collect()
    }
}
