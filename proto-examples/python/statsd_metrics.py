"""Metrics of a Python program, sent to statsd-bridge: counters, gauges, timers. Requests of web applications: statsd_http.py.

Nothing is sent while a request is answered: this process accumulates values, and a thread sends them every `flush_interval` seconds,
many per datagram. So a request costs a few microseconds and less than one datagram. A process that is killed (SIGKILL) loses its unsent
values; a normal exit sends them.

This module uses the DogStatsd client of the `datadog` package for the wire format with tags, datagrams of the right size, UDP and Unix
sockets. It contains no metric names and no HTTP.

Environment variables, unless the arguments of `Metrics` override them:

    STATSD_ADDRESS   host:port or unixgram:///path       default 127.0.0.1:9125
    STATSD_ENABLED   false, 0, no or off send nothing    default true
"""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
import os
import threading
import time

from datadog.dogstatsd.base import DogStatsd

_log = logging.getLogger("statsd_metrics")

# Characters that would end a tag or its line.
_TAG_UNSAFE = str.maketrans({"|": "_", ",": "_", "\n": "_", "\r": "_"})
# Maximum bytes of the values in one line, so that it fits into a datagram of 1432 bytes with name and labels.
_VALUES_BYTES = 600


def switched_on(variable: str, default: bool = True) -> bool:
    """Whether an environment variable is on: anything but false, 0, no, off. If unset or empty, the default."""
    text = os.environ.get(variable, "").strip().lower()
    return default if not text else text not in ("false", "0", "no", "off")


class _Client(DogStatsd):
    """The client of the library with unchanged tags. The original method replaces `{`, `<` and `*`, which route templates contain."""

    def _serialize_metric(self, metric, metric_type, value, tags, *_unused, **_also_unused):
        line = f"{metric}:{value}|{metric_type}"
        constant = self._constant_tags_str
        if tags and constant:
            return f"{line}|#{','.join(tags)},{constant}"
        if tags or constant:
            return f"{line}|#{','.join(tags) if tags else constant}"
        return line


def _client(address: str) -> DogStatsd:
    # A flush interval of 0 starts no thread. Only our own thread sends, so a send can block shortly.
    options = dict(disable_buffering=False, flush_interval=0, disable_telemetry=True, origin_detection_enabled=False, socket_timeout=0.2)
    if address.startswith("unix"):
        return _Client(socket_path=address, **options)
    host, _, port = address.rpartition(":")
    return _Client(host=host.strip("[]") or "127.0.0.1", port=int(port), **options)


def _tags(labels: dict) -> tuple:
    return tuple(f"{key}:{str(value).translate(_TAG_UNSAFE)}" for key, value in labels.items())


class Metrics:
    """Accumulates values and sends them.

    `prefix` stands before every name. With `enabled=False` every call does nothing. Safe to use from any thread; after a fork the
    child begins with nothing pending.
    """

    def __init__(self, address: str | None = None, prefix: str = "", enabled: bool | None = None, flush_interval: float = 0.3):
        self.enabled = switched_on("STATSD_ENABLED") if enabled is None else enabled
        self.prefix = prefix
        self._interval = flush_interval
        self._client = _client(address or os.environ.get("STATSD_ADDRESS") or "127.0.0.1:9125") if self.enabled else None
        self._closed = False
        self._sending = threading.RLock()
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        # Re-entrant, because a signal handler can record while its thread records.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._counts: dict = {}
        # Absolute value, or None, and the changes since.
        self._gauges: dict = {}
        self._observed: dict = {}

    # ---- recording ----

    def count(self, name: str, value: float = 1, /, **labels) -> None:
        """Adds to a counter. Adding 0 creates the series before its first increase."""
        if self.enabled:
            key = (self.prefix + name, _tags(labels))
            with self._lock:
                self._counts[key] = self._counts.get(key, 0) + value
            self._awake()

    def gauge(self, name: str, value: float, /, **labels) -> None:
        """Sets a gauge. The last value of all processes is used. To keep one per process, add a label."""
        if self.enabled:
            with self._lock:
                self._gauges[(self.prefix + name, _tags(labels))] = (value, 0)
            self._awake()

    def gauge_add(self, name: str, delta: float, /, **labels) -> None:
        """Changes a gauge. All processes change the same gauge, so it shows their sum."""
        if self.enabled:
            key = (self.prefix + name, _tags(labels))
            with self._lock:
                absolute, moved = self._gauges.get(key, (None, 0))
                self._gauges[key] = (absolute, moved + delta)
            self._awake()

    def observe(self, name: str, value: float, /, **labels) -> None:
        """One observation of a histogram or summary, in the unit of the exposition."""
        self.record((), ((self.observer_key("h", name, **labels), value),))

    def timing(self, name: str, seconds: float, /, **labels) -> None:
        """One duration; milliseconds on the wire, seconds in the exposition."""
        self.record((), ((self.observer_key("ms", name, **labels), round(seconds * 1000, 4)),))

    def record(self, counters, observations) -> None:
        """Records many values: keys of `counter_key`, each increased by 1; pairs of an `observer_key` and a value."""
        if not self.enabled:
            return
        with self._lock:
            counts, observed = self._counts, self._observed
            for key in counters:
                counts[key] = counts.get(key, 0) + 1
            for key, value in observations:
                observed.setdefault(key, []).append(value)
        self._awake()

    def counter_key(self, name: str, /, **labels) -> tuple:
        """The identity of a counter, for many calls of `record`."""
        return (self.prefix + name, _tags(labels))

    def observer_key(self, kind: str, name: str, /, **labels) -> tuple:
        """The identity of a histogram, `h`, or of a timer in milliseconds, `ms`, for many calls of `record`."""
        return (self.prefix + name, _tags(labels), kind)

    # ---- around a block, a function, a coroutine function ----

    def timer(self, name: str, /, **labels) -> "Around":
        """Times a block or every call of a function, also if it raises."""
        return Around(time.perf_counter, lambda start: self.timing(name, time.perf_counter() - start, **labels))

    def counted(self, name: str, /, **labels) -> "Around":
        """Counts a block or every call of a function, also if it raises."""
        return Around(lambda: None, lambda _: self.count(name, **labels))

    def in_progress(self, name: str, /, **labels) -> "Around":
        """Increases a gauge by one while a block or function runs."""
        return Around(lambda: self.gauge_add(name, 1, **labels), lambda _: self.gauge_add(name, -1, **labels))

    # ---- sending ----

    def flush(self) -> None:
        """Sends all pending values now."""
        if not self.enabled:
            return
        with self._sending:
            with self._lock:
                counts, self._counts = self._counts, {}
                gauges, self._gauges = self._gauges, {}
                observed, self._observed = self._observed, {}
            for (name, tags), value in counts.items():
                self._client.count(name, value, tags=tags)
            for (name, tags), (absolute, moved) in gauges.items():
                for value in _gauge_values(absolute, moved):
                    self._client.gauge(name, value, tags=tags)
            for (name, tags, kind), values in observed.items():
                send = self._client.histogram if kind == "h" else self._client.timing
                for packed in _packed(values):
                    send(name, packed, tags=tags)
            self._client.flush()

    def close(self) -> None:
        """Sends all pending values and stops. Later values are ignored."""
        self.flush()
        self.enabled, self._closed = False, True
        _all.discard(self)
        if self._client:
            self._client.close_socket()

    def _awake(self) -> None:
        # The first value starts the thread, so that each worker has one if a server forks after the import.
        if self._thread is None:
            with self._lock:
                if self._thread is not None:
                    return
                self._thread = threading.Thread(target=_flush_for_ever, args=(self,), daemon=False)
            try:
                self._thread.start()
            except RuntimeError:
                # The interpreter is ending. The atexit handler sends the value, unless it has run already.
                pass


def _flush_for_ever(metrics: Metrics) -> None:
    # The thread is not a daemon and waits for the end of the main thread. So it sends once more when the process exits, also in a child of
    # multiprocessing, where atexit handlers do not run. Servers use such children as workers.
    main = threading.main_thread()
    while main.is_alive() and not metrics._closed:
        main.join(metrics._interval)
        try:
            metrics.flush()
        except Exception:
            # These values are lost. Later values may arrive.
            _log.exception("metrics could not be sent")


def _gauge_values(absolute, moved) -> list:
    if absolute is None:
        # Also for zero, which creates the series.
        return [f"{moved:+}"]
    value = absolute + moved
    # On the wire a sign means a change, so a negative value is sent as zero and a change.
    return [0, value] if value < 0 else [value]


def _packed(values: list):
    """Values of one series in as few lines as possible: 1:2:3."""
    line = ""
    for value in values:
        text = str(value)
        if line and len(line) + len(text) >= _VALUES_BYTES:
            yield line
            line = text
        else:
            line = f"{line}:{text}" if line else text
    if line:
        yield line


_all: set[Metrics] = set()


def flush_all() -> None:
    """Sends the pending values of every `Metrics` in this process. This also runs at exit."""
    for metrics in list(_all):
        metrics.flush()


def _after_fork() -> None:
    for metrics in list(_all):
        metrics._sending = threading.RLock()
        metrics._begin()


atexit.register(flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Around:
    """Runs code before and after a `with` or `async with` block, a function, or a coroutine function."""

    def __init__(self, before, after):
        self._before, self._after = before, after
        # A stack, so that one object can be used for nested blocks.
        self._tokens: list = []

    def __enter__(self):
        self._tokens.append(self._before())
        return self

    def __exit__(self, *_exception) -> None:
        self._after(self._tokens.pop())

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *exception) -> None:
        self.__exit__(*exception)

    def __call__(self, function):
        # Without the stack, because calls of one function can overlap in any order.
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def around(*args, **kwargs):
                token = self._before()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self._after(token)

        else:

            @functools.wraps(function)
            def around(*args, **kwargs):
                token = self._before()
                try:
                    return function(*args, **kwargs)
                finally:
                    self._after(token)

        return around
