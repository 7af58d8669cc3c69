//! `/api/v1/configuration`: the flags in force with default and origin, and the files that are reloaded with the end of the last reload.
//! Without secrets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::listing::ListRules;
use super::live::Live;
use super::reply::{ApiData, ApiError, time_of};
use crate::program::configuration::Configuration;
use crate::program::flag_values::FlagValue;
use crate::program::load_record::{FileError, LastLoad, LoadRecord};

/// There are fewer flags than that.
const RULES: ListRules = ListRules { sorts: &["changed", "name"], limit: (1_000, 1_000), more: &["show"] };

/// The flags that the query asks for, those that were given first.
pub(super) fn configuration(live: &Live, query: Option<&str>) -> Result<ApiData, ApiError> {
    let (listing, parameters) = RULES.read(query)?;
    let only_changed = match parameters.last("show").unwrap_or_default() {
        "" | "all" => false,
        "changed" => true,
        other => return Err(ApiError::bad_data(format!("invalid parameter \"show\": {other:?} is none of all, changed"))),
    };
    let all = &live.configuration;
    let is_meant = |value: &&FlagValue| {
        let texts = [&value.flag, &value.heading, &value.help, &value.value, &value.default];
        (!only_changed || value.is_changed()) && listing.matches(texts)
    };
    let mut flags: Vec<&FlagValue> = all.flags.iter().filter(is_meant).collect();
    match listing.sort {
        "name" => flags.sort_by(|a, b| a.flag.cmp(&b.flag)),
        // The order of the help stays within both parts.
        _ => flags.sort_by_key(|value| !value.is_changed()),
    }
    let watch = (!all.watch_interval.is_zero()).then(|| all.watch_interval.as_secs_f64());
    let files = &all.files;
    // The other files are checked every second.
    let files =
        [("rules", &files.rules, watch), ("web", &files.web, Some(1.0)), ("push", &files.push, Some(1.0)), ("tls", &files.tls, Some(1.0))];
    Ok(ApiData::new(json!({
        "flags": flags.iter().take(listing.limit).map(|value| flag(value)).collect::<Vec<_>>(),
        "list": listing.state(flags.len()),
        "show": if only_changed { "changed" } else { "all" },
        "changed": all.flags.iter().filter(|value| value.is_changed()).count(),
        "all": all.flags.len(),
        "without_effect": all.without_effect,
        "unknown_variables": all.unknown_variables,
        "files": files.into_iter().filter_map(|(name, record, watch)| Some(file(name, record.as_ref()?, watch))).collect::<Vec<_>>(),
    })))
}

fn flag(value: &FlagValue) -> Value {
    json!({
        "flag": value.flag,
        "heading": value.heading,
        "help": value.help,
        "value": value.value,
        "default": value.default,
        "origin": value.origin.as_str(),
        "set_by": value.set_by(),
        "changed": value.is_changed(),
        "note": value.note,
    })
}

fn file(name: &str, record: &Arc<LoadRecord>, watch_seconds: Option<f64>) -> Value {
    let loaded = record.get();
    let time = loaded.at.map(time_of);
    let paths = loaded.files.iter().map(|file| json!({ "path": file.path.display().to_string(), "rules": file.rules }));
    json!({
        "name": name,
        "files": paths.collect::<Vec<_>>(),
        "rules": loaded.files.iter().filter_map(|file| file.rules).reduce(|a, b| a + b),
        "hash": loaded.hash,
        "loaded": time.as_ref().and_then(|(_, text)| text.clone()),
        "loaded_ms": time.as_ref().map(|(millis, _)| millis),
        "watch_seconds": watch_seconds,
        "reloads": { "succeeded": loaded.reloads.0, "failed": loaded.reloads.1 },
        "last_reload": loaded.last.as_ref().map(last),
    })
}

/// The files whose last reload failed, each with its first error. What was in force before stays in force.
pub(super) fn failed_reloads(configuration: &Configuration) -> Vec<Value> {
    let files = &configuration.files;
    let all = [("rules", &files.rules), ("web", &files.web), ("push", &files.push), ("tls", &files.tls)];
    let failed = |(name, record): (&str, &Option<Arc<LoadRecord>>)| {
        let last = record.as_ref()?.get().last.filter(|last| last.error_count > 0)?;
        let (millis, text) = time_of(last.at);
        let first = last.errors.first().map(error);
        Some(json!({ "name": name, "time": text, "time_ms": millis, "error": first, "error_count": last.error_count }))
    };
    all.into_iter().filter_map(failed).collect()
}

fn last(last: &LastLoad) -> Value {
    let (millis, text) = time_of(last.at);
    json!({
        "time": text,
        "time_ms": millis,
        "cause": last.cause.as_str(),
        "succeeded": last.error_count == 0,
        "errors": last.errors.iter().map(error).collect::<Vec<_>>(),
        "error_count": last.error_count,
    })
}

fn error(error: &FileError) -> Value {
    let place = |number: u32| (number > 0).then_some(number);
    json!({ "file": error.file, "line": place(error.line), "column": place(error.column), "text": error.text })
}
