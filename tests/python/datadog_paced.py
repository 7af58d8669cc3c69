"""Sends with the client `datadog`, one call after another: ADDRESS CALLS PAUSE_MS [NAME].

The address is HOST:PORT or that of a Unix socket.

In the end it prints what the client counted: calls, datagrams or frames sent, and dropped. A call that fails is dropped.
"""

import sys
import time

from datadog.dogstatsd import base

address, calls, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000
name = sys.argv[4] if len(sys.argv) > 4 else "paced"
COUNTED = ["metrics_count", "packets_sent", "packets_dropped"]
totals = dict.fromkeys(COUNTED, 0)


class Client(base.DogStatsd):
    """The client starts its counts again after each report."""

    def _reset_telemetry(self):
        for name in COUNTED:
            totals[name] += getattr(self, name, 0) if hasattr(self, "packets_sent") else 0
        super()._reset_telemetry()


if address.startswith("unix"):
    where = {"socket_path": address, "socket_timeout": 60}
else:
    host, _, port = address.rpartition(":")
    where = {"host": host, "port": int(port)}
client = Client(disable_buffering=True, telemetry_min_flush_interval=0.5, **where)
for _ in range(calls):
    client.increment(name)
    time.sleep(pause)
client._reset_telemetry()
print(*(totals[name] for name in COUNTED), flush=True)
