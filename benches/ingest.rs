//! Nanoseconds a sample from bytes to cell, by number of series, without sockets.

#[path = "load.rs"]
mod load;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use statsd_bridge::mapping::Rules;
use statsd_bridge::mapping::config::{Source, load};
use statsd_bridge::{Bridge, Options, Timestamp};

/// So many rules, none of which matches the load.
fn globs(count: usize) -> Rules {
    let rules: String =
        (0..count).map(|i| format!("- match: 'svc{i}.*.app.*'\n  name: 'm{i}'\n  labels: {{host: $1, verb: $2}}\n")).collect();
    let text = format!("mappings:\n{rules}");
    let (config, findings) = load(&[Source { name: "bench".into(), text }], &|_| None);
    let config = config.unwrap_or_else(|| panic!("{findings:?}"));
    Rules::compile(config).unwrap_or_else(|findings| panic!("{findings:?}"))
}

fn ingest(c: &mut Criterion) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut group = c.benchmark_group("ingest");
    for series in [1_000, 10_000, 100_000] {
        let load = load::load(series, 4_000);
        group.throughput(Throughput::Elements(load.lines));
        for (name, rules) in [("batches_of_64_datagrams", 0), ("with_1000_globs", 1000)] {
            group.bench_function(BenchmarkId::new(name, series), |b| {
                let bridge = Bridge::new(Options::default());
                bridge.replace_rules(globs(rules));
                let mut worker = bridge.worker();
                b.iter(|| {
                    for batch in load.datagrams.chunks(64) {
                        worker.ingest_batch(batch.iter().map(Vec::as_slice), now);
                    }
                });
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("new_route");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("admit", |b| {
        let lines: Vec<String> = (0..10_000).map(|i| format!("shop.orders.m{}:1|c|#shop:s{i},region:eu", i % 100)).collect();
        b.iter_with_large_drop(|| {
            let bridge = Bridge::new(Options::default());
            let mut worker = bridge.worker();
            worker.ingest_batch(lines.iter().map(String::as_bytes), now);
            bridge
        });
    });
    group.bench_function("admit_with_1000_globs", |b| {
        let lines: Vec<String> = (0..10_000).map(|i| format!("svc{}.host{i}.app.get:1|c|#shop:s,region:eu", i % 1000)).collect();
        let fresh = || {
            let bridge = Bridge::new(Options::default());
            bridge.replace_rules(globs(1000));
            bridge.worker()
        };
        b.iter_batched_ref(fresh, |worker| worker.ingest_batch(lines.iter().map(String::as_bytes), now), BatchSize::PerIteration);
    });
    group.bench_function("fold", |b| {
        let lines: Vec<String> = (0..10_000).map(|i| format!("shop.orders:1|c|#user:u{i}")).collect();
        let mut options = Options::default();
        options.limits.values_per_label = 1;
        let bridge = Bridge::new(options);
        let mut worker = bridge.worker();
        // More than a worker keeps routes for, so that each sample is resolved again.
        let others: Vec<String> = (0..20_000).map(|i| format!("shop.orders:1|c|#user:x{i}")).collect();
        worker.ingest_batch(others.iter().map(String::as_bytes), now);
        b.iter(|| worker.ingest_batch(lines.iter().map(String::as_bytes), now));
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
