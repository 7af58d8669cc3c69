//! The container of a process, as the paths of its cgroups in `/proc/PID/cgroup` name it.
//!
//! ```text
//! 0::/system.slice/docker-<id>.scope                                                       Docker, cgroup v2, systemd
//! 5:memory:/docker/<id>                                                                    Docker, cgroup v1
//! 0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope
//! 1:name=systemd:/kubepods/besteffort/pod<uid>/<id>                                        Kubernetes with cgroupfs
//! 0::/system.slice/containerd.service/kubepods-pod<uid>.slice:cri-containerd:<id>
//! 0::/../../machine.slice/libpod-<id>.scope/container                                      Podman, from another cgroup namespace
//! ```
//! The innermost id counts, so that a container in a container is itself. Must not read anything.

use crate::source::ContainerId;

/// The container that the text of `/proc/PID/cgroup` names.
pub(super) fn container(text: &str) -> Option<ContainerId> {
    // One line for each hierarchy of cgroup v1 and for v2. The path is the last field, and may contain colons.
    text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(of_path)
}

fn of_path(path: &str) -> Option<ContainerId> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').find_map(of_name)
}

/// The id in the name of one cgroup.
fn of_name(name: &str) -> Option<ContainerId> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let last = name.rsplit(':').next()?;
    if let Some(id) = ContainerId::new(last) {
        return Some(id);
    }
    // What systemd calls it: the runtime, a hyphen, the id.
    let (runtime, id) = last.rsplit_once('-')?;
    // The monitor of a container is not in it.
    if runtime.ends_with("conmon") { None } else { ContainerId::new(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3f2a8c11d0e94b6a97c5f8e1b2d4a6c8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8";
    const B: &str = "b0a1c2d3e4f5061728394a5b6c7d8e9fb0a1c2d3e4f5061728394a5b6c7d8e9f";
    const TASK: &str = "34dc0b5e626f2c5c4c5170e34b10e765-1234567890";
    const GARDEN: &str = "34dc0b5e-626f-2c5c-4c51-70e3";

    fn found(text: &str) -> Option<String> {
        container(&text.replace("<A>", A).replace("<B>", B).replace("<TASK>", TASK).replace("<GARDEN>", GARDEN)).map(|id| id.to_string())
    }

    #[test]
    fn containers_of_all_runtimes_are_found() {
        let cases = [
            // Docker.
            "12:cpu,cpuacct:/docker/<A>\n11:memory:/docker/<A>\n1:name=systemd:/docker/<A>\n0::/system.slice/containerd.service\n",
            "0::/system.slice/docker-<A>.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<A>.scope\n",
            "0::/docker/<A>/init.scope\n",
            "0::/docker/<A>/system.slice/cron.service\n",
            "0::/../<A>\n",
            "0::/../../system.slice/docker-<A>.scope\n",
            "0::/../docker-<A>.scope",
            // Kubernetes, with both drivers and several runtimes.
            "11:perf_event:/kubepods/besteffort/pod3d274242-8ee0-11e9-a8a6-1e68d864ef1a/<A>\n",
            "11:memory:/kubepods/pod3d274242-8ee0-11e9-a8a6-1e68d864ef1a/<A>\n",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2d3da189_6407_48e3_9ab6_78188d75e609.slice/cri-containerd-<A>.scope\n",
            "0::/kubepods.slice/kubepods-pod2d3da189_6407_48e3_9ab6_78188d75e609.slice/docker-<A>.scope",
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod2d3da189_6407_48e3_9ab6_78188d75e609.slice/crio-<A>.scope/container\n",
            "0::/../crio-<A>.scope/container\n",
            "9:pids:/system.slice/containerd.service/kubepods-burstable-pod2d3d.slice:cri-containerd:<A>\n",
            "0::/../cri-containerd-<A>.scope",
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod2d3d.slice/cri-containerd-<A>.scope\n",
            // Podman.
            "0::/machine.slice/libpod-<A>.scope\n",
            "0::/machine.slice/libpod-<A>.scope/container\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<A>.scope/container",
            "10:devices:/libpod_parent/libpod-<A>\n9:memory:/libpod_parent/libpod-<A>\n",
            // containerd without Kubernetes, ECS on EC2.
            "0::/system.slice/nerdctl-<A>.scope\n",
            "0::/default/<A>\n",
            "9:perf_event:/ecs/34dc0b5e626f2c5c4c5170e34b10e765/<A>\n",
            "9:perf_event:/ecs/my-cluster/34dc0b5e626f2c5c4c5170e34b10e765/<A>\n",
            // The first hierarchy may know nothing.
            "13:misc:/\n12:rdma:/\n11:blkio:/docker/<A>\n",
            "0::/\n1:name=systemd:/docker/<A>\n",
            // A container in a container, and one that ends.
            "0::/docker/<B>/docker/<A>\n",
            "0::/kubepods/burstable/pod34dc0b5e/<B>/docker/<A>/init.scope\n",
            "0::/system.slice/docker-<A>.scope (deleted)\n",
        ];
        for case in cases {
            assert_eq!(found(case).as_deref(), Some(A), "{case}");
        }
        assert_eq!(found("9:perf_event:/ecs/34dc0b5e626f2c5c4c5170e34b10e765/<TASK>\n").as_deref(), Some(TASK));
        assert_eq!(found("8:pids:/garden/<GARDEN>\n").as_deref(), Some(GARDEN));
        assert_eq!(found("8:pids:/system.slice/garden.service/garden/<GARDEN>\n").as_deref(), Some(GARDEN));
    }

    #[test]
    fn processes_outside_of_containers_have_none() {
        for case in [
            "",
            "\n\n",
            "0",
            "0::",
            "0::/",
            "0::/\n",
            "no colons at all",
            "9:name=systemd:/\n8:pids:/\n0::/\n",
            "0::/init.scope\n",
            "0::/system.slice/cron.service\n",
            "0::/system.slice/containerd.service\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal-1234.scope\n",
            // The monitors of containers, and pods.
            "0::/machine.slice/libpod-conmon-<A>.scope\n",
            "0::/kubepods.slice/kubepods-pod2d3d.slice/crio-conmon-<A>.scope\n",
            "0::/kubepods/burstable/pod3d274242-8ee0-11e9-a8a6-1e68d864ef1a\n",
            "0::/kubepods/burstable/pod34dc0b5e626f2c5c4c5170e34b10e765\n",
            // Nearly ids.
            "0::/docker/<A>0\n",
            "0::/docker/0123456789abcdef\n",
            "0::/docker/3F2A8C11D0E94B6A97C5F8E1B2D4A6C8E0F1A3B5C7D9E1F2A4B6C8D0E2F4A6B8\n",
            "0::/lxc/web-1\n",
        ] {
            assert_eq!(found(case), None, "{case:?}");
        }
    }
}
