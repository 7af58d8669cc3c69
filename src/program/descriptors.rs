//! File descriptors: as many as the system allows, shared out so that no kind of client can take those of another.
//!
//! Senders over TCP and clients over HTTP each have a limit of connections. Where both limits together are more than there are
//! descriptors, they are lowered at the start, with a warning, so that files, probes and the exposition have theirs. Must not know who
//! connects.

use std::fs;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Descriptors for all that is no connection of a client: files that are read and written, `/proc`, connections that are being closed.
const SPARE: u64 = 256;

/// Connections that are left where there are next to no descriptors.
const FEWEST: usize = 4;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// Over TCP, of senders.
    pub tcp: usize,
    /// Over HTTP.
    pub http: usize,
    /// Over HTTP, of those whose request has not come.
    pub waiting: usize,
}

/// Raises the soft limit to the hard one. To be called before anything is opened.
pub(super) fn raise_limit() {
    let Some((soft, hard)) = limits() else { return };
    if soft < hard {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) });
        match raised {
            Ok(()) => tracing::debug!(from = soft, to = hard, "the limit of open files was raised"),
            Err(error) => tracing::warn!(soft, hard, %error, "the limit of open files cannot be raised"),
        }
    }
}

/// The limits asked for, lowered to what the descriptors allow; with a warning if they are. To be called when all sockets are bound.
///
/// A connection over HTTP takes `each_http` descriptors.
pub(super) fn within_limit(asked: ConnectionLimits, each_http: usize) -> ConnectionLimits {
    let Some((most, _)) = limits() else { return asked };
    let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    let free = most.saturating_sub(open);
    let given = share(asked, each_http, free);
    if given != asked {
        tracing::warn!(
            limit = most,
            tcp_max_connections = given.tcp,
            web_max_connections = given.http,
            web_max_waiting_connections = given.waiting,
            "the limit of open files (ulimit -n, LimitNOFILE=) is too low for the limits of connections, which are lowered"
        );
    }
    given
}

/// Those that wait have at most a quarter of what there is, HTTP at most half of the rest; TCP has what remains.
fn share(asked: ConnectionLimits, each_http: usize, free: u64) -> ConnectionLimits {
    let free = usize::try_from(free.saturating_sub(SPARE.min(free / 2))).unwrap_or(usize::MAX);
    let each_http = each_http.max(1);
    let of_http = |connections: usize| connections.saturating_mul(each_http);
    if of_http(asked.http).saturating_add(of_http(asked.waiting)).saturating_add(asked.tcp) <= free {
        return asked;
    }
    let waiting = asked.waiting.min((free / 4 / each_http).max(FEWEST));
    let free = free.saturating_sub(of_http(waiting));
    // What TCP does not ask for is HTTP's too.
    let http = (free / 2).max(free.saturating_sub(asked.tcp)) / each_http;
    let http = asked.http.min(http.max(FEWEST));
    let tcp = asked.tcp.min(free.saturating_sub(of_http(http)).max(FEWEST));
    ConnectionLimits { tcp, http, waiting }
}

/// The soft and the hard limit of open files. Read from /proc: a sandbox may forbid the system call, which can change limits too.
fn limits() -> Option<(u64, u64)> {
    parse_limits(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse_limits(text: &str) -> Option<(u64, u64)> {
    let mut columns = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace();
    let mut limit = || columns.next().and_then(|text| if text == "unlimited" { Some(u64::MAX) } else { text.parse().ok() });
    Some((limit()?, limit()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_open_files() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             7                    8                    processes \n\
                    Max open files            1024                 unlimited            files     \n";
        assert_eq!(parse_limits(text), Some((1024, u64::MAX)));
        assert_eq!(parse_limits("Max open files  x  1  files"), None);
        assert!(limits().is_some_and(|(soft, hard)| soft <= hard));
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_shared() {
        let asked = ConnectionLimits { tcp: 1024, http: 256, waiting: 2048 };
        let all = 1024 + 256 + 2048;
        for (free, each_http, tcp, http, waiting) in [
            (u64::MAX, 1, 1024, 256, 2048),
            (all + SPARE, 1, 1024, 256, 2048),
            (all + SPARE - 1, 1, 1024, 256, 831),
            (1024 + SPARE, 1, 512, 256, 256),
            (1024 + SPARE, 2, 384, 192, 128),
            (200, 1, 38, 37, 25),
            (10, 1, 4, 4, 4),
            (0, 1, 4, 4, 4),
        ] {
            assert_eq!(share(asked, each_http, free), ConnectionLimits { tcp, http, waiting }, "{free}");
        }
        let many_pages = ConnectionLimits { tcp: 10, http: 10_000, waiting: 0 };
        assert_eq!(share(many_pages, 1, 1000 + SPARE), ConnectionLimits { tcp: 10, http: 990, waiting: 0 });
    }
}
