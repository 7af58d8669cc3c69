//! Halves of an OTLP message that is too large for a receiver.

use super::message::{WriteBatch, WriteCounts};
use super::otlp_points::NO_RECORDED_VALUE;
use crate::exposition::wire::{Field, Fields, message};

/// Splits a batch into two with half of the points each. A batch of one point is returned as it is.
pub(crate) fn split_otlp(batch: WriteBatch) -> Result<(WriteBatch, WriteBatch), WriteBatch> {
    let WriteBatch { body, counts, mut gone } = batch;
    let (resource, scope, metrics) = parts(&body);
    let points: usize = metrics.iter().map(|metric| metric.points.len()).sum();
    let half = points / 2;
    if half == 0 || points != counts.series {
        return Err(WriteBatch { body, counts, gone });
    }
    let (mut first, mut second) = (Half::default(), Half::default());
    let mut left = half;
    for metric in &metrics {
        let (a, b) = metric.points.split_at(left.min(metric.points.len()));
        left -= a.len();
        first.add(metric, a);
        second.add(metric, b);
    }
    let (first, mut second) = (first.finish(resource, scope), second.finish(resource, scope));
    second.gone = gone.split_off(first.counts.markers.min(gone.len()));
    Ok((WriteBatch { gone, ..first }, second))
}

/// One metric of a message.
struct Metric<'a> {
    /// Its fields before the data.
    head: Vec<(u32, Field<'a>)>,
    /// The field of the data.
    data: u32,
    points: Vec<&'a [u8]>,
    /// The fields of the data after the points.
    tail: Vec<(u32, Field<'a>)>,
}

/// The resource, the scope, and the metrics of a message with one of each.
fn parts(body: &[u8]) -> (&[u8], &[u8], Vec<Metric<'_>>) {
    let (mut resource, mut scope): (&[u8], &[u8]) = (&[], &[]);
    let mut metrics = Vec::new();
    let of_resource = Fields::new(body).filter_map(bytes_of).filter(|(number, _)| *number == 1);
    for (number, value) in of_resource.flat_map(|(_, value)| Fields::new(value).filter_map(bytes_of)) {
        if number == 1 {
            resource = value;
        }
        for (of_scope, value) in Fields::new(value).filter_map(bytes_of).filter(|_| number == 2) {
            match of_scope {
                1 => scope = value,
                2 => metrics.push(Metric::of(value)),
                _ => {}
            }
        }
    }
    (resource, scope, metrics)
}

fn bytes_of((number, field): (u32, Field<'_>)) -> Option<(u32, &[u8])> {
    if let Field::Bytes(value) = field { Some((number, value)) } else { None }
}

impl<'a> Metric<'a> {
    fn of(message: &'a [u8]) -> Self {
        let mut metric = Self { head: Vec::new(), data: 0, points: Vec::new(), tail: Vec::new() };
        for (number, field) in Fields::new(message) {
            // Name, description and unit come before the data.
            let Some((data, value)) = bytes_of((number, field)).filter(|(number, _)| *number > 3) else {
                metric.head.push((number, field));
                continue;
            };
            metric.data = data;
            for (number, field) in Fields::new(value) {
                match field {
                    Field::Bytes(point) if number == 1 => metric.points.push(point),
                    field => metric.tail.push((number, field)),
                }
            }
        }
        metric
    }
}

/// A message that grows.
#[derive(Default)]
struct Half {
    metrics: Vec<u8>,
    counts: WriteCounts,
}

impl Half {
    fn add(&mut self, metric: &Metric<'_>, points: &[&[u8]]) {
        if points.is_empty() {
            return;
        }
        message(2, &mut self.metrics, |out| {
            metric.head.iter().for_each(|(number, field)| field.push(*number, out));
            message(metric.data, out, |out| {
                points.iter().for_each(|point| Field::Bytes(point).push(1, out));
                metric.tail.iter().for_each(|(number, field)| field.push(*number, out));
            });
        });
        for point in points {
            self.count(metric.data, point);
        }
    }

    fn count(&mut self, data: u32, point: &[u8]) {
        let (flags, exemplars) = match data {
            9 => (10, 8),
            10 => (10, 11),
            _ => (8, 5),
        };
        self.counts.samples += 1;
        self.counts.series += 1;
        for (number, field) in Fields::new(point) {
            match field {
                Field::Varint(NO_RECORDED_VALUE) if number == flags => self.counts.markers += 1,
                // Field 5 of a summary is its sum, which has another form.
                Field::Bytes(_) if number == exemplars => self.counts.exemplars += 1,
                _ => {}
            }
        }
    }

    fn finish(self, resource: &[u8], scope: &[u8]) -> WriteBatch {
        let mut body = Vec::with_capacity(self.metrics.len() + resource.len() + 64);
        message(1, &mut body, |out| {
            Field::Bytes(resource).push(1, out);
            message(2, out, |out| {
                Field::Bytes(scope).push(1, out);
                out.extend_from_slice(&self.metrics);
            });
        });
        WriteBatch { body, counts: self.counts, gone: Vec::new() }
    }
}
