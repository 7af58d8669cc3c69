//! The reader's verdicts on the specification's cases and on additional cases.

use serde_json::Value;

use super::Page;
use crate::peers;

#[apply(test)]
fn the_reader_agrees_with_all_verdicts_of_the_specification() {
    let corpus = peers::shared_corpus("openmetrics_parsers.json");
    let cases = corpus["cases"].as_array().expect("a list");
    assert_eq!(cases.len(), 211);
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let text = |key: &str| case[key].as_str().expect("text");
            let read = Page::parse(text("exposition"));
            let is_wrong = read.is_ok() != (case["should_parse"] == Value::Bool(true));
            is_wrong.then(|| format!("{}: {:?} {:?}", text("name"), text("exposition"), read.err()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of them: {wrong:#?}", wrong.len());
}

#[apply(test)]
fn what_the_verdicts_leave_open_is_refused() {
    for (text, what) in [
        ("# TYPE a gauge\na 1\na 1\n# EOF\n", "twice"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1.5\n# EOF\n", "not whole"),
        ("# TYPE a_sum gauge\na_sum 1\n# TYPE a summary\na_sum 1\n# EOF\n", "clashing"),
        ("a{__b=\"\"} 1\n# EOF\n", "bad label name"),
    ] {
        let error = Page::parse(text).expect_err(text);
        assert!(error.contains(what), "{text}: {error}");
    }
    let page = Page::parse("# TYPE a summary\na{quantile=\"1\"} 1\n# EOF\n").expect("a good page");
    assert!(page.check_canonical().is_err());
}

#[apply(test)]
fn names_in_quotes_are_read() {
    let page = Page::parse("# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"x\",e=\"\"} 1.0\n# EOF\n").expect("a good page");
    assert_eq!(page.family("a.b").map(|family| family.kind().to_owned()), Some("gauge".to_owned()));
    assert_eq!(page.value("a.b", &[("e", ""), ("c.d", "x")]), Some(1.0));
}
