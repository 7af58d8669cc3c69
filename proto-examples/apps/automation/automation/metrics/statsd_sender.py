"""The way to the bridge: one client of this process, and three kinds of metrics that send through it.

Nothing is registered anywhere: a metric is a name and its labels, so it may be made twice, in any process, and all of them add
up on the bridge's page. Sending is a datagram; without a bridge it goes nowhere and nobody waits for it.
"""

import contextlib
import os
import time

from datadog.dogstatsd.base import DogStatsd


def connect(host: str | None = None, port: int | None = None) -> DogStatsd:
    """Says where the bridge listens; STATSD_HOST and STATSD_PORT, else 127.0.0.1:9125. May be called again."""
    global _client
    _client = DogStatsd(
        host=host or os.environ.get("STATSD_HOST", "127.0.0.1"),
        port=port or int(os.environ.get("STATSD_PORT", "9125")),
        # A sample is sent at once: none waits in a buffer when the process ends.
        disable_buffering=True,
        # The client's metrics about itself are not the platform's.
        disable_telemetry=True,
        origin_detection_enabled=False,
    )
    return _client


_client = connect()


class Metric:
    """A name on the wire and the names of its labels; `labels()` gives the same metric with values for them."""

    def __init__(self, name: str, labels: tuple[str, ...] = (), values: dict[str, str] | None = None):
        self.name, self.label_names, self._values = name, labels, values or {}

    def labels(self, **values: str):
        """The series with these values, as prometheus_client names it: `metric.labels(status="pass")`."""
        if set(values) != set(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names}, not {tuple(values)}")
        return type(self)(self.name, self.label_names, values)

    def _tags(self) -> list[str]:
        if set(self._values) != set(self.label_names):
            raise ValueError(f"{self.name} needs values for its labels {self.label_names}")
        return [f"{key}:{value}" for key, value in self._values.items()]


class Counter(Metric):
    """Only goes up. The page's `_total` is the mapping's affair; the name here is the name everywhere in this code."""

    def inc(self, amount: float = 1) -> None:
        _client.increment(self.name, amount, tags=self._tags())


class Gauge(Metric):
    """The last value counts."""

    def set(self, value: float) -> None:
        # A sign would make it a change on the wire, so a value below zero is set from zero.
        if value < 0:
            _client.gauge(self.name, 0, tags=self._tags())
        _client.gauge(self.name, value, tags=self._tags())


class Histogram(Metric):
    """Durations in seconds; on the wire they are milliseconds, as StatsD's timers are."""

    def observe(self, seconds: float) -> None:
        _client.timing(self.name, seconds * 1000, tags=self._tags())

    @contextlib.contextmanager
    def time(self):
        """Times a block, whether it ends well or by an exception."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - start)
