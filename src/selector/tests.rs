//! Accepted and rejected selectors, and properties of any text.

use proptest::prelude::*;

use super::grammar::MAX_MATCHERS;
use super::*;

fn labels(text: &str) -> Vec<(&str, String)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, value.to_owned())).collect()
}

#[test]
fn selectors_mean_what_they_mean_in_prometheus() {
    for (selector, series, wanted) in [
        ("up", ("up", ""), true),
        ("up", ("upper", ""), false),
        (" up { } ", ("up", "a=b"), true),
        ("up{a=\"b\"}", ("up", "a=b,c=d"), true),
        ("up{a='b',}", ("up", "a=c"), false),
        ("up{a=`b`}", ("up", ""), false),
        ("up{a=\"\"}", ("up", "c=d"), true),
        ("up{a=\"\"}", ("up", "a="), true),
        ("up{a!=\"\"}", ("up", "c=d"), false),
        ("up{a!=\"b\"}", ("up", ""), true),
        ("up{a!=\"b\"}", ("up", "a=b"), false),
        ("{a=~\"b.*\"}", ("up", "a=bcd"), true),
        ("{a=~\"b\"}", ("up", "a=bcd"), false),
        ("{a=~\"b|bcd\"}", ("up", "a=bcd"), true),
        ("{a=~\".+\",c!~\"d|\"}", ("up", "a=b"), false),
        ("{a=~\".+\",c!~\"d|\"}", ("up", "a=b,c=e"), true),
        ("{a=~\"x.y\"}", ("up", "a=x\ny"), true),
        ("{a=~\"(?i)B\"}", ("up", "a=b"), true),
        ("{a=~\"\\\\d+\"}", ("up", "a=12"), true),
        ("{a=~`\\d+`}", ("up", "a=1٣"), false),
        ("{__name__=~\"u.\"}", ("up", ""), true),
        ("{__name__=\"up\",a=\"b\"}", ("up", "a=b"), true),
        ("{__name__!=\"up\",a=\"b\"}", ("up", "a=b"), false),
        ("{\"up\"}", ("up", ""), true),
        ("{\"up\", \"a\"='b'}", ("up", "a=b"), true),
        ("{\"my.name\"}", ("my.name", ""), true),
        ("{\"my.name\"}", ("my_name", ""), false),
        ("{\"my.name\", \"l.x\"=\"v\", y!=\"z\"}", ("my.name", "l.x=v"), true),
        ("{\"my.name\", \"l.x\"=\"v\"}", ("my.name", "l_x=v"), false),
        ("{\"a\\\"\\n\\\\\"}", ("a\"\n\\", ""), true),
        ("job:rate:5m", ("job:rate:5m", ""), true),
        (r#"{a="\"\\\n\x41\102é\u00e9\U0001F600"}"#, ("up", "a=\"\\\nABéé\u{1f600}"), true),
        (r#"{a='\'"'}"#, ("up", "a='\""), true),
        (r#"{a="\xc3\xa9"}"#, ("up", "a=é"), true),
        ("{a=`\\n\"'`}", ("up", "a=\\n\"'"), true),
        ("{a=\"b\",a!=\"c\"}", ("up", "a=b"), true),
    ] {
        let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
        assert_eq!(parsed.matches(series.0, &labels(series.1)), wanted, "{selector} on {series:?}");
        let again = Selector::parse(&parsed.to_string()).unwrap_or_else(|error| panic!("{parsed}: {error}"));
        assert_eq!(again.matches(series.0, &labels(series.1)), wanted, "{again}, which was {selector}");
    }
}

#[test]
fn errors_have_a_place_and_a_correction() {
    for (selector, expected) in [
        ("", "At character 1: A selector begins with a name or with {"),
        ("{}", "at least one matcher that does not match the empty string"),
        ("{a=\"\"}", "at least one matcher that does not match the empty string"),
        ("{a=~\".*\",b!=\"c\",d!~\"e\"}", "at least one matcher that does not match the empty string"),
        ("1up", "At character 1: A selector begins"),
        ("up{a=b}", "At character 6: The value of the label a must be in quotes."),
        ("up{a==\"b\"}", "At character 6: Write = instead of ==."),
        ("up{a}", "At character 5: One of = != =~ !~ is missing after the label a."),
        ("up{a>\"b\"}", "At character 5: One of"),
        ("up{a=\"b\"", "At character 9: A comma or } is missing here."),
        ("up{a=\"b\" c=\"d\"}", "At character 10: A comma or } is missing here."),
        ("up{,}", "At character 4: A label name is missing here."),
        ("up{a.b=\"c\"}", "At character 5: One of"),
        ("up{\"\"=\"c\"}", "At character 4: A label name must not be empty."),
        ("up{a=\"b}", "At character 6: The text that begins here has no closing \"."),
        ("up{a=\"b\nc\"}", "At character 8: A text in quotes must end on its line"),
        ("up{a=\"\\d\"}", "At character 7: This escape is unknown"),
        ("up{a=\"\\'\"}", "This escape is unknown"),
        ("up{a=\"\\400\"}", "This escape is unknown"),
        ("up{a=\"\\ud800\"}", "This escape is unknown"),
        ("up{a=\"\\xff\"}", "At character 6: This text is not UTF-8"),
        ("up{a=~\"(\"}", "The regular expression \"(\" of the label a cannot be used. It is not a valid regular expression"),
        ("up{a=~\"b)|(c\"}", "cannot be used"),
        ("up{a=~\"(?=b)\"}", "cannot be used"),
        ("up{a=~\"(.{1000}){1000}\"}", "It is too big"),
        ("up{__name__=\"down\"}", "The name must not be set twice: \"up\" or \"down\""),
        ("up{\"down\"}", "The name must not be set twice: \"up\" or \"down\""),
        ("{\"up\",\"down\"}", "The name must not be set twice"),
        ("up[5m]", "At character 3: A series selector has no range"),
        ("up{a=\"é\"} or down", "At character 11: Nothing may follow a selector"),
        ("up-time", "At character 3: Nothing may follow"),
    ] {
        let error = Selector::parse(selector).map(|parsed| parsed.to_string()).expect_err(selector).to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{selector}: {error}");
    }
    let many = format!("{{{}}}", "a=\"b\",".repeat(MAX_MATCHERS + 1));
    assert!(Selector::parse(&many).expect_err("too many").to_string().contains("at most 10 matchers"));
    assert!(Selector::parse(&"a".repeat(MAX_BYTES + 1)).expect_err("too long").to_string().contains("at most 8192 bytes"));
}

#[test]
fn a_name_that_needs_quotes_is_written_in_the_braces() {
    for (text, written) in [
        ("{__name__=\"my.name\"}", "{\"my.name\"}"),
        ("{\"l.x\"=\"v\",\"my.name\"}", "{\"my.name\",\"l.x\"=\"v\"}"),
        ("{\"up\",a=\"b\"}", "up{a=\"b\"}"),
        ("{__name__=~\"my.*\"}", "{__name__=~\"my.*\"}"),
    ] {
        assert_eq!(Selector::parse(text).expect("good").to_string(), written);
    }
}

#[test]
fn names_are_those_stated_with_equals() {
    let names = |text: &str| Selector::parse(text).expect("good").names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names("up{a=\"b\"}"), ["up"]);
    assert_eq!(names("{a=\"b\",__name__=\"up\"}"), ["up"]);
    assert_eq!(names("{__name__=~\"up\"}"), [""; 0]);
}

/// Texts that resemble selectors. They reach more code than random texts.
fn likely() -> impl Strategy<Value = String> {
    let piece =
        "(up|a|b_1|__name__|:x|1|\\{|\\}|,|=|!=|=~|!~|\"\"|\"v\"|'w'|`z`|\"a\\\\nb\"|\"\\\\x41\"|\".*\"|\".+\"|\"\\(\"| |\\[|é|\"é\"|\\\\)";
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn holds_for(text: &str) {
    let Ok(selector) = Selector::parse(text) else { return };
    assert!(!selector.matches("", &[]), "{selector} must not mean a series without a name and labels");
    let again = Selector::parse(&selector.to_string()).unwrap_or_else(|error| panic!("{text:?} as {selector}: {error}"));
    let parts = |selector: &Selector| -> Vec<_> {
        selector.matchers.iter().map(|matcher| (matcher.label.clone(), matcher.operator(), matcher.value.clone())).collect()
    };
    assert_eq!(parts(&again), parts(&selector));
    assert_eq!(again.to_string(), selector.to_string());
}

fn quoted(text: &str) -> String {
    struct Quoted<'a>(&'a str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_quoted(self.0, f)
        }
    }
    Quoted(text).to_string()
}

proptest! {
    #[test]
    fn no_text_panics_and_a_formatted_selector_parses_again(text in ".*", likely in likely()) {
        holds_for(&text);
        holds_for(&likely);
    }

    #[test]
    fn any_value_is_formatted_and_parsed_again(name in "[a-z:_][a-z0-9:_]{0,5}", label in "\\PC{1,5}", value in any::<String>()) {
        prop_assume!(!value.is_empty());
        let selector = Selector::parse(&format!("{name}{{{}={}}}", quoted(&label), quoted(&value)));
        let selector = selector.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(selector.matches(&name, &[(&label, value.clone())]));
        prop_assert!(!selector.matches(&name, &[(&label, value + "x")]));
        holds_for(&selector.to_string());
    }
}
