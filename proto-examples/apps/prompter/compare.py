"""Sends requests to Gunicorn with four workers, and compares the results of a scrape in three ways.

    python compare.py --bridge ../../../target/release/statsd-bridge

1. prometheus_client as it is: a scrape reaches one worker, and shows its share.
2. prometheus_client with PROMETHEUS_MULTIPROC_DIR: the sum, from a folder of files that all workers write.
3. The bridge: the sum, and no folder.

Ends with 1 if 2 or 3 is not exact.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUESTS = 400


def free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read().decode()


def start(command: list, ready: str, **environment) -> subprocess.Popen:
    """Starts a program and waits until it answers."""
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while True:
        try:
            get(ready)
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                process.terminate()
                sys.exit(f"{command[:4]} does not start")
            time.sleep(0.1)


def requests_on(page: str) -> float:
    """The number of requests for /healthz in an exposition."""
    lines = re.findall(r'^starlette_requests_total\{[^}]*route="/healthz"[^}]*\} (\S+)$', page, re.MULTILINE)
    return sum(map(float, lines))


def asked(module: str, page: str, **environment) -> set:
    """The results of 30 scrapes after this number of requests. Without `page`, it scrapes the service."""
    bridged = bool(page)
    address = f"127.0.0.1:{free_port()}"
    flags = ["--workers=4", "--worker-class=uvicorn_worker.UvicornWorker", f"--bind={address}", "--no-control-socket"]
    # Write no bytecode files beside the examples.
    command = [sys.executable, "-B", "-m", "gunicorn", *flags, f"{module}:app"]
    process = start(command, f"http://{address}/openapi.json", **environment)
    page = page or f"http://{address}/metrics"
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: get(f"http://{address}/healthz"), range(REQUESTS)))
        # The workers send three times a second.
        end = time.monotonic() + 5
        while bridged and requests_on(get(page)) < REQUESTS and time.monotonic() < end:
            time.sleep(0.1)
        return {requests_on(get(page)) for _ in range(30)}
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bridge", default="statsd-bridge", help="the program statsd-bridge")
    statsd, web = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    flags = [f"--statsd.listen-udp={statsd}", "--statsd.listen-tcp=", f"--web.listen-address={web}"]
    flags += ["--statsd.mapping-config=mapping.yml", "--label=service=prompter-api", "--label=env=dev"]
    bridge_program = str(Path(arguments.parse_args().bridge).resolve())

    alone = asked("multiprocess_app", "")
    with tempfile.TemporaryDirectory() as folder:
        shared = asked("multiprocess_app", "", PROMETHEUS_MULTIPROC_DIR=folder)
        files = len(os.listdir(folder))
        size = sum(entry.stat().st_size for entry in os.scandir(folder))
    with tempfile.TemporaryDirectory() as folder:
        bridge = start([bridge_program, *flags], f"http://{web}/-/ready")
        try:
            environment = {"STATSD_ADDRESS": statsd, "PROMPTER_DB": f"{folder}/prompter.db"}
            bridged = asked("app", f"http://{web}/metrics", **environment)
        finally:
            bridge.terminate()
            bridge.wait()

    print(f"{REQUESTS} requests, 4 workers; 30 scrapes say:")
    print(f"  prometheus_client alone               {said(alone):10}  one worker's share, whichever answers")
    print(f"  prometheus_client, multiprocess mode  {said(shared):10}  from {files} files, {size / 1e6:.1f} MB")
    print(f"  bridge                                {said(bridged):10}  no folder")
    sys.exit(0 if shared == bridged == {REQUESTS} else 1)


def said(values: set) -> str:
    low, high = min(values), max(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


if __name__ == "__main__":
    main()
