"""The same load with the package datadog: python3 with_datadog.py [HOST [PORT]]"""

import os
import sys
import time

from datadog.dogstatsd import DogStatsd

defaults = [os.environ.get("STATSD_HOST", "127.0.0.1"), os.environ.get("STATSD_PORT", "9125")]
host, port = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
# Its telemetry would be samples more than the 10,000.
statsd = DogStatsd(host=host, port=int(port), disable_telemetry=True)
tags = ["route:/orders", "method:GET"]
for i in range(1, 1251):
    statsd.increment("client.requests", tags=tags)
    statsd.increment("client.requests", 2, tags=tags)
    statsd.increment("client.bytes", i)
    statsd.gauge("client.queue_depth", i)
    statsd.timing("client.request_time", i % 4 * 250)
    statsd.histogram("client.job_seconds", 0.75)
    statsd.distribution("client.response_size", i % 8)
    statsd.set("client.users", f"u{i % 100}")
    if i % 10 == 0:
        time.sleep(0.01)
