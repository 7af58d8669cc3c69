//! The shape of a label's values: what looks like an identifier has a new value for each request or user, and no limit.

/// What the values look like; `None` if they have no such shape.
pub(super) fn shape(values: &[String]) -> Option<&'static str> {
    let shapes: [(&str, fn(&str) -> bool); 7] = [
        ("UUID", is_uuid),
        ("IP address", is_address),
        ("URL or path", |text| text.contains("://") || text.matches('/').count() >= 2),
        ("e-mail address", |text| text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))),
        ("timestamp", is_time),
        ("hash", |text| text.len() >= 16 && text.chars().all(|c| c.is_ascii_hexdigit())),
        ("number", |text| text.len() >= 3 && text.chars().all(|c| c.is_ascii_digit())),
    ];
    let has = |test: fn(&str) -> bool| values.len() >= 2 && values.iter().all(|value| test(value));
    shapes.into_iter().find(|(_, test)| has(*test)).map(|(name, _)| name)
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok()
}

/// Seconds or milliseconds since 1970 in this century, or a date.
fn is_time(text: &str) -> bool {
    let is_epoch = matches!(text.len(), 10 | 13) && text.starts_with(['1', '2']) && text.chars().all(|c| c.is_ascii_digit());
    let is_date = |text: &str| {
        text.len() == 10 && text.chars().enumerate().all(|(at, c)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() })
    };
    is_epoch || text.get(..10).is_some_and(is_date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_recognised() {
        let shape = |values: &[&str]| shape(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(shape(&["6f1c2f4e-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"]), Some("UUID"));
        assert_eq!(shape(&["10.0.0.1", "::1"]), Some("IP address"));
        assert_eq!(shape(&["/a/b", "https://x"]), Some("URL or path"));
        assert_eq!(shape(&["a@b.c", "d@e.f"]), Some("e-mail address"));
        assert_eq!(shape(&["1700000000", "1700000001"]), Some("timestamp"));
        assert_eq!(shape(&["2026-11-28", "2026-11-28T15:00:00Z"]), Some("timestamp"));
        assert_eq!(shape(&["12345", "678"]), Some("number"));
        assert_eq!((shape(&["eu", "us"]), shape(&["10.0.0.1"]), shape(&["a", "10.0.0.1"])), (None, None, None));
    }
}
