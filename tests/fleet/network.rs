//! Network namespaces, connected by a virtual switch.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{peers, runner};

/// The namespace of the databases, with the switch, and those of the bridges. All are deleted at the end.
pub struct Network {
    hub: Node,
    nodes: Vec<Node>,
}

/// A namespace.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    address: Ipv4Addr,
}

impl Network {
    /// Connects this number of namespaces. Skips the test without `ip` or the permission.
    pub fn new(count: usize) -> Self {
        peers::program("ip");
        let prefix = format!("sbf{}", std::process::id());
        let node = |nth: u8| Node { name: format!("{prefix}-{nth}"), address: Ipv4Addr::new(10, 99, 0, 1 + nth) };
        let hub = node(0);
        if !succeeds(&format!("netns add {}", hub.name)) {
            runner::skip("the permission for network namespaces (`ip netns add`)");
        }
        let nodes = (1..=count).map(|nth| node(u8::try_from(nth).expect("few nodes"))).collect();
        let network = Self { hub, nodes };
        network.connect();
        network
    }

    fn connect(&self) {
        let hub = &self.hub;
        ip(&format!("-n {} link add switch type bridge", hub.name));
        ip(&format!("-n {} addr add {}/24 dev switch", hub.name, hub.address));
        ip(&format!("-n {} link set switch up", hub.name));
        ip(&format!("-n {} link set lo up", hub.name));
        for (nth, node) in self.nodes.iter().enumerate() {
            ip(&format!("netns add {}", node.name));
            ip(&format!("-n {} link add port{nth} type veth peer name eth0 netns {}", hub.name, node.name));
            ip(&format!("-n {} link set port{nth} master switch up", hub.name));
            ip(&format!("-n {} addr add {}/24 dev eth0", node.name, node.address));
            ip(&format!("-n {} link set eth0 up", node.name));
            ip(&format!("-n {} link set lo up", node.name));
        }
    }

    /// The namespace of the databases.
    pub fn hub(&self) -> &Node {
        &self.hub
    }

    /// The namespaces of the bridges.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.clone()
    }

    /// Cuts the link of a node at the switch, or connects it again.
    pub fn set_link(&self, nth: usize, is_up: bool) {
        ip(&format!("-n {} link set port{nth} {}", self.hub.name, if is_up { "up" } else { "down" }));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.nodes.iter().chain([&self.hub]).for_each(|node| {
            let _ = succeeds(&format!("netns del {}", node.name));
        });
    }
}

impl Node {
    /// Its address with a port.
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address.into(), port)
    }

    /// The label `instance` of its bridge.
    pub fn instance(&self) -> String {
        self.address.to_string()
    }

    /// A command that runs a program in the namespace, as the same process, without environment variables that configure the bridge.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("STATSD_BRIDGE_")) {
            command.env_remove(key);
        }
        command
    }

    /// Runs a function in a new thread of the namespace.
    pub fn spawn<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the file of the namespace");
        thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("the permission for the namespace");
            run()
        })
    }

    /// Runs a function in the namespace.
    pub fn within<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(run).join().expect("a thread of the test ends")
    }

    /// UDP datagrams of the namespace that no program received: their port was closed.
    pub fn unreceived(&self) -> u64 {
        // `self` in this path would be the main thread.
        let text = self.within(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("the counters of the kernel"));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, values) = lines.next().zip(lines.next()).expect("two lines for UDP");
        let value = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "NoPorts").expect("a counter of closed ports").1;
        value.parse().expect("a number")
    }
}

fn succeeds(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("`ip` runs");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
