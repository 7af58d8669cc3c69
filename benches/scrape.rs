//! Milliseconds a page, by format and number of series; parts are thrown away, as a stream's would be.

#[path = "load.rs"]
mod load;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use statsd_bridge::{Bridge, Format, Options, Timestamp};

fn scrape(c: &mut Criterion) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut group = c.benchmark_group("scrape");
    group.sample_size(20);
    for series in [1_000, 100_000] {
        let bridge = Bridge::new(Options::default());
        let mut worker = bridge.worker();
        worker.ingest_batch(load::load(series, 0).datagrams.iter().map(Vec::as_slice), now);
        let mut page = Vec::new();
        bridge.render(now, &mut page);
        // Lines of text, whatever the format, so that they can be compared.
        group.throughput(Throughput::Elements(page.iter().filter(|b| **b == b'\n').count() as u64));
        for (name, format) in [("text", Format::Text), ("openmetrics", Format::OpenMetrics), ("protobuf", Format::Protobuf)] {
            group.bench_function(BenchmarkId::new(name, series), |b| {
                b.iter(|| {
                    let mut made = bridge.page(format, now);
                    page.clear();
                    while made.more(&mut page) {
                        page.clear();
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);
