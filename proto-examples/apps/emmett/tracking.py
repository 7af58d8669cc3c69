"""Automatic tracking of an Emmett application: every request and WebSocket, over both interfaces that Emmett has (RSGI and ASGI).

`TrackedApp` measures at the edge, where status and sizes are those that the client gets, also of what no handler sees: a 404 of the
router, a 500, a static file. Its pipe `RouteOf` runs within, where Emmett knows the route, and says which it is. So no route can
be forgotten and none needs a line of its own. Knows the names of the metrics, not the routes of the application.
"""

import asyncio
import inspect
import sys
from contextvars import ContextVar
from functools import wraps
from pathlib import Path

from emmett import App, Pipe, request

# In a project of your own, copy statsd_metrics.py and statsd_http.py beside this file and leave this line out.
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

#: PROMETHEUS_ENABLED=false switches everything off.
metrics = Metrics(enabled=switched_on("PROMETHEUS_ENABLED"))

_recorder = RequestRecorder(metrics, NAMES)

#: What `RouteOf` and `track_request` say about the request that is being answered; the last one counts. None outside of requests.
_said: ContextVar[list | None] = ContextVar("said", default=None)


def _endpoint(_scope=None) -> str | None:
    said = _said.get()
    return said[-1] if said else None


class RouteOf(Pipe):
    """Says which route answers; the first pipe of a `TrackedApp`."""

    def __init__(self, app: App):
        self._app = app
        self._templates: dict[str, str] = {}

    async def pipe_request(self, next_pipe, **kwargs):
        if (said := _said.get()) is not None:
            said.append(self._templates.get(request.name) or self._template(request.name))
        return await next_pipe(**kwargs)

    def _template(self, name: str) -> str:
        # As `emmett routes` prints it: GET|HEAD http|https://<any>/orders/<int:order> -> app.order
        text = self._app._router_http._routes_str[name].partition("://")[2]
        path = text[text.index("/") :].rpartition(" -> ")[0]
        return self._templates.setdefault(name, path)


class TrackedApp(App):
    """An Emmett application whose requests and WebSockets are metrics, for `emmett serve` and for any ASGI server."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pipeline = []
        self._asgi = AsgiMiddleware(super().__call__, metrics, NAMES, template=_endpoint)

    @property
    def pipeline(self):
        return App.pipeline.fget(self)

    @pipeline.setter
    def pipeline(self, pipes):
        # Ours stays in front, whatever pipeline the application sets.
        App.pipeline.fset(self, [RouteOf(self), *pipes] if metrics.enabled else pipes)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan" and "lifespan" not in self._asgi_handlers:
            return await self._lifespan(receive, send)
        _said.set([])
        await self._asgi(scope, receive, send)

    async def _lifespan(self, receive, send):
        # Emmett 2.8 leaves it out, and without it uvicorn ends by a signal that lets no thread send what is left.
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
    """An RSGI protocol, seen through."""

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
    """Counts every call of a function as a request: 200, or 500 if it raises. For what is no request to Emmett: jobs, consumers.

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
