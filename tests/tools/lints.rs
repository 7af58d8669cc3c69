//! Lints of `check`: for each lint its findings, similar rules without a finding, and advice that can be pasted.

use serde_json::Value;

use super::{Files, run};

/// Code, severity, line and text of each finding in a file with these rules, except findings about old spellings.
fn found(text: &str, flags: &[&str]) -> Vec<(String, String, u64, String)> {
    let files = Files::new();
    let path = files.write("m.yml", text);
    let ran = run(&[&["check", &path, "--format=json"][..], flags].concat());
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    let string = |finding: &Value, key: &str| finding[key].as_str().expect("a string").to_owned();
    let all = report["findings"].as_array().expect("findings").iter();
    let all = all.map(|f| (string(f, "code"), string(f, "severity"), f["line"].as_u64().expect("a line"), string(f, "text")));
    all.filter(|(code, ..)| code != "old_key").collect()
}

/// Each case: rules, and the only finding with the code, as its severity and a part of its text, or `None`.
fn cases(code: &str, flags: &[&str], cases: &[(&str, Option<(&str, &str)>)]) {
    for (rules, want) in cases {
        let text = if rules.contains("mappings:") { (*rules).to_owned() } else { format!("mappings:\n{rules}\n") };
        let all = found(&text, flags);
        assert!(all.iter().all(|(_, severity, ..)| severity != "error"), "{rules}: {all:?}");
        let of_code: Vec<_> = all.iter().filter(|(found, ..)| found == code).collect();
        match (want, of_code.as_slice()) {
            (None, []) => {}
            (Some((severity, says)), [(_, found, _, text)]) => {
                assert!(found == severity && text.contains(says), "{rules}\n{found}: {text}");
            }
            _ => panic!("{rules}: wanted {want:?}, found {all:?}"),
        }
    }
}

#[apply(test)]
fn a_name_in_milliseconds_whose_timers_are_seconds() {
    let timer = "match_metric_type: observer";
    let rule = |name: &str, more: &str| format!("- {{match: app.db, name: {name}, {more}}}");
    let owned: Vec<(String, Option<(&str, &str)>)> = vec![
        (rule("db_ms", timer), Some(("warning", "write `name: db_seconds`, or, to keep the name, `scale: 1000`"))),
        (rule("db_milliseconds", "help: x"), Some(("note", "`name: db_seconds`"))),
        (rule("db_millis_total", timer), Some(("warning", "`name: db_seconds_total`"))),
        (rule("db_MS", timer), Some(("warning", "`name: db_seconds`"))),
        (
            rule("db_microseconds", timer),
            Some(("warning", "divided by 1000; write `name: db_seconds`, with `unit: us` if microseconds are sent")),
        ),
        (rule("db_duration_us", "help: x"), Some(("note", "`unit: us`"))),
        (rule("db_ns", timer), Some(("warning", "`unit: ns`"))),
        (
            rule("db_ms", &format!("{timer}, observer_type: histogram, histogram_options: {{buckets: [10, 100, 1000]}}")),
            Some(("warning", "`name: db_seconds` and `buckets: [0.01, 0.1, 1]`, or")),
        ),
        (
            rule("db_ms", &format!("{timer}, observer_type: histogram, histogram_options: {{buckets: [0.01, 0.3]}}")),
            Some(("warning", "`scale: 1000` and `buckets: [10, 300]`")),
        ),
        (rule("db_ms", "unit: ms"), Some(("note", "write `name: db`, which becomes `db_seconds`"))),
        // No finding: the values are not in seconds, are not times, or have an unknown unit.
        (rule("db_ms", "scale: 1000"), None),
        (rule("db_ms", "unit: none"), None),
        (rule("db_ms", "match_metric_type: gauge"), None),
        (rule("db_ms", "match_metric_type: counter"), None),
        (rule("db_ms", "as: gauge"), None),
        (rule("db_ms", "action: drop"), None),
        (rule("db_seconds", timer), None),
        (rule("db_ms_per_row", timer), None),
        (rule("items", timer), None),
        (rule("visits_us", "help: x"), None),
        (rule("pods_ns", "help: x"), None),
    ];
    let borrowed: Vec<_> = owned.iter().map(|(rules, want)| (rules.as_str(), *want)).collect();
    cases("unit_in_name", &[], &borrowed);
    let captured = [("- {match: app.*, name: 'app_${1}_ms', match_metric_type: observer}", Some(("warning", "`name: app_${1}_seconds`")))];
    cases("unit_in_name", &[], &captured);
}

#[apply(test)]
fn buckets_of_another_unit_than_the_name() {
    let rule = |name: &str, buckets: &str, more: &str| {
        format!("- {{match: app.db, name: {name}, observer_type: histogram, histogram_options: {{buckets: {buckets}}}{more}}}")
    };
    let owned = vec![
        (rule("db_seconds", "[100, 250, 1000]", ""), Some(("note", "write `buckets: [0.1, 0.25, 1]`"))),
        (rule("db_seconds", "[5, 10, 25, 50, 100, 250, 500, 1000]", ", match_metric_type: observer"), Some(("warning", "0.005, 0.01"))),
        (rule("db_seconds", "[500, 5000, 1000000]", ""), Some(("note", "look like microseconds"))),
        (rule("db_latency", "[100, 250, 1000]", ""), Some(("note", "if these are sent as `ms`: buckets"))),
        (rule("db", "[100, 250, 1000]", ", unit: ms"), Some(("note", "milliseconds"))),
        (rule("db_ms", "[0.005, 0.1, 1]", ", scale: 1000"), Some(("note", "write `buckets: [5, 100, 1000]`"))),
        (rule("db_ms", "[0.005, 0.1, 1]", ", unit: none"), Some(("note", "write `buckets: [5, 100, 1000]`"))),
        (rule("db_bytes", "[0.1, 1, 10]", ", match_metric_type: observer, unit: bytes"), Some(("warning", "bytes are above all"))),
        (rule("db_seconds", "[0.005, 0.1, 1, 10]", ""), None),
        (rule("job_seconds", "[1, 30, 60, 300, 600, 1800, 3600]", ""), None),
        (rule("job_seconds", "[10, 30, 60, 120, 300, 600]", ""), None),
        (rule("job_seconds", "[1, 10, 100, 1000]", ""), None),
        (rule("db_seconds", "[100, 250, 1000]", ", scale: 1000"), None),
        (rule("db_seconds", "[100, 250, 1000]", ", match_metric_type: gauge"), None),
        (rule("db_rows", "[100, 250, 1000]", ""), None),
        (rule("db_bytes", "[1000, 100000]", ", match_metric_type: observer"), None),
        (rule("db_ms", "[5, 100, 1000]", ", scale: 1000"), None),
        (
            "defaults: {histogram_options: {buckets: [100, 250, 1000]}}\nmappings:\n- {match: a, name: a_seconds}".to_owned(),
            Some(("note", "0.25")),
        ),
        ("mappings:\n- {match: a, name: a_seconds, observer_type: summary}".to_owned(), None),
    ];
    let borrowed: Vec<_> = owned.iter().map(|(rules, want)| (rules.as_str(), *want)).collect();
    cases("buckets_unit", &[], &borrowed);
}

#[apply(test)]
fn one_name_that_all_kinds_meet_under() {
    cases(
        "kinds_meet",
        &[],
        &[
            (
                "- {match: app.*, name: app, labels: {what: $1}}",
                Some(("note", "all names under `app` become the one family `app`, with counters, gauges and timers")),
            ),
            ("- {match: app.*.*, name: app_metrics, labels: {a: $1, b: $2}}", Some(("note", "`app_metrics_${1}`"))),
            ("- {match: '*', name: all, labels: {what: $1}}", Some(("warning", "all names of one segment become the one family `all`"))),
            ("- {match: '*.*', name: all, labels: {a: $1, b: $2}}", Some(("warning", "all names"))),
            ("- {match: '.*', match_type: regex, name: all}", Some(("warning", "all names"))),
            ("- {match: '^app\\.(.*)$', match_type: regex, name: app, labels: {what: $1}}", Some(("note", "under `app`"))),
            (
                "- {match: app.*, name: app_stats, match_metric_type: counter, labels: {w: $1}}\n- {match: app.*, name: app, labels: {w: $1}}",
                Some(("note", "with gauges and timers")),
            ),
            ("- {match: app.a.timing, name: x}\n- {match: app.b.count, name: x}", Some(("note", "`x_seconds` or `x_total`"))),
            // No finding: there is one kind, a separate name for each kind, or a part of an application.
            ("- {match: app.*, name: app, match_metric_type: gauge, labels: {w: $1}}", None),
            ("- {match: app.*, name: 'app_${1}'}", None),
            ("- {match: app.*, name: app, as: gauge, labels: {w: $1}}", None),
            ("- {match: app.*, name: app_total, labels: {w: $1}}", None),
            ("- {match: app.*, name: app, action: drop}", None),
            ("- {match: app.*.requests, name: app, labels: {w: $1}}", None),
            ("- {match: app.*, name: app_depth, labels: {w: $1}}", None),
            ("- {match: app.pool.*, name: app, labels: {w: $1}}", None),
            ("- {match: '*.gc.*', name: gc, labels: {a: $1, b: $2}}", None),
            ("- {match: app.*, name: app, labels: {w: $1}}\n- {match: other.x, name: y}", None),
            (
                "- {match: app.*, name: c, match_metric_type: counter, labels: {w: $1}}\n- {match: app.*, name: g, match_metric_type: gauge, \
             labels: {w: $1}}\n- {match: app.*, name: app, labels: {w: $1}}",
                None,
            ),
            ("- {match: app.a.timing, name: x}\n- {match: app.b.timing, name: x}", None),
            ("- {match: app.a.timing, name: x, match_metric_type: observer}\n- {match: app.b.count, name: x_total}", None),
        ],
    );
}

#[apply(test)]
fn a_star_that_seems_to_mean_the_rest() {
    cases(
        "star_is_one_segment",
        &[],
        &[
            (
                "- {match: app.a.b.c, name: x}\n- {match: app.*, name: 'app_$1'}",
                Some(("note", "`app.*` matches `app.x` and not `app.x.y`; to match all remaining names, write `match: '^app\\.(.+)$'`")),
            ),
            ("- {match: app.*, name: 'app_${1}'}", Some(("note", "not `app.x.y`"))),
            ("- {match: app.a.b.c, name: x}\n- {match: app.*.*, name: 'a_${1}_${2}'}", Some(("note", "'^app\\.([^.]+)\\.(.+)$'"))),
            ("- {match: app.a.b.c, name: x}\n- {match: app.*, action: drop, name: dropped}", Some(("note", "`app.*`"))),
            ("- {match: app.a.b, name: x}\n- {match: '*', action: drop, name: dropped}", Some(("note", "'^(.+)$'"))),
            // No finding: there is a rule for each depth, a label, a part that ends there, no deeper name, or `**`.
            (
                "- {match: app.*, name: 'app_$1'}\n- {match: app.*.*, name: 'app_${1}_${2}'}\n- {match: app.*.*.*, name: 'app_${1}_${2}', labels: {x: $3}}",
                None,
            ),
            ("- {match: app.a.b.c, name: x}\n- {match: app.*, name: app, labels: {what: $1}}", None),
            ("- {match: app.a.b.c, name: x}\n- {match: app.a.*, name: 'app_a_$1'}", None),
            ("- {match: app.*, action: drop, name: dropped}\n- {match: app.a.b.c, name: x}", None),
            ("- {match: other.a.b.c, name: x}\n- {match: app.*, name: 'app_$1'}", None),
            ("- {match: app.b, name: x}\n- {match: app.*, name: 'app_${1}_total'}", None),
            ("syntax: extended\nmappings:\n- {match: app.*, name: 'app_${1}'}\n- {match: app.**, name: 'app_${1}'}", None),
        ],
    );
}

#[apply(test)]
fn labels_that_prometheus_gives_itself() {
    cases(
        "target_label",
        &[],
        &[
            ("- {match: app.*, name: x, labels: {job: $1}}", Some(("note", "`exported_job` there"))),
            ("- {match: app.*, name: x, labels: {instance: $1}}", Some(("note", "such as `host`"))),
            ("- {match: a.*, name: x, labels: {job: $1}}\n- {match: b.*, name: x, labels: {job: $1}}", Some(("note", "also in line 3"))),
            ("labels: {instance: a}\nmappings:\n- {match: a, name: x}", Some(("note", "`exported_instance`"))),
            ("labels:\n  dc: ams\n  \"job\": a\nmappings:\n- {match: a, name: x}", Some(("note", "`exported_job`"))),
            ("- {match: a, name: x, rename_labels: {host: instance}}", Some(("note", "`exported_instance`"))),
            ("- {match: app.*, name: x, labels: {jobs: $1, instance_id: a, exported_job: b}}", None),
            ("- {match: app.*, name: job, labels: {task: $1}}", None),
            ("- {match: app.*, name: job, action: drop, labels: {job: $1}}", None),
            ("labels: {task: job}\nmappings:\n- {match: a, name: x, labels: {x: job}}", None),
        ],
    );
}

#[apply(test)]
fn names_of_the_bridge_itself() {
    let rules = [
        ("- {match: a, name: statsd_bridge_lines_total}", Some(("warning", "names that begin with `statsd_bridge_`"))),
        ("- {match: 'a.*', name: 'statsd_bridge_$1'}", Some(("warning", "self-metrics"))),
        ("prefix: statsd_\nmappings:\n- {match: a, name: bridge_x}", Some(("warning", "self-metrics"))),
        ("- {match: a, name: process_open_fds}", Some(("note", "unless the bridge runs with --no-web.process-metrics"))),
        ("- {match: a, name: statsd_exporter_lines_total}", None),
        ("- {match: a, name: process_jobs}", None),
        ("- {match: a, name: statsd_bridge}", None),
        ("- {match: a, name: statsd_bridge_x, action: drop}", None),
    ];
    cases("own_metric_name", &[], &rules);
    let exporter = [
        ("- {match: a, name: statsd_exporter_lines_total}", Some(("warning", "`statsd_exporter_`"))),
        ("- {match: a, name: statsd_bridge_lines_total}", None),
    ];
    cases("own_metric_name", &["--compat=statsd_exporter"], &exporter);
}

#[apply(test)]
fn what_statsd_exporter_makes_of_the_same_rules() {
    const CODE: &str = "differs_in_statsd_exporter";
    let rules = [
        (
            "- {match: '^(a)\\.(b)\\.(c)$', match_type: regex, name: '$3_duration', labels: {x: '$1', y: '$2'}}",
            Some((
                "note",
                "the name `$3_duration` expands to `<3>_duration` in the bridge; statsd_exporter expands it to ``; write `${3}_duration`",
            )),
        ),
        ("- {match: 'a.*', name: a_$1_total}", Some(("note", "expands it to `a_`; write `a_${1}_total`"))),
        ("- {match: 'a.*.*', name: a, labels: {x: '$2$1'}}", Some(("note", "the label `x` `$2$1`"))),
        ("- {match: 'a.*', name: a, labels: {x: '$1%'}}", Some(("note", "corrupts it because of its `%`"))),
        ("- {match: 'a.*.*.*.*.*.*.*.*.*.*', name: a, labels: {x: '$1.$2.$3.$4.$5.$6.$7.$8.$9.$10'}}", Some(("note", "<10>0"))),
        (
            "- {match: a.b.c, name: x}\n- {match: a.b, name: y}",
            Some(("note", "never uses `a.b`, because the longer `a.b.c` at line 2 is before it")),
        ),
        ("- {match: a.*.c, name: x, labels: {l: $1}}\n- {match: a.*, name: 'y_$1'}", Some(("note", "never uses `a.*`"))),
        ("- {match: a.b.c, name: x, match_metric_type: counter}\n- {match: a.b, name: y}", Some(("note", "never uses `a.b` for counters"))),
        (
            "- {match: a.b.*, name: x, labels: {l: $1}}\n- {match: a.*.c, name: y, labels: {l: $1}}\n- {match: a.b.*, name: z, labels: {l: $1}}",
            Some(("note", "tries `a.b.*` at line 2 only here, after `a.*.c` at line 3")),
        ),
        (
            "defaults: {glob_disable_ordering: true}\nmappings:\n- {match: a.*.*, name: x, labels: {l: $1, m: $2}}\n- {match: a.b.c, name: y}",
            Some(("note", "does not backtrack from `a.b.c` at line 4: it does not find this rule for `a.b.x`")),
        ),
        ("defaults: {glob_disable_ordering: true}\nmappings:\n- {match: a.*.d, name: x, labels: {l: $1}}\n- {match: a.b.c, name: y}", None),
        ("defaults: {glob_disable_ordering: true}\nmappings:\n- {match: a.*, name: x, labels: {l: $1}}\n- {match: a.b, name: y}", None),
        ("- {match: a.*.*, name: x, labels: {l: $1, m: $2}}\n- {match: b.b.c, name: y}", None),
        ("- {match: '^(a)$', match_type: regex, name: '${1}_duration'}", None),
        ("- {match: 'a.*', name: 'a_${1}_total', labels: {x: '$1-$1'}}", None),
        ("- {match: 'a', name: a, labels: {x: '100%'}}", None),
        ("- {match: a.b, name: y}\n- {match: a.b.c, name: x}", None),
        ("- {match: a.x.c, name: x}\n- {match: a.*, name: 'y_$1'}", None),
        ("- {match: a.b.c, name: x, match_metric_type: counter}\n- {match: a.b, name: y, match_metric_type: gauge}", None),
        ("syntax: extended\nmappings:\n- {match: a.b.c, name: x}\n- {match: a.b, name: 'y'}", None),
    ];
    cases(CODE, &["--compat=statsd_exporter"], &rules);
    let none: Vec<_> = rules.iter().map(|(rules, _)| (*rules, None)).collect();
    cases(CODE, &[], &none);
}

#[apply(test)]
fn an_unused_capture_is_said_once_for_a_file() {
    let rules = "mappings:\n- {match: '*.a', name: a}\n- {match: '*.b', name: b}\n- {match: '*.*.c', name: c, labels: {x: $2}}\n- {match: '*.*.d', name: d}\n";
    let all: Vec<_> = found(rules, &[]).into_iter().filter(|(code, ..)| code == "unused_capture").collect();
    let [(.., 2, first), (.., 5, second)] = all.as_slice() else { panic!("{all:?}") };
    assert!(first.starts_with("no template uses $1 of `*.a`") && first.ends_with("; also in lines 3, 4 and 5"), "{first}");
    assert!(second.starts_with("no template uses $2 of `*.*.d`") && second.ends_with("unless this is intended"), "{second}");
    let many: String = (0..30).map(|n| format!("- {{match: '*.a{n}', name: a{n}}}\n")).collect();
    let all = found(&format!("mappings:\n{many}"), &[]);
    assert!(all.len() == 1 && all[0].3.ends_with("10, 11, 12 and 19 more"), "{all:?}");
    let both = found("mappings:\n- {match: '*.*.a', name: a}\n- {match: '*.*.b', name: b}\n", &[]);
    assert!(both.len() == 1 && both[0].3.starts_with("no template uses $1, $2 of `*.*.a`"), "{both:?}");
}

#[apply(test)]
fn labels_that_differ_are_reported_once_for_a_family_and_for_families_that_differ_alike() {
    let labels_differ = |rules: &str| -> Vec<(u64, String)> {
        let all = found(&format!("mappings:\n{rules}"), &[]).into_iter().filter(|(code, ..)| code == "labels_differ");
        all.map(|(_, _, line, text)| (line, text)).collect()
    };
    let several = "- {match: a.*, name: x, labels: {l: $1}}\n- {match: b, name: x}\n- {match: c, name: x}\n\
                   - {match: d.*.*, name: x, labels: {m: $2, l: $1}}\n- {match: e.*, name: x, labels: {l: $1}}\n";
    let all = labels_differ(several);
    let [(3, text)] = all.as_slice() else { panic!("{all:?}") };
    let sets = "family `x` give different labels: {l} at line 2 and at line 6, {} here and at line 4, {l, m} at line 5;";
    assert!(text.contains(sets), "{text}");
    let alike = "- {match: a.*, name: x, labels: {l: $1}}\n- {match: b, name: x}\n- {match: c.*, name: y, labels: {l: $1}}\n- {match: d, name: y}\n\
                 - {match: e.*, name: z, labels: {k: $1}}\n- {match: f, name: z}\n";
    let all = labels_differ(alike);
    let [(3, both), (7, other)] = all.as_slice() else { panic!("{all:?}") };
    assert!(both.contains("`x`") && both.ends_with("; also in line 5") && other.contains("`z`"), "{all:?}");
    // The labels that come from tags are unknown, whatever the position of the rule with `rename_labels`.
    let tags = "- {match: a, name: x, rename_labels: {a: b}}\n- {match: b.*, name: x, labels: {l: $1}}\n- {match: c.*, name: x, labels: {l: $1}}\n";
    assert_eq!(labels_differ(tags), []);
    let beside = format!("{tags}- {{match: d, name: x}}\n");
    assert!(matches!(labels_differ(&beside).as_slice(), [(5, _)]), "{:?}", labels_differ(&beside));
}

/// Pastes the text after `match: ` in a finding in place of the pattern. Then the finding is gone, and there is no error.
#[apply(test)]
fn advice_on_regexes_can_be_pasted() {
    const CODE: &str = "unescaped_dot";
    for (pattern, want) in [
        ("foo.(.*)", "'foo\\.(.*)'"),
        ("^(.*).foo$", "'^(.*)\\.foo$'"),
        ("^(\\w+).(\\w+)$", "'^(\\w+)\\.(\\w+)$'"),
        ("^a.[a-z]+.(x|y)$", "'^a\\.[a-z]+\\.(x|y)$'"),
        ("^it's.(.*)$", "'^it''s\\.(.*)$'"),
    ] {
        let rule = |pattern: &str| format!("mappings:\n- match: {pattern}\n  match_type: regex\n  name: x\n");
        let quoted = format!("'{}'", pattern.replace('\'', "''"));
        let before = found(&rule(&quoted), &[]);
        let (.., text) = before.iter().find(|(found, ..)| found == CODE).unwrap_or_else(|| panic!("{pattern}: {before:?}"));
        assert!(text.contains(&format!("`match: {want}`")), "{pattern}: {text}");
        let after = found(&rule(want), &[]);
        assert!(after.iter().all(|(found, severity, ..)| found != CODE && severity != "error"), "{want}: {after:?}");
    }
    for pattern in ["^foo\\.(.*)$", "^(.*)$", "^a.+b$", "^a.*$", "^[^.]+$", "^(.)$"] {
        let all = found(&format!("mappings:\n- match: '{pattern}'\n  match_type: regex\n  name: x_total\n"), &[]);
        assert!(all.iter().all(|(code, ..)| code != "unescaped_dot"), "{pattern}: {all:?}");
    }
}

#[apply(test)]
fn notes_on_presets_are_left_out_and_notes_beside_them_are_not() {
    let preset = run(&["check", "--preset", "gunicorn"]);
    assert_eq!((preset.code, preset.out.lines().count()), (Some(0), 1), "{}", preset.out);
    let files = Files::new();
    let own = files.write(
        "own.yml",
        "mappings:\n- {match: other.requests, name: gunicorn_requests_total, labels: {pod: a}}\n- {match: 'a.*', name: a}\n",
    );
    let both = run(&["check", &own, "--preset", "gunicorn"]);
    assert!(both.out.contains("[unused_capture]") && both.out.contains("give different labels: {pod} at "), "{}", both.out);
    let copy = files.write("copy.yml", run(&["preset", "show", "gunicorn"]).out);
    assert!(run(&["check", &copy]).out.contains("[labels_differ]"), "a copy is the user's own");
}
