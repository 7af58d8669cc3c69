"""The machine and this process, by psutil."""

import os

import psutil

from .. import custom_metrics as m


class SystemCollector:
    """Each method reads, sends, and gives what it read, by the name of its metric."""

    def __init__(self, disk: str = "/"):
        self._disk, self._process = disk, psutil.Process(os.getpid())

    def collect_all(self) -> dict[str, float]:
        return self.collect_cpu() | self.collect_memory() | self.collect_disk() | self.collect_process()

    def collect_cpu(self) -> dict[str, float]:
        # Since the last call; the first one of a process gives 0.
        return self._send({m.system_cpu_percent: psutil.cpu_percent()})

    def collect_memory(self) -> dict[str, float]:
        return self._send({m.system_memory_percent: psutil.virtual_memory().percent})

    def collect_disk(self) -> dict[str, float]:
        return self._send({m.system_disk_percent: psutil.disk_usage(self._disk).percent})

    def collect_process(self) -> dict[str, float]:
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            return self._send(
                {
                    m.process_cpu_seconds: cpu.user + cpu.system,
                    m.process_resident_memory: self._process.memory_info().rss,
                    m.process_open_file_descriptors: self._process.num_fds(),
                    m.process_threads_count: self._process.num_threads(),
                }
            )

    @staticmethod
    def _send(values) -> dict[str, float]:
        for metric, value in values.items():
            metric.set(value)
        return {metric.name: value for metric, value in values.items()}
