"""Metrics of the requests of ASGI and WSGI applications: number, duration, size and concurrency, by route template.

Never by the path itself: a path with an id in it would make a series of every id. A request that no route answers has the
constant label `unmatched`. Knows where Starlette, FastAPI, Flask and Bottle keep the route; for others say it (`template`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from statsd_metrics import Metrics

#: The label of a request without a route. Routes begin with `/`, so no route has this name.
UNMATCHED = "unmatched"

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
# Maximum number of (method, route, status) whose keys are cached. Further keys are created for each request.
_KEYS = 10_000


@dataclass(frozen=True)
class HttpNames:
    """Names of the metrics. An empty name disables a metric."""

    requests: str = "http_requests_total"
    duration: str = "http_request_duration_seconds"
    request_size: str = "http_request_size_bytes"
    response_size: str = "http_response_size_bytes"
    in_flight: str = "http_requests_in_flight"
    #: Accepted WebSockets.
    websockets: str = ""
    #: Name of the label with the route template.
    route: str = "route"
    #: Whether the three histograms have the label `status`, like the counter.
    status_in_histograms: bool = True


class RequestRecorder:
    """Records finished requests. Keys of known (method, route, status) are cached."""

    def __init__(self, metrics: Metrics, names: HttpNames):
        self.metrics, self.names = metrics, names
        self._keys: dict = {}

    def begin(self) -> float:
        """Starts a request. Returns the time for `finish`."""
        if self.names.in_flight:
            self.metrics.gauge_add(self.names.in_flight, 1)
        return time.perf_counter()

    def finish(self, start: float, method: str, route: str | None, status: int, sizes: tuple) -> None:
        """Ends a request. `sizes` are the bytes of the request and response bodies."""
        milliseconds = round((time.perf_counter() - start) * 1000, 4)
        identity = (method, route, status)
        counters, observers = self._keys.get(identity) or self._make_keys(identity)
        self.metrics.record(counters, [(key, value) for key, value in zip(observers, (milliseconds, *sizes)) if key])
        if self.names.in_flight:
            self.metrics.gauge_add(self.names.in_flight, -1)

    def _make_keys(self, identity: tuple) -> tuple:
        method, route, status = identity
        metrics, names = self.metrics, self.names
        # A client can invent methods. They must not create labels or use memory.
        known = method in _METHODS
        labels = {"method": method if known else "OTHER", names.route: route or UNMATCHED}
        full = {**labels, "status": status}
        of_observers = full if names.status_in_histograms else labels
        kinds = ((names.duration, "ms"), (names.request_size, "h"), (names.response_size, "h"))
        counters = (metrics.counter_key(names.requests, **full),) if names.requests else ()
        keys = (counters, tuple(name and metrics.observer_key(kind, name, **of_observers) for name, kind in kinds))
        if known and len(self._keys) < _KEYS:
            self._keys[identity] = keys
        return keys


def asgi_template(scope: dict) -> str | None:
    """The route template of a request in Starlette or FastAPI: `/orders/{id}`; None if there is no route.

    Of an application mounted within another it is the inner one's; a mount of files is its own path.
    """
    # In newer FastAPI versions, the route does not contain the prefix of its router.
    context = scope.get("fastapi", {}).get("effective_route_context")
    route = context or scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None)


class AsgiMiddleware:
    """Records every HTTP request of an ASGI application, and accepted WebSockets.

    `template` gives the route template from the scope, after the application is through with it. The status is the one sent;
    if none was, 500 for an exception and 499 for a request that was cancelled.
    """

    def __init__(self, app, metrics: Metrics, names: HttpNames = HttpNames(), template=asgi_template):
        self.app, self.metrics, self.template = app, metrics, template
        self._recorder = RequestRecorder(metrics, names)

    async def __call__(self, scope, receive, send):
        kind = scope["type"]
        if not self.metrics.enabled:
            await self.app(scope, receive, send)
        elif kind == "http":
            await self._http(scope, receive, send)
        else:
            await self.app(scope, receive, self._watched(kind, send))

    async def _http(self, scope, receive, send):
        status, sent, received = 0, 0, _content_length(scope["headers"])
        counts_body = received is None
        received = received or 0

        async def watched_send(message):
            nonlocal status, sent
            if message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            elif message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def watched_receive():
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        start = self._recorder.begin()
        try:
            await self.app(scope, watched_receive if counts_body else receive, watched_send)
        except asyncio.CancelledError:
            status = status or 499
            raise
        finally:
            self._recorder.finish(start, scope["method"], self.template(scope), status or 500, (received, sent))

    def _watched(self, kind: str, send):
        async def watched(message):
            await send(message)
            if kind == "websocket" and message["type"] == "websocket.accept" and self._recorder.names.websockets:
                self.metrics.count(self._recorder.names.websockets)
            elif message["type"] == "lifespan.shutdown.complete":
                self.metrics.flush()

        return watched


def _content_length(headers) -> int | None:
    """The Content-Length of a request; None for a chunked body, 0 without a body."""
    chunked = False
    for key, value in headers:
        if key == b"content-length":
            return int(value) if value.isdigit() else 0
        if key == b"transfer-encoding":
            chunked = True
    return None if chunked else 0


def wsgi_template(environ: dict) -> str | None:
    """The route template in Flask (`/orders/<int:id>`) or Bottle; None if there is no route."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None) or environ.get("bottle.route")
    return getattr(rule, "rule", None)


class WsgiMiddleware:
    """Records every request of a WSGI application after its response.

    `template` gives the route template from the environ. The status is the one given to the server; if none was, 500.
    """

    def __init__(self, app, metrics: Metrics, names: HttpNames = HttpNames(), template=wsgi_template):
        self.app, self.metrics, self.template = app, metrics, template
        self._recorder = RequestRecorder(metrics, names)

    def __call__(self, environ, start_response):
        if not self.metrics.enabled:
            return self.app(environ, start_response)
        response = _WsgiResponse(self, environ)

        def watched(status, headers, exc_info=None):
            response.status = int(status[:3])
            # Flask discards the request before the server has the response.
            response.route = self.template(environ)
            write = start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
            return lambda data: response.count(data) or write(data)

        try:
            response.chunks = self.app(environ, watched)
        except BaseException:
            response.finish()
            raise
        return response


class _WsgiResponse:
    """The chunks of a response. The server closes it at the end, or when the client disconnects."""

    def __init__(self, middleware: WsgiMiddleware, environ: dict):
        self.status, self.route, self.sent, self.chunks = 0, None, 0, ()
        self._middleware, self._environ = middleware, environ
        self._start = middleware._recorder.begin()

    def count(self, data: bytes) -> None:
        self.sent += len(data)

    def __iter__(self):
        try:
            for chunk in self.chunks:
                self.sent += len(chunk)
                yield chunk
        except Exception:
            # The server answers 500 if nothing was sent before.
            self.status = 500 if not self.sent else self.status
            raise

    def close(self) -> None:
        try:
            if hasattr(self.chunks, "close"):
                self.chunks.close()
        finally:
            self.finish()

    def finish(self) -> None:
        environ, middleware = self._environ, self._middleware
        length = environ.get("CONTENT_LENGTH") or ""
        received = int(length) if length.isascii() and length.isdigit() else 0
        method = environ.get("REQUEST_METHOD", "")
        route = self.route or middleware.template(environ)
        middleware._recorder.finish(self._start, method, route, self.status or 500, (received, self.sent))
