//! File descriptors: raises their limit, and divides them between senders, HTTP and files.
//!
//! TCP, Unix streams and HTTP each have a limit of connections. If these limits exceed the number of descriptors, they are lowered at the start, with a
//! warning, so that descriptors remain for files, probes and scrapes. Must not know what a connection carries.

use std::fs;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::program::net::error_text;

/// Descriptors that are not for connections of clients: files, `/proc`, connections that are being closed.
const RESERVED: u64 = 256;

/// The lowest limit of connections, even with too few descriptors.
const MIN_CONNECTIONS: usize = 4;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// TCP connections of senders.
    pub tcp: usize,
    /// Unix stream connections of senders.
    pub unix: usize,
    /// HTTP connections that have sent a request.
    pub http: usize,
    /// HTTP connections before their first request.
    pub waiting: usize,
}

/// The limits of open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileLimits {
    soft: u64,
    hard: u64,
}

/// Raises the soft limit of open files to the hard one. Call it before any socket or file is opened.
pub(super) fn raise_limit() {
    let Some(FileLimits { soft, hard }) = limits() else {
        tracing::warn!("the limit of open files cannot be read from /proc/self/limits and is not raised");
        return;
    };
    if soft < hard {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) });
        match raised {
            Ok(()) => tracing::debug!(from = soft, to = hard, "the limit of open files was raised"),
            Err(error) => tracing::warn!(soft, hard, %error, "the limit of open files cannot be raised"),
        }
    }
}

/// Lowers limits of connections to the number of descriptors, with a warning. Call it when all sockets are bound.
///
/// An HTTP connection uses `each_http` descriptors.
pub(super) fn within_limit(requested: ConnectionLimits, each_http: usize) -> ConnectionLimits {
    // `raise_limit` has logged why the limits are unknown.
    let Some(FileLimits { soft: limit, .. }) = limits() else { return requested };
    let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64).unwrap_or_else(|error| {
        tracing::warn!(error = error_text(&error), "open files cannot be counted in /proc/self/fd");
        0
    });
    let free = limit.saturating_sub(open);
    let given = share(requested, each_http, free);
    if given != requested {
        tracing::warn!(
            limit,
            tcp_max_connections = given.tcp,
            unix_max_connections = given.unix,
            web_max_connections = given.http,
            web_max_waiting_connections = given.waiting,
            "the limit of open files (ulimit -n, LimitNOFILE=) is too low for the limits of connections, which are lowered"
        );
    }
    given
}

/// Divides descriptors: waiting connections get at most a quarter, HTTP at most half of the rest, and senders the remaining ones. TCP and
/// Unix streams share these in proportion to their limits.
fn share(requested: ConnectionLimits, each_http: usize, free: u64) -> ConnectionLimits {
    let free = usize::try_from(free.saturating_sub(RESERVED.min(free / 2))).unwrap_or(usize::MAX);
    let each_http = each_http.max(1);
    let of_senders = requested.tcp.saturating_add(requested.unix);
    let of_http = |connections: usize| connections.saturating_mul(each_http);
    if of_http(requested.http).saturating_add(of_http(requested.waiting)).saturating_add(of_senders) <= free {
        return requested;
    }
    let waiting = requested.waiting.min((free / 4 / each_http).max(MIN_CONNECTIONS));
    let free = free.saturating_sub(of_http(waiting));
    // HTTP also gets the descriptors that senders do not need.
    let http = (free / 2).max(free.saturating_sub(of_senders)) / each_http;
    let http = requested.http.min(http.max(MIN_CONNECTIONS));
    let left = free.saturating_sub(of_http(http));
    let for_unix =
        (left as u128 * requested.unix as u128).checked_div(of_senders as u128).and_then(|share| share.try_into().ok()).unwrap_or(0);
    let unix = requested.unix.min(usize::max(for_unix, MIN_CONNECTIONS));
    let tcp = requested.tcp.min(left.saturating_sub(unix).max(MIN_CONNECTIONS));
    ConnectionLimits { tcp, unix, http, waiting }
}

/// The limits of open files. They are read from /proc, because sandboxes forbid the system call, which can also change limits.
fn limits() -> Option<FileLimits> {
    parse_limits(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse_limits(text: &str) -> Option<FileLimits> {
    let mut columns = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace();
    let mut limit = || columns.next().and_then(|text| if text == "unlimited" { Some(u64::MAX) } else { text.parse().ok() });
    Some(FileLimits { soft: limit()?, hard: limit()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_open_files_are_parsed() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             7                    8                    processes \n\
                    Max open files            1024                 unlimited            files     \n";
        assert_eq!(parse_limits(text), Some(FileLimits { soft: 1024, hard: u64::MAX }));
        assert_eq!(parse_limits("Max open files  x  1  files"), None);
        assert!(limits().is_some_and(|limits| limits.soft <= limits.hard));
    }

    #[test]
    fn limits_that_fit_stay_and_others_are_lowered() {
        let requested = ConnectionLimits { tcp: 1024, unix: 0, http: 256, waiting: 2048 };
        let all = 1024 + 256 + 2048;
        for (free, each_http, tcp, http, waiting) in [
            (u64::MAX, 1, 1024, 256, 2048),
            (all + RESERVED, 1, 1024, 256, 2048),
            (all + RESERVED - 1, 1, 1024, 256, 831),
            (1024 + RESERVED, 1, 512, 256, 256),
            (1024 + RESERVED, 2, 384, 192, 128),
            (200, 1, 38, 37, 25),
            (10, 1, 4, 4, 4),
            (0, 1, 4, 4, 4),
        ] {
            assert_eq!(share(requested, each_http, free), ConnectionLimits { tcp, unix: 0, http, waiting }, "{free}");
        }
        let mostly_http = ConnectionLimits { tcp: 10, unix: 0, http: 10_000, waiting: 0 };
        assert_eq!(share(mostly_http, 1, 1000 + RESERVED), ConnectionLimits { tcp: 10, unix: 0, http: 990, waiting: 0 });
        let both = ConnectionLimits { tcp: 1024, unix: 3072, http: 0, waiting: 0 };
        assert_eq!(share(both, 1, 1000 + RESERVED), ConnectionLimits { tcp: 250, unix: 750, http: 0, waiting: 0 });
    }
}
