"""Sends over TCP with the client `statsd`, one call after another: HOST:PORT CALLS PAUSE_MS. In the end it prints calls, sent and failed.

After an error the next call opens a connection.
"""

import sys
import time

import statsd

address, calls, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000
host, _, port = address.rpartition(":")
client = statsd.TCPStatsClient(host, int(port))
sent = 0
for _ in range(calls):
    try:
        client.incr("tcp")
        sent += 1
    except OSError:
        client.close()
    time.sleep(pause)
client.close()
print(calls, sent, calls - sent, flush=True)
