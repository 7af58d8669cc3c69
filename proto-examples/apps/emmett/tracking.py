"""Automatic tracking of every request and WebSocket of an Emmett application, over both interfaces of Emmett (RSGI and ASGI).

`TrackedApp` measures at the edge, where status and sizes are those that the client receives, including requests without a handler: a 404 of
the router, a 500, a static file. Its pipe `RouteOf` runs inside, where Emmett knows the route. So every route is measured without code of
its own. This module contains the names of the metrics, and no routes of the application.
"""

import asyncio
import inspect
import sys
from contextvars import ContextVar
from functools import wraps
from pathlib import Path

from emmett import App, Pipe, request

# In your own project, copy statsd_metrics.py and statsd_http.py beside this file and remove this line.
sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))

from statsd_http import AsgiMiddleware, HttpNames, RequestRecorder  # noqa: E402
from statsd_metrics import Metrics, switched_on  # noqa: E402

NAMES = HttpNames(
    requests="emmett_http_requests_total",
    duration="emmett_http_request_duration_seconds",
    request_size="emmett_http_request_size_bytes",
    response_size="emmett_http_response_size_bytes",
    in_flight="",
    websockets="emmett_ws_connections_total",
    route="endpoint",
)

#: PROMETHEUS_ENABLED=false disables everything.
metrics = Metrics(enabled=switched_on("PROMETHEUS_ENABLED"))

_recorder = RequestRecorder(metrics, NAMES)

#: The endpoint of the current request, set by `RouteOf` and `track_request`; the last one is used. None outside of requests.
_said: ContextVar[list | None] = ContextVar("said", default=None)


def _endpoint(_scope=None) -> str | None:
    said = _said.get()
    return said[-1] if said else None


class RouteOf(Pipe):
    """Records the route of a request; the first pipe of a `TrackedApp`."""

    def __init__(self, app: App):
        self._app = app
        self._templates: dict[str, str] = {}

    async def pipe_request(self, next_pipe, **kwargs):
        if (said := _said.get()) is not None:
            said.append(self._templates.get(request.name) or self._template(request.name))
        return await next_pipe(**kwargs)

    def _template(self, name: str) -> str:
        # The format of `emmett routes`: GET|HEAD http|https://<any>/orders/<int:order> -> app.order
        text = self._app._router_http._routes_str[name].partition("://")[2]
        path = text[text.index("/") :].rpartition(" -> ")[0]
        return self._templates.setdefault(name, path)


class TrackedApp(App):
    """An Emmett application with measured requests and WebSockets, for `emmett serve` and any ASGI server."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pipeline = []
        self._asgi = AsgiMiddleware(super().__call__, metrics, NAMES, template=_endpoint)

    @property
    def pipeline(self):
        return App.pipeline.fget(self)

    @pipeline.setter
    def pipeline(self, pipes):
        # Our pipe stays first in any pipeline of the application.
        App.pipeline.fset(self, [RouteOf(self), *pipes] if metrics.enabled else pipes)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan" and "lifespan" not in self._asgi_handlers:
            return await self._lifespan(receive, send)
        _said.set([])
        await self._asgi(scope, receive, send)

    async def _lifespan(self, receive, send):
        # Emmett 2.8 omits this. Without it, a signal ends uvicorn before our thread has sent the rest.
        while (event := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{event}.complete"})
        metrics.flush()
        await send({"type": f"{event}.complete"})

    async def __rsgi__(self, scope, protocol):
        if not metrics.enabled:
            return await super().__rsgi__(scope, protocol)
        if scope.proto == "ws":
            return await super().__rsgi__(scope, _WatchedWebsocket(protocol))
        _said.set([])
        watched = _WatchedHttp(protocol)
        length = scope.headers.get("content-length") or ""
        received = int(length) if length.isdigit() else 0
        start = _recorder.begin()
        try:
            await super().__rsgi__(scope, watched)
        except asyncio.CancelledError:
            watched.status = watched.status or 499
            raise
        finally:
            _recorder.finish(start, scope.method, _endpoint(), watched.status or 500, (received, watched.sent))


class _Watched:
    """A measured RSGI protocol."""

    def __init__(self, protocol):
        self._protocol = protocol
        self.status, self.sent = 0, 0

    def __getattr__(self, name):
        return getattr(self._protocol, name)


class _WatchedWebsocket(_Watched):
    async def accept(self):
        transport = await self._protocol.accept()
        metrics.count(NAMES.websockets)
        return transport


class _WatchedHttp(_Watched):
    def __call__(self):
        return self._protocol()

    def __aiter__(self):
        return self._protocol.__aiter__()

    def response_empty(self, status, headers):
        self.status = status
        return self._protocol.response_empty(status, headers)

    def response_str(self, status, headers, body):
        self.status, self.sent = status, len(body.encode())
        return self._protocol.response_str(status, headers, body)

    def response_bytes(self, status, headers, body):
        self.status, self.sent = status, len(body)
        return self._protocol.response_bytes(status, headers, body)

    def response_file(self, status, headers, file):
        self.status, self.sent = status, _length(headers)
        return self._protocol.response_file(status, headers, file)

    def response_file_range(self, status, headers, file, start, end):
        self.status, self.sent = status, end - start
        return self._protocol.response_file_range(status, headers, file, start, end)

    def response_stream(self, status, headers):
        self.status = status
        return _WatchedStream(self, self._protocol.response_stream(status, headers))


class _WatchedStream:
    def __init__(self, watched, stream):
        self._watched, self._stream = watched, stream

    def send_bytes(self, data):
        self._watched.sent += len(data)
        return self._stream.send_bytes(data)

    def send_str(self, data):
        self._watched.sent += len(data.encode())
        return self._stream.send_str(data)


def _length(headers) -> int:
    return next((int(value) for key, value in headers if key == "content-length"), 0)


def track_request(method: str, endpoint: str):
    """Counts every call of a function as a request: 200, or 500 if it raises. For functions that are not requests: jobs, consumers.

    On a handler of a `TrackedApp`, whose requests are counted already, it only says what `endpoint` shall be.
    """

    def decorator(function):
        @wraps(function)
        async def tracked(*args, **kwargs):
            if (said := _said.get()) is not None:
                said.append(endpoint)
                return await _awaited(function(*args, **kwargs))
            start, status = _recorder.begin(), 500
            try:
                result = await _awaited(function(*args, **kwargs))
                status = 200
                return result
            finally:
                _recorder.finish(start, method, endpoint, status, (0, 0))

        return tracked

    return decorator


async def _awaited(result):
    return await result if inspect.isawaitable(result) else result
