"""System metrics of this process, off unless PROMETHEUS_SYSTEM_METRICS=true: CPU, memory, file descriptors, garbage collection.

Every worker of a server sends its own, with the label `pid`. mapping.yml has a ttl for the series of ended workers.
"""

import gc
import os
import resource
import threading
import time
from pathlib import Path

from tracking import metrics, switched_on

#: Seconds between two measurements.
INTERVAL = 5


def start() -> None:
    """Starts to send, if the environment enables it."""
    if metrics.enabled and switched_on("PROMETHEUS_SYSTEM_METRICS", default=False):
        threading.Thread(target=_send_for_ever, daemon=True).start()


def _send_for_ever() -> None:
    pid, last = os.getpid(), {}
    while True:
        for (name, labels), total in _totals().items():
            metrics.count(name, total - last.get((name, labels), 0), pid=pid, **dict(labels))
            last[name, labels] = total
        for name, value in _levels().items():
            metrics.gauge(name, value, pid=pid)
        time.sleep(INTERVAL)


def _totals() -> dict:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    totals = {("emmett_process_cpu_seconds_total", ()): round(usage.ru_utime + usage.ru_stime, 6)}
    for generation, stats in enumerate(gc.get_stats()):
        totals["python_gc_collections_total", (("generation", generation),)] = stats["collections"]
        totals["python_gc_objects_collected_total", (("generation", generation),)] = stats["collected"]
    return totals


def _levels() -> dict:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "emmett_process_resident_memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "emmett_process_open_fds": len(os.listdir("/proc/self/fd")),
    }
