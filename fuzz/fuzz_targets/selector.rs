//! Any text as a series selector is parsed, or rejected with a message of one line. A parsed selector can be printed and parsed
//! again with the same meaning.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::Selector;

fuzz_target!(|text: &str| {
    match Selector::parse(text) {
        Ok(selector) => {
            assert!(!selector.matches("", &[]), "it needs a name or a label");
            let written = selector.to_string();
            let again = Selector::parse(&written).expect("what was written can be read");
            assert_eq!(again.to_string(), written);
            for (name, value) in [("up", "a"), ("a", "b"), ("a_b:c", "\n")] {
                let labels = [("a", value.to_owned()), ("b_1", "1".to_owned())];
                assert_eq!(selector.matches(name, &labels), again.matches(name, &labels), "{written}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
