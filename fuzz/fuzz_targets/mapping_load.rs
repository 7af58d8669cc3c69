//! Any text as a mapping file gives a configuration, or findings with positions, never a panic or a hang. A configuration compiles,
//! or gives a reason.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::load;
use statsd_bridge::mapping::{MappingText, Rules};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fuzz_target!(|text: &str| {
    let source = MappingText { name: Arc::from("rules.yml"), text: text.to_owned() };
    let (config, findings) = load(std::slice::from_ref(&source), &|name| (name.len() % 2 == 0).then(|| name.to_owned()));
    assert_eq!(config.is_none(), findings.iter().any(|finding| finding.is_error), "refused exactly for an error");
    for finding in &findings {
        assert!(finding.position.line > 0 && finding.position.column > 0, "{finding}");
        let _ = source.excerpt(&finding.position);
    }
    let Some(config) = config else { return };
    let tests = config.tests.clone();
    let Ok(rules) = Rules::compile(config) else { return };
    let bridge = Bridge::new(Options::default());
    bridge.replace_rules(rules);
    let mut worker = bridge.worker();
    for line in tests.iter().flat_map(|test| &test.lines) {
        worker.ingest(line.as_bytes(), NOW);
    }
    worker.ingest(b"a.b.c:1|c|#k:v\na.b:2|ms\nc:3|g\nd.e:x|s", NOW);
    assert!(bridge.accounting().adds_up());
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
});
