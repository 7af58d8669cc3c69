"""Sends 10,000 samples to a StatsD server: python3 send.py [HOST [PORT]]"""

import os
import socket
import sys
import time


class Statsd:
    def __init__(self, host, port):
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(family, kind)
        self.socket.connect(address)

    def send(self, *lines):
        try:
            self.socket.send("\n".join(lines).encode())
        except OSError:
            pass  # a failed send must not disturb what is being measured


defaults = [os.environ.get("STATSD_HOST", "127.0.0.1"), os.environ.get("STATSD_PORT", "9125")]
arguments = sys.argv[1:]
statsd = Statsd(*arguments, *defaults[len(arguments) :])
for i in range(1, 1251):
    statsd.send(
        "client.requests:1|c|#route:/orders,method:GET",
        f"client.bytes:{i}|c",
        f"client.queue_depth:{i}|g",
        "client.queue_depth:-3|g",
        f"client.request_time:{i % 4 * 250}|ms",
        "client.job_seconds:0.75|h|@0.25",
        f"client.response_size:{i % 8}|d",
        f"client.users:u{i % 100}|s",
    )
    if i % 10 == 0:
        time.sleep(0.01)  # UDP has no brake but the sender's
