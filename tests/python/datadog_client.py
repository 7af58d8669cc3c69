"""Sends with the client `datadog`: HOST PORT ROUNDS plain|buffered. What a round sends is counted out in tests/clients.rs.

After some rounds it prints how many are sent and waits for a line on stdin, so that the kernel never holds many datagrams.
"""

import sys

from datadog.dogstatsd import base

host, port, rounds, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
# The client sends every sampled call, so that the totals are exact. It still writes the rate.
base.random = lambda: 0.0
buffered = mode == "buffered"
client = base.DogStatsd(
    host=host,
    port=port,
    namespace="dd",
    constant_tags=["client:py", "bare"],
    disable_buffering=not buffered,
    flush_interval=3600,
    max_buffer_len=8000 if buffered else 0,
    # In buffered mode, the client sends telemetry after every datagram. In plain mode, it would send telemetry after this time.
    telemetry_min_flush_interval=0 if buffered else 3600,
)
for i in range(rounds):
    client.increment("requests", tags=["code:200", "path:/a:b"])
    client.count("bytes", i)
    client.increment("sampled", sample_rate=0.25)
    client.gauge("level", i - 0.5)
    client.timing("took", i % 100)
    client.histogram("size", i % 20 * 0.5, sample_rate=0.5)
    client.distribution("spread", i % 4)
    client.set("users", "user:%d" % (i % 50))
    client.count_with_timestamp("timed", 2, 1700000000 + i)
    client.gauge("carded", i, cardinality="low")
    if i % 10 == 0:
        client.decrement("credit")
        client.event(
            "größe",
            "text\nof two lines|with a pipe",
            alert_type="error",
            aggregation_key="key",
            source_type_name="py",
            date_happened=1700000000,
            priority="low",
            tags=["a:b"],
            hostname="web",
        )
        client.service_check("check", 2, tags=["a:b"], timestamp=1700000000, hostname="web", message="m: two\nlines")
    client.increment("rounds")
    if i % 20 == 19 or i == rounds - 1:
        client.flush()
        print(i + 1, flush=True)
        sys.stdin.readline()
client.close_socket()
