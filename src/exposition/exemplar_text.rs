//! The OpenMetrics form of exemplars, which follow the value of a line.

use super::float::push_float;
use crate::registry::Exemplar;

/// Appends ` # {trace_id="x"} 0.67 1700000000.123` after the value of a bucket or a counter.
pub(super) fn push_exemplar_openmetrics(exemplar: &Exemplar, out: &mut Vec<u8>) {
    out.extend_from_slice(b" # {");
    out.extend_from_slice(exemplar.labels.as_bytes());
    out.extend_from_slice(b"} ");
    push_float(exemplar.value, out);
    let millis = exemplar.time.as_millis();
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(millis / 1000).as_bytes());
    let rest = millis % 1000;
    out.push(b'.');
    out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn an_exemplar_stands_behind_the_value() {
        let time = Timestamp::from_millis(1_700_000_000_045);
        let mut out = b"x_total 3".to_vec();
        push_exemplar_openmetrics(&Exemplar { bucket: 0, labels: "trace_id=\"a\\\"b\"".into(), value: 0.67, time, number: 0 }, &mut out);
        assert_eq!(String::from_utf8(out).as_deref(), Ok("x_total 3 # {trace_id=\"a\\\"b\"} 0.67 1700000000.045"));
    }
}
