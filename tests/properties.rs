//! Properties of any input: nothing panics, sums add up, the exposition is valid, and order does not matter where it should not.

use proptest::prelude::*;
use statsd_bridge::name::{Escaping, is_legacy_label, is_legacy_name};
use statsd_bridge::options::{Limits, NameValidation, Observer, SummaryOptions, TagKey};
use statsd_bridge::{Bridge, Format, Options, Timestamp};

use crate::page::Page;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Lines that are almost valid. They find more faults than random bytes.
fn likely_line() -> impl Strategy<Value = String> {
    let name = "(a|b\\.c|é|le|foo|foo_count|foo_sum|process_cpu_seconds_total|statsd_bridge_x|x\\[k=v\\]y|x,k=v|x#k=v|a\\]b\\[|_e\\{1,1\\}|_sc\\|n|){1}";
    let value = "(1|-1|\\+2|0\\.5|1e308|1e400|nan|x|1:2:3|bob|)";
    let kind = "(c|g|ms|h|d|s|x|)";
    let field = "(@0\\.1|@0\\.3|@2|@|#k:v|#k:\"\\\\,l:w|#le:1,quantile:2,__name__:z|#bare|#,|c:id|T1|e:x|card:low|zz|)";
    (name, value, kind, prop::collection::vec(field, 0..4), "(\r|)").prop_map(|(name, value, kind, fields, end)| {
        let fields: String = fields.iter().map(|field| format!("|{field}")).collect();
        format!("{name}:{value}|{kind}{fields}{end}")
    })
}

fn page_of(bridge: &Bridge) -> Page {
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    let text = String::from_utf8(page).expect("a page is UTF-8");
    Page::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn ingest(options: Options, datagrams: &[Vec<u8>]) -> Bridge {
    let bridge = Bridge::new(options);
    let mut worker = bridge.worker();
    worker.ingest_batch(datagrams.iter().map(Vec::as_slice), NOW);
    bridge
}

fn small_limits() -> Limits {
    Limits::default().with(|limits| {
        limits.series = 8;
        limits.families = 6;
        limits.series_per_family = 3;
        limits.values_per_label = 2;
        limits.labels_per_family = 3;
        limits.line_bytes = 60;
        limits.name_bytes = 24;
        limits.tags_bytes = 30;
        limits.tags = 2;
    })
}

/// The user's families, without self-metrics.
fn user_families(page: &Page) -> Vec<crate::page::Family> {
    page.families.iter().filter(|f| !f.name.starts_with("statsd_bridge_") && !f.name.starts_with("process_")).cloned().collect()
}

proptest! {
    #[apply(test)]
    fn any_bytes_add_up_and_give_a_page(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        let bridge = ingest(Options::default(), &datagrams);
        prop_assert!(bridge.accounting().adds_up());
        page_of(&bridge);
    }

    #[apply(test)]
    fn likely_lines_add_up_and_give_a_page(
        lines in prop::collection::vec(likely_line(), 1..60),
        summaries in any::<bool>(),
        limited in any::<bool>(),
    ) {
        let observer = if summaries { Observer::Summary(SummaryOptions::default()) } else { Observer::default() };
        let limits = if limited { small_limits() } else { Limits::default() };
        let bridge = ingest(Options::default().with(|options| { options.observer = observer; options.limits = limits; }), &[lines.join("\n").into_bytes()]);
        let accounting = bridge.accounting();
        prop_assert!(accounting.adds_up(), "{:?}", accounting);
        prop_assert_eq!(accounting.lines, lines.len() as u64);
        let page = page_of(&bridge);
        crate::harness::accounts(&page).map_err(TestCaseError::fail)?;
    }

    #[apply(test)]
    fn the_order_of_counter_lines_and_the_workers_they_meet_do_not_matter(
        samples in prop::collection::vec((0..4u8, 0..3u8, 1..100u32), 1..200),
        seed in any::<u64>(),
    ) {
        let line = |&(name, tag, value): &(u8, u8, u32)| format!("n{name}:{value}|c|#t:{tag}").into_bytes();
        let in_order: Vec<_> = samples.iter().map(line).collect();
        let one = ingest(Options::default(), &in_order);

        let mut shuffled = samples.clone();
        shuffled.sort_by_key(|sample| (u64::from(sample.2) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let many = Bridge::new(Options::default());
        let mut workers = [many.worker(), many.worker(), many.worker()];
        for (number, sample) in shuffled.iter().enumerate() {
            workers[number % 3].ingest(&line(sample), NOW);
        }
        prop_assert_eq!(user_families(&page_of(&one)), user_families(&page_of(&many)));
    }

    #[apply(test)]
    fn packed_values_are_as_good_as_lines(values in prop::collection::vec(0..1000u32, 1..40), kind in "(c|ms|h|d)") {
        let texts: Vec<_> = values.iter().map(u32::to_string).collect();
        let packed = format!("p:{}|{kind}|@0.5|#k:v", texts.join(":")).into_bytes();
        let single: Vec<_> = texts.iter().map(|value| format!("p:{value}|{kind}|@0.5|#k:v").into_bytes()).collect();
        prop_assert_eq!(
            user_families(&page_of(&ingest(Options::default(), &[packed]))),
            user_families(&page_of(&ingest(Options::default(), &single)))
        );
    }

    #[apply(test)]
    fn whatever_the_limits_fold_the_totals_stay_right(
        samples in prop::collection::vec((0..3u8, 0..6u8, 0..4u8, 1..100u32), 1..200),
        series_per_family in 1..6usize,
        values_per_label in 1..6usize,
    ) {
        let limits = Limits::default().with(|limits| { limits.series_per_family = series_per_family; limits.values_per_label = values_per_label; });
        let lines: Vec<_> =
            samples.iter().map(|(name, a, b, value)| format!("n{name}:{value}|c|#a:{a},b:{b}\nt{name}:{value}|h|#a:{a},b:{b}").into_bytes()).collect();
        let page = page_of(&ingest(Options::default().with(|options| options.limits = limits), &lines));
        for name in 0..3u8 {
            let of_name = || samples.iter().filter(|sample| sample.0 == name);
            let total: f64 = of_name().map(|sample| f64::from(sample.3)).sum();
            prop_assert_eq!(page.sum(&format!("n{name}")), total);
            prop_assert_eq!(page.sum(&format!("t{name}_sum")), total);
            prop_assert_eq!(page.sum(&format!("t{name}_count")), of_name().count() as f64);
            let series = page.family(&format!("n{name}")).map_or(0, |family| family.lines.len());
            prop_assert!(series <= series_per_family + 16 + 1, "{series} series: own ones, those without a label, the overflow series");
        }
    }
}

#[apply(test)]
fn two_pages_in_a_row_have_the_same_order() {
    let lines: Vec<u8> = (0..500).map(|i| format!("m{}:1|c|#t:{}\n", i * 7 % 50, i * 13 % 97)).collect::<String>().into_bytes();
    let bridge = ingest(Options::default(), &[lines]);
    let names = |page: &Page| page.lines().map(|line| line.series.clone()).collect::<Vec<_>>();
    let (first, second) = (page_of(&bridge), page_of(&bridge));
    assert_eq!(names(&first), names(&second));
}

/// Lines with names and tags that need escaping. Some become equal when they are escaped.
fn line_of_any_name() -> impl Strategy<Value = String> {
    let word = "(a|b|é|0|le|\"|\\\\|=|x y|日|U__a_2e_b|a_dot_b|_sum|_count|_bucket|statsd|bridge|process|open_fds)";
    let name = prop::collection::vec(prop_oneof![word, "[._ -]"], 1..4).prop_map(|words| words.concat());
    let tag = (name.clone(), "[a-c\",=]{0,2}").prop_map(|(key, value)| format!("{key}:{value}"));
    (name, "(c|g|ms|s)", prop::collection::vec(tag, 0..3)).prop_map(|(name, kind, tags)| format!("{name}:1|{kind}|#{}", tags.join(",")))
}

proptest! {
    #[apply(test)]
    fn a_trace_changes_no_series(
        samples in prop::collection::vec((0..3u8, 0..2u8, "(c|g|ms|h|d|s)", any::<Option<u8>>(), 0..3u8), 1..100),
    ) {
        let line = |with_trace: bool| {
            samples.iter().map(|(name, tag, kind, trace, place)| {
                let mut tags = vec![format!("t:{tag}"), "u:v".to_owned()];
                if let Some(trace) = trace.filter(|_| with_trace) {
                    tags.insert(usize::from(*place), format!("trace_id:{trace}"));
                }
                format!("{kind}{name}:1|{kind}|#{}", tags.join(",")).into_bytes()
            }).collect::<Vec<_>>()
        };
        let options = || Options::default().with(|options| options.exemplar_tag = TagKey::new("trace_id").ok());
        let (with, without) = (ingest(options(), &line(true)), ingest(options(), &line(false)));
        prop_assert!(with.accounting().adds_up());
        prop_assert_eq!(user_families(&page_of(&with)), user_families(&page_of(&without)));
    }
}

fn page_under(bridge: &Bridge, escaping: Escaping) -> Page {
    let (mut page, mut text) = (bridge.exposition_escaped(Format::Text, escaping, NOW), Vec::new());
    while page.more(&mut text) {}
    let text = String::from_utf8(text).expect("a page is UTF-8");
    Page::parse(&text).unwrap_or_else(|error| panic!("{escaping:?}: {error}\n{text}"))
}

/// Reads the exposition in OpenMetrics with the strict reader.
fn openmetrics_under(bridge: &Bridge, escaping: Escaping) -> Result<(), String> {
    let (mut page, mut text) = (bridge.exposition_escaped(Format::OpenMetrics, escaping, NOW), Vec::new());
    while page.more(&mut text) {}
    let text = String::from_utf8(text).expect("a page is UTF-8");
    crate::openmetrics::Page::parse(&text).map(drop).map_err(|error| format!("{error}\n{text}"))
}

/// The number of families left out of expositions so far.
fn left_out(page: &Page) -> f64 {
    page.value("statsd_bridge_page_families_left_out_total").expect("an own metric")
}

proptest! {
    #[apply(test)]
    fn names_of_any_sort_give_a_page_under_each_escaping(
        lines in prop::collection::vec(line_of_any_name(), 1..60),
        any in prop::collection::vec(any::<String>(), 0..10),
        summaries in any::<bool>(),
        limited in any::<bool>(),
    ) {
        let observer = if summaries { Observer::Summary(SummaryOptions::default()) } else { Observer::default() };
        let limits = if limited { small_limits() } else { Limits::default() };
        let options = Options::default().with(|options| { options.observer = observer; options.limits = limits; options.names = NameValidation::Utf8; });
        let any: Vec<String> = any.iter().map(|text| format!("{0}:1|c|#{0}:v", text.replace(['\n', '\r'], " "))).collect();
        let bridge = ingest(options, &[lines.join("\n").into_bytes(), any.join("\n").into_bytes()]);
        prop_assert!(bridge.accounting().adds_up());
        let kept = page_under(&bridge, Escaping::AllowUtf8);
        let mut before = left_out(&kept);
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
            let page = page_under(&bridge, escaping);
            crate::harness::accounts(&page).map_err(TestCaseError::fail)?;
            prop_assert!(page.families.iter().all(|family| is_legacy_name(&family.name)));
            prop_assert!(page.lines().flat_map(|line| &line.labels).all(|(key, _)| is_legacy_label(key)));
            let strict = openmetrics_under(&bridge, escaping);
            prop_assert!(strict.is_ok(), "{escaping:?}: {}", strict.err().unwrap_or_default());
            // Families that are not in the exposition are counted.
            let missing = kept.families.len() - page.families.len();
            prop_assert_eq!(left_out(&page) - before, missing as f64);
            prop_assert!(missing > 0 || page.lines().count() == kept.lines().count());
            before = left_out(&page) + missing as f64;
        }
    }
}
