"""Measures the cost of tracking per request: the same application with and without tracking, in one process, called alternately like a server.

    python overhead.py --bridge ../../../target/release/statsd-bridge

`/test-metrics` does nothing, so its time is Emmett's own; `/report` asks a database for a millisecond or two. Prints medians over
batches: the CPU time of the process for one request, sending included, and the time until the answer. What is more is the median
of the differences of neighbouring batches, so that other programs of the machine disturb little. (Two processes would not do:
from one start to the next the same program differs by some per cent.)
"""

import argparse
import asyncio
import importlib
import os
import socket
import statistics
import subprocess
import sys
import time

BATCHES = 25
#: Requests per batch. A batch is longer than the interval of the sending thread.
REQUESTS = {"/test-metrics": 25_000, "/report": 300}


def free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


def load(tracked: bool, statsd: str):
    """Creates the application, with or without tracking."""
    os.environ |= {"PROMETHEUS_ENABLED": str(tracked).lower(), "STATSD_ADDRESS": statsd}
    for name in ("app", "system", "tracking"):
        sys.modules.pop(name, None)
    return importlib.import_module("app").app


async def batch(app, path: str) -> tuple:
    """CPU time of the process and elapsed time of the client, per request."""

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message):
        pass

    headers = [(b"host", b"localhost"), (b"accept", b"*/*")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http", "headers": headers}
    scope |= {"http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1)}
    waited, start = [], time.process_time()
    for _ in range(REQUESTS[path]):
        asked = time.perf_counter()
        await app(dict(scope), receive, send)
        waited.append(time.perf_counter() - asked)
    return (time.process_time() - start) / REQUESTS[path], statistics.median(waited)


async def compare(statsd: str) -> None:
    applications = {tracked: load(tracked, statsd) for tracked in (False, True)}
    for path in REQUESTS:
        found = {False: [], True: []}
        for number in range(BATCHES + 1):
            # The order alternates between batches. The first batch is a warm-up.
            for tracked in (True, False) if number % 2 else (False, True):
                result = await batch(applications[tracked], path)
                if number:
                    found[tracked].append(result)
        for column, what in enumerate(("CPU", "time")):
            off = statistics.median(result[column] for result in found[False]) * 1e6
            pairs = zip(found[True], found[False])
            more = statistics.median(on[column] - without[column] for on, without in pairs) * 1e6
            print(f"{path:14} {what:4}  off {off:7.1f} us   on {off + more:7.1f} us   more {more:5.1f} us  {100 * more / off:5.2f} %")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bridge", default="statsd-bridge", help="the program statsd-bridge")
    statsd = f"127.0.0.1:{free_port()}"
    flags = [f"--statsd.listen-udp={statsd}", "--statsd.listen-tcp=", f"--web.listen-address=127.0.0.1:{free_port()}"]
    command = [arguments.parse_args().bridge, *flags, "--udp.workers=1"]
    bridge = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(compare(statsd))
    finally:
        bridge.terminate()
        bridge.wait()


if __name__ == "__main__":
    main()
