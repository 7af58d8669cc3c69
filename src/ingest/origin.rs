//! origin: the part of a sender that is a label: its bytes in the key of a binding, and its text.
//!
//! A key holds what the label depends on and the line does not contain, so that the same line of two senders has two bindings.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::ingest::protocol::Sample;
use crate::options::OriginValue;
use crate::source::{ContainerId, Source};

/// Maximum length of the bytes of a sender.
const MOST: usize = 64;

/// The bytes of a sender at the end of a binding's key, followed by their number, so that no tags can look like a sender.
pub(crate) struct OriginKey {
    bytes: [u8; MOST + 1],
    len: usize,
}

impl OriginKey {
    /// The bytes of `source`; none if there is no label of the origin.
    #[inline]
    pub(crate) fn of(value: Option<OriginValue>, source: &Source) -> Self {
        let none = Self { bytes: [0; MOST + 1], len: 0 };
        match value {
            None => none,
            Some(OriginValue::Address) => match ip(source) {
                Some(IpAddr::V4(address)) => none.with(&address.octets()),
                Some(IpAddr::V6(address)) => none.with(&address.octets()),
                None => none.with(&[]),
            },
            Some(OriginValue::ContainerId) => none.with(container(source).map_or(&[], |id| id.as_str().as_bytes())),
        }
    }

    #[inline]
    fn with(mut self, bytes: &[u8]) -> Self {
        let len = bytes.len().min(MOST);
        if let (Some(place), Some(bytes)) = (self.bytes.get_mut(..len), bytes.get(..len)) {
            place.copy_from_slice(bytes);
        }
        if let Some(number) = self.bytes.get_mut(len) {
            *number = len as u8;
        }
        Self { len: len + 1, ..self }
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The value of the label; `None` if the sender is not known.
pub(crate) fn value<'a>(value: OriginValue, source: &Source, sample: &Sample<'a>) -> Option<Cow<'a, str>> {
    match value {
        OriginValue::Address => ip(source).map(|ip| ip.to_string().into()),
        OriginValue::ContainerId => match container(source) {
            Some(id) => Some(id.to_string().into()),
            None => stated_container(sample.tags),
        },
    }
}

/// The container that a line states: `c:ID` or `c:ci-ID`. An inode of a cgroup, `c:in-1234`, is no id.
fn stated_container(identity: &[u8]) -> Option<Cow<'_, str>> {
    let separator = if identity.starts_with(b"\n") { b'\n' } else { b'|' };
    let stated = identity.split(|byte| *byte == separator).filter_map(|field| field.strip_prefix(b"c:")).next_back()?;
    let id = stated.strip_prefix(b"ci-").unwrap_or(stated);
    (!id.is_empty() && !id.starts_with(b"in-")).then(|| String::from_utf8_lossy(id))
}

fn ip(source: &Source) -> Option<IpAddr> {
    match source {
        Source::Udp(address) | Source::Tcp(address) => Some(address.ip()),
        _ => None,
    }
}

fn container(source: &Source) -> Option<&ContainerId> {
    match source {
        Source::UnixgramOf(peer) | Source::Unix(peer) => peer.container.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::UnixPeer;

    const ID: &str = "01234567-89ab-cdef-0123-4567";

    fn key(value: OriginValue, source: Source) -> Vec<u8> {
        OriginKey::of(Some(value), &source).as_slice().to_vec()
    }

    #[test]
    fn keys_differ_as_labels_do() {
        use OriginValue::{Address, ContainerId as Container};
        let [udp, other, tcp] = [("10.0.0.1:5", Source::Udp as fn(_) -> _), ("10.0.0.2:5", Source::Udp), ("10.0.0.1:6", Source::Tcp)]
            .map(|(address, of)| of(address.parse().unwrap()));
        assert_eq!(key(Address, udp), [10, 0, 0, 1, 4]);
        assert_eq!((key(Address, udp) == key(Address, other), key(Address, udp)), (false, key(Address, tcp)));
        assert_eq!(key(Address, Source::Udp("[::1]:5".parse().unwrap())).len(), 17);
        assert_eq!([key(Address, Source::Unixgram), key(Container, udp)], [[0], [0]]);
        let inside = Source::Unix(UnixPeer { container: ContainerId::new(ID), ..UnixPeer::new(7, 1) });
        assert_eq!(key(Container, inside), [ID.as_bytes(), &[28]].concat());
        assert_eq!(key(Address, inside), [0]);
        let longest = Source::UnixgramOf(UnixPeer { container: ContainerId::new(&"ab".repeat(32)), ..UnixPeer::new(7, 1) });
        assert_eq!(key(Container, longest).len(), MOST + 1);
        assert_eq!(OriginKey::of(None, &udp).as_slice(), b"");
    }

    #[test]
    fn a_container_is_that_of_the_kernel_or_of_the_line() {
        let stated = |tags: &str| {
            let sample = Sample { tags: tags.as_bytes(), ..Sample::default() };
            value(OriginValue::ContainerId, &Source::Unknown, &sample).map(|id| id.into_owned())
        };
        let some = |id: &str| Some(id.to_owned());
        assert_eq!([stated("#a:b|c:ci-x1"), stated("c:x1|e:it-false|#a:b"), stated("c:x1")], [some("x1"), some("x1"), some("x1")]);
        assert_eq!([stated("#a:b"), stated(""), stated("#c:x1"), stated("c:in-1234"), stated("c:ci-"), stated("c:")], [const { None }; 6]);
        assert_eq!([stated("\nhost:a\nc:ci-x1"), stated("\nhost:a|c:x1")], [some("x1"), None]);
        let inside = Source::Unix(UnixPeer { container: ContainerId::new(ID), ..UnixPeer::new(7, 1) });
        let sample = Sample { tags: b"c:ci-forged", ..Sample::default() };
        assert_eq!(value(OriginValue::ContainerId, &inside, &sample).as_deref(), Some(ID));
        assert_eq!(value(OriginValue::Address, &Source::Udp("[::1]:5".parse().unwrap()), &sample).as_deref(), Some("::1"));
    }
}
