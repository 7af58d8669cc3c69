//! Nanoseconds per sample from bytes to cell, by number of series, without sockets.

#[path = "kinds.rs"]
mod kinds;
#[path = "load.rs"]
mod load;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use statsd_bridge::internals::cell::{Bounds, HistogramCell, NativeCell};
use statsd_bridge::mapping::Rules;
use statsd_bridge::options::{Buckets, NativeHistograms, NativeOptions, NativeWhen};
use statsd_bridge::{Bridge, Options, Timestamp};

/// This number of rules. None matches the load.
fn globs(count: usize) -> Rules {
    let rules: String =
        (0..count).map(|i| format!("- match: 'svc{i}.*.app.*'\n  name: 'm{i}'\n  labels: {{host: $1, verb: $2}}\n")).collect();
    let text = format!("mappings:\n{rules}");
    Rules::from_yaml(&text).unwrap_or_else(|error| panic!("{error}"))
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
        // More series than a worker keeps bindings for, so that each sample is resolved again.
        let others: Vec<String> = (0..20_000).map(|i| format!("shop.orders:1|c|#user:x{i}")).collect();
        worker.ingest_batch(others.iter().map(String::as_bytes), now);
        b.iter(|| worker.ingest_batch(lines.iter().map(String::as_bytes), now));
    });
    group.finish();
}

/// The same lines for each kind, so that only the cells differ.
fn kinds(c: &mut Criterion) {
    let mut group = c.benchmark_group("kind");
    for kind in kinds::KINDS {
        let datagrams = kind.datagrams(1_000, 100_000);
        group.throughput(Throughput::Elements(100_000));
        group.bench_function(kind.name, |b| {
            let mut worker = kind.worker(1_000);
            b.iter(|| {
                for batch in datagrams.chunks(64) {
                    worker.ingest_batch(batch.iter().map(Vec::as_slice), kinds::NOW);
                }
            });
        });
    }
    group.finish();
}

/// One observation of a histogram whose cell is in the cache, with values over four powers of ten.
fn observe(c: &mut Criterion) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let values: Vec<f64> =
        (0..4096_u32).map(|i| 10_f64.powf(f64::from(i.wrapping_mul(2_654_435_761) >> 12) / f64::from(1 << 18) - 3.0)).collect();
    let bounds = Bounds::shared(&Buckets::default(), Some(NativeOptions::default()));
    let mut group = c.benchmark_group("observe");
    group.throughput(Throughput::Elements(values.len() as u64));
    let classic = HistogramCell::new(bounds.len());
    group.bench_function("classic", |b| b.iter(|| values.iter().all(|value| classic.observe(&bounds, black_box(*value), 1.0))));
    let native = NativeCell::new(classic.clone(), &bounds, now).expect("native buckets are asked for");
    group.bench_function("classic_and_native", |b| b.iter(|| values.iter().all(|value| native.observe(black_box(*value), 1.0, now))));
    group.finish();

    let mut group = c.benchmark_group("ingest_native");
    for series in [1_000, 100_000] {
        let load = load::load(series, 4_000);
        group.throughput(Throughput::Elements(load.lines));
        for (name, when) in [("never", NativeWhen::Never), ("always", NativeWhen::Always)] {
            group.bench_function(BenchmarkId::new(name, series), |b| {
                let native = NativeHistograms { when, ..NativeHistograms::default() };
                let mut worker = Bridge::new(Options::default().with(|options| options.native = native)).worker();
                b.iter(|| {
                    for batch in load.datagrams.chunks(64) {
                        worker.ingest_batch(batch.iter().map(Vec::as_slice), now);
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ingest, kinds, observe);
criterion_main!(benches);
