"""The same load with the package statsd: python3 with_statsd.py [HOST [PORT]]"""

import os
import sys
import time

from statsd import StatsClient

defaults = [os.environ.get("STATSD_HOST", "127.0.0.1"), os.environ.get("STATSD_PORT", "9125")]
host, port = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
statsd = StatsClient(host, int(port))
for i in range(1, 2001):
    statsd.incr("client.bytes", i)
    statsd.gauge("client.queue_depth", i)
    statsd.gauge("client.queue_depth", -3, delta=True)
    statsd.timing("client.request_time", i % 4 * 250)
    statsd.set("client.users", f"u{i % 100}")
    if i % 10 == 0:
        time.sleep(0.01)
