//! Nanoseconds per line in the grammar alone.

#[path = "load.rs"]
mod load;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use statsd_bridge::internals::protocol::{Line, parse_line};
use statsd_bridge::options::Dialect;

fn parse(c: &mut Criterion) {
    let dialect = Dialect::default();
    let tagged = load::load(1_000, 400).datagrams;
    let plain = vec![b"shop.orders.paid:1|c\nshop.latency:12.5|ms\nshop.queue.length:17|g".to_vec(); 400];
    let all_fields =
        vec![b"shop.orders.paid:1|c|@0.5|#route:r1,method:GET|c:ci-0123456789|e:it-false,cn-web|card:low|T1700000000".to_vec(); 400];
    let packed = vec![b"shop.latency:1.5:2.5:3.5:4.5:5.5:6.5:7.5:8.5|ms|#route:r1,method:GET".to_vec(); 400];
    let refused = vec![b"shop.orders.paid:one|c|#route:r1,method:GET".to_vec(); 400];
    let mut group = c.benchmark_group("parse");
    for (name, datagrams) in [("tagged", tagged), ("plain", plain), ("all_fields", all_fields), ("packed_8", packed), ("refused", refused)]
    {
        let lines: Vec<&[u8]> = datagrams.iter().flat_map(|d| d.split(|b| *b == b'\n')).collect();
        group.throughput(Throughput::Elements(lines.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                for line in &lines {
                    match parse_line(black_box(line), &dialect) {
                        Line::Samples(samples) => samples.for_each(|sample| _ = black_box(sample)),
                        other => _ = black_box(other),
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
