"""Sends with the client `statsd`: HOST PORT ROUNDS udp|pipeline|tcp. What a round sends is counted out in tests/clients.rs.

After some rounds it prints how many are sent and waits for a line on stdin, so that the kernel never holds many datagrams.
"""

import random
import sys

import statsd

host, port, rounds, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
# The client sends every sampled call, so that the totals are exact. It still writes the rate.
random.random = lambda: 0.0
if mode == "tcp":
    connection = statsd.TCPStatsClient(host, port, prefix="py")
else:
    connection = statsd.StatsClient(host, port, prefix="py", maxudpsize=1400)
client = connection if mode == "udp" else connection.pipeline()
for i in range(rounds):
    client.incr("requests")
    client.incr("bytes", i)
    client.incr("sampled", rate=0.25)
    client.gauge("level", i)
    client.gauge("balance", -i)
    client.gauge("drift", 3, delta=True)
    client.gauge("drift", -1, delta=True)
    client.timing("took", i % 100)
    client.timing("slow", 2000, rate=0.5)
    client.set("users", "user%d" % (i % 50))
    if i % 10 == 0:
        client.decr("credit")
    client.incr("rounds")
    if i % 20 == 19 or i == rounds - 1:
        if client is not connection:
            client.send()
        print(i + 1, flush=True)
        sys.stdin.readline()
connection.close()
