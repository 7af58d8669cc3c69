//! The id of a container, as a runtime writes it into the names of cgroups.

use std::fmt;

/// Maximum length of an id.
const MOST: usize = 64;

/// The id of a container: 64 hexadecimal digits (Docker, containerd, CRI-O, Podman), 32 and a number (tasks of AWS Fargate), or a UUID
/// (Garden). It is part of a [`Source`](super::Source), so it has no memory of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContainerId {
    bytes: [u8; MOST],
    len: u8,
}

impl ContainerId {
    /// The id, if the text has one of the forms.
    pub fn new(text: &str) -> Option<Self> {
        if !is_hex(text, 64) && !is_task(text) && !is_uuid(text) {
            return None;
        }
        let mut bytes = [0; MOST];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len: text.len() as u8 })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.len)).and_then(|bytes| str::from_utf8(bytes).ok());
        debug_assert!(text.is_some(), "an id is ASCII");
        text.unwrap_or_default()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `0123456789abcdef0123456789abcdef-1234567890`.
fn is_task(text: &str) -> bool {
    let number = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(task, container)| is_hex(task, 32) && number(container))
}

/// `01234567-89ab-cdef-0123-4567`, or with 12 digits at the end.
fn is_uuid(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_begun = parts.next().is_some_and(|part| is_hex(part, 8)) && (0..3).all(|_| parts.next().is_some_and(|part| is_hex(part, 4)));
    is_begun && parts.next().is_some_and(|part| is_hex(part, 4) || is_hex(part, 12)) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_accepted() {
        let hex = "0123456789abcdef".repeat(4);
        let task = format!("{}-3193609137", &hex[..32]);
        for good in [&*hex, &task, "01234567-89ab-cdef-0123-4567", "01234567-89ab-cdef-0123-456789abcdef"] {
            assert_eq!(ContainerId::new(good).map(|id| id.to_string()).as_deref(), Some(good));
        }
        let upper = hex.to_uppercase();
        let long = format!("{}-{}", &hex[..32], "1".repeat(21));
        for bad in ["", &hex[1..], &format!("{hex}0"), &upper, &long, &hex[..32], "init.scope", "01234567-89ab-cdef-0123", "é"] {
            assert_eq!(ContainerId::new(bad), None, "{bad}");
        }
    }
}
