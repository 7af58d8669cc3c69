"""Sends to the bridge: one client per process, and three kinds of metrics.

Nothing is registered anywhere: a metric is a name and its labels, so it may be made twice, in any process, and all of them add
up on the bridge's page. Sending is a datagram; without a bridge it goes nowhere and nobody waits for it.
"""

import contextlib
import os
import time

from datadog.dogstatsd.base import DogStatsd


def connect(host: str | None = None, port: int | None = None) -> DogStatsd:
    """Sets the address of the bridge. Default: STATSD_HOST and STATSD_PORT, otherwise 127.0.0.1:9125. Can be called again."""
    global _client
    _client = DogStatsd(
        host=host or os.environ.get("STATSD_HOST", "127.0.0.1"),
        port=port or int(os.environ.get("STATSD_PORT", "9125")),
        # Samples are sent at once, so the buffer is empty when the process ends.
        disable_buffering=True,
        # Disable the client's metrics about itself.
        disable_telemetry=True,
        origin_detection_enabled=False,
    )
    return _client


_client = connect()


class Metric:
    """A name on the wire and its label names. `labels()` returns the metric with label values."""

    def __init__(self, name: str, labels: tuple[str, ...] = (), values: dict[str, str] | None = None):
        self.name, self.label_names, self._values = name, labels, values or {}

    def labels(self, **values: str):
        """The series with these values, as in prometheus_client: `metric.labels(status="pass")`."""
        if set(values) != set(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names}, not {tuple(values)}")
        return type(self)(self.name, self.label_names, values)

    def _tags(self) -> list[str]:
        if set(self._values) != set(self.label_names):
            raise ValueError(f"{self.name} needs values for its labels {self.label_names}")
        return [f"{key}:{value}" for key, value in self._values.items()]


class Counter(Metric):
    """A counter. The mapping appends `_total`, so the code uses one name everywhere."""

    def inc(self, amount: float = 1) -> None:
        _client.increment(self.name, amount, tags=self._tags())


class Gauge(Metric):
    """A gauge."""

    def set(self, value: float) -> None:
        # On the wire a sign means a change, so a negative value is sent as zero and a change.
        if value < 0:
            _client.gauge(self.name, 0, tags=self._tags())
        _client.gauge(self.name, value, tags=self._tags())


class Histogram(Metric):
    """Durations in seconds. On the wire they are StatsD timers in milliseconds."""

    def observe(self, seconds: float) -> None:
        _client.timing(self.name, seconds * 1000, tags=self._tags())

    @contextlib.contextmanager
    def time(self):
        """Times a block, also if it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - start)
