//! Values in /proc for a child: CPU time, memory, and datagrams that the kernel dropped at a UDP port.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

/// A child process. It is killed when this is dropped.
pub(crate) struct Process(pub(crate) Child);

/// CPU time of a process since its start.
pub(crate) struct Cpu {
    /// User and system time of all its threads, ended ones included, in ticks of mostly 10 ms.
    ticks: u64,
    /// Nanoseconds by thread; empty if the kernel has no schedstat.
    threads: HashMap<OsString, u64>,
}

impl Process {
    /// Reads the current values.
    pub(crate) fn cpu(&self) -> Result<Cpu, String> {
        let path = format!("/proc/{}/stat", self.0.id());
        let stat = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        // The second field is the name of the program in parentheses, which can contain blanks and parentheses.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|f| f.parse::<u64>().ok());
        match (ticks(11), ticks(12)) {
            (Some(user), Some(system)) => Ok(Cpu { ticks: user + system, threads: self.threads() }),
            _ => Err(format!("{path}: no user and system time in {stat:?}")),
        }
    }

    fn threads(&self) -> HashMap<OsString, u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).into_iter().flatten().flatten();
        let nanoseconds = |task: &fs::DirEntry| -> Option<u64> {
            fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
        };
        tasks.filter_map(|task| nanoseconds(&task).map(|n| (task.file_name(), n))).collect()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let kibibytes = status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.map(|n| n * 1024).ok_or_else(|| format!("{path}: no VmRSS"))
    }

    /// Waits until the CPU time stays the same, so that everything sent is processed.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let start = Instant::now();
        let (mut last, mut since) = (self.cpu()?.ticks, start);
        while since.elapsed() < Duration::from_millis(200) {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("a receiver is still busy 20 s after the last datagram".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
            let now = self.cpu()?.ticks;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

impl Cpu {
    /// Nanoseconds used between `before` and this.
    ///
    /// Prefers the scheduler's clock of each thread, because a tick is a tenth of what the floor uses in a short round. Both values
    /// are read when everything is received, so a thread that ended in between was idle.
    pub(crate) fn nanoseconds_since(&self, before: &Self) -> f64 {
        if self.threads.is_empty() || before.threads.is_empty() {
            return (self.ticks - before.ticks) as f64 * 1e9 / rustix::param::clock_ticks_per_second() as f64;
        }
        let used = |(thread, now): (&OsString, &u64)| now.saturating_sub(before.threads.get(thread).copied().unwrap_or(0));
        self.threads.iter().map(used).sum::<u64>() as f64
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Datagrams that the kernel dropped at IPv4 sockets of this port.
pub(crate) fn udp_drops(port: u16) -> Result<u64, String> {
    let table = fs::read_to_string("/proc/net/udp").map_err(|e| format!("/proc/net/udp: {e}"))?;
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace());
    let drops = rows.filter_map(|mut row| row.nth(1)?.ends_with(&local).then(|| row.last()?.parse::<u64>().ok()).flatten());
    Ok(drops.sum())
}
