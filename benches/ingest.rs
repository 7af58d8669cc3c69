//! Nanoseconds a sample from bytes to cell, by number of series, without sockets.

#[path = "load.rs"]
mod load;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use statsd_bridge::{Bridge, Options, Timestamp};

fn ingest(c: &mut Criterion) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut group = c.benchmark_group("ingest");
    for series in [1_000, 10_000, 100_000] {
        let load = load::load(series, 4_000);
        group.throughput(Throughput::Elements(load.lines));
        group.bench_function(BenchmarkId::new("batches_of_64_datagrams", series), |b| {
            let bridge = Bridge::new(Options::default());
            let mut worker = bridge.worker();
            b.iter(|| {
                for batch in load.datagrams.chunks(64) {
                    worker.ingest_batch(batch.iter().map(Vec::as_slice), now);
                }
            });
        });
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
