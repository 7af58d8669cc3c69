//! Patterns and words.

use super::*;

#[test]
fn patterns() {
    let matches = |pattern: &str, text: &str| TextPattern::new(pattern).is_none_or(|pattern| pattern.matches(text.as_bytes()));
    for (pattern, text) in
        [("", "x"), ("b", "abc"), ("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*c", "ac"), ("a*b*c", "a.b.c"), ("**", "x"), ("*b*", "abc")]
    {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("d", "abc"), ("b*", "abc"), ("*b", "abc"), ("ab*bc", "abc"), ("a*b*b", "ab"), ("*x*", "abc")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_budget_is_refilled_with_time_and_saves_little() {
    let mut budget = TapBudget::default();
    let at = |millis: u64| crate::time::Timestamp::from_millis(1_000_000 + millis);
    assert!(budget.is_spent());
    budget.refill(at(0));
    let mut names = 0;
    while !budget.is_spent() {
        budget.spend(TapWork::Name, 1_000);
        names += 1_000;
    }
    assert_eq!(names, 100_000);
    budget.refill(at(1));
    budget.spend(TapWork::Judge, 24);
    assert!(!budget.is_spent());
    budget.spend(TapWork::Judge, 1);
    assert!(budget.is_spent());
    // A clock that goes back gives nothing, and nothing twice.
    budget.refill(at(0));
    budget.refill(at(1));
    assert!(budget.is_spent());
}

#[test]
fn words_of_verdicts() {
    let rejected = || vec![("conflict", 1)];
    let word = |verdict: Verdict| verdict.as_str();
    assert_eq!(word(Verdict::default()), "empty");
    assert_eq!(word(Verdict { recorded: 1, ..Verdict::default() }), "recorded");
    assert_eq!(word(Verdict { recorded: 1, dropped: 1, ..Verdict::default() }), "partly_recorded");
    assert_eq!(word(Verdict { recorded: 1, rejected: rejected(), ..Verdict::default() }), "partly_recorded");
    assert_eq!(word(Verdict { rejected: rejected(), is_event: true, ..Verdict::default() }), "rejected");
    assert_eq!(word(Verdict { is_service_check: true, ..Verdict::default() }), "service_check");
    assert_eq!(word(Verdict { is_event: true, ..Verdict::default() }), "event");
}
