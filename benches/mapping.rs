//! Nanoseconds to find the rule of a new name, and milliseconds to compile rules.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use statsd_bridge::internals::{Config, MetricKind, Rule};
use statsd_bridge::mapping::{MatchType, Position, Rules};

fn rule(match_type: MatchType, pattern: String) -> Rule {
    let position = Position { file: Arc::from("bench.yml"), line: 1, column: 1 };
    let labels = vec![("host".to_owned(), "$2".to_owned())];
    Rule { name: "service_${1}_total".to_owned(), labels, ..Rule::new(position, match_type, pattern) }
}

/// Rules of several forms, so that a search takes every branch.
fn globs(count: usize) -> Config {
    let pattern = |n: usize| match n % 5 {
        0 => format!("app{n}.*.requests.*"),
        1 => format!("*.*.requests.endpoint{n}"),
        2 => format!("shop.*.worker{n}.*.time"),
        3 => format!("*.service{n}.*.*"),
        _ => format!("shop.orders.queue{n}.length"),
    };
    Config { rules: (0..count).map(|n| rule(MatchType::Glob, pattern(n))).collect(), ..Config::default() }
}

/// Like [`globs`], with extended wildcards in a third of the rules.
fn superset(count: usize) -> Config {
    let mut config = globs(count);
    for (n, rule) in config.rules.iter_mut().enumerate().filter(|(n, _)| n % 3 == 0) {
        rule.pattern = match n % 4 {
            0 => format!("shop.**.worker{n}.time"),
            1 => format!("app{n}_*.{{get,put}}.*"),
            2 => format!("*.*_endpoint{n}.**"),
            _ => format!("shop.pre{n}*fix.*"),
        };
    }
    config
}

fn regexes(count: usize) -> Config {
    let pattern = |n: usize| format!(r"^app{n}\.([^.]+)\.requests\.(\w+)$");
    Config { rules: (0..count).map(|n| rule(MatchType::Regex, pattern(n))).collect(), ..Config::default() }
}

fn find(c: &mut Criterion) {
    let mut group = c.benchmark_group("find");
    let mut run = |title: String, config: Config, names: &[String]| {
        let rules = Rules::compile(config).expect("good rules");
        let mut next = names.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(title), |b| {
            b.iter(|| {
                let name = next.next().map_or("", String::as_str);
                black_box(rules.find(black_box(name), MetricKind::Counter, &[]))
            });
        });
    };
    for count in [10, 100, 1_000] {
        let last = count - 1 - (count - 1) % 5;
        let hits: Vec<String> = (0..997).map(|n| format!("app{last}.host{n}.requests.get")).collect();
        let deep: Vec<String> = (0..997).map(|n| format!("shop.host{n}.requests.endpoint{}", last - 4)).collect();
        let misses: Vec<String> = (0..997).map(|n| format!("shop.host{n}.requests.unknown{n}")).collect();
        run(format!("globs_{count}_hit"), globs(count), &hits);
        run(format!("globs_{count}_late_hit"), globs(count), &deep);
        run(format!("globs_{count}_miss"), globs(count), &misses);
        run(format!("superset_{count}_miss"), superset(count), &misses);
    }
    let hits: Vec<String> = (0..997).map(|n| format!("app999.host{n}.requests.get")).collect();
    let misses: Vec<String> = (0..997).map(|n| format!("shop.host{n}.requests.unknown{n}")).collect();
    for count in [10, 1_000] {
        run(format!("regexes_{count}_miss"), regexes(count), &misses);
    }
    run("regexes_1000_last_hit".to_owned(), regexes(1_000), &hits);
    group.finish();
}

fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile_1000");
    group.sample_size(10);
    for (title, config) in [("globs", globs(1_000)), ("superset", superset(1_000)), ("regexes", regexes(1_000))] {
        group.bench_function(title, |b| b.iter_batched(|| config.clone(), Rules::compile, BatchSize::LargeInput));
    }
    group.finish();
}

criterion_group!(benches, find, compile);
criterion_main!(benches);
