"""The two modules against a real bridge: `STATSD_BRIDGE=path/to/statsd-bridge python -m unittest` in this folder.

Needs what requirements-test.txt names. Without STATSD_BRIDGE the program is looked for on PATH and in target/.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path
from unittest import mock
from wsgiref.util import setup_testing_defaults

from statsd_http import AsgiMiddleware, HttpNames, WsgiMiddleware
from statsd_metrics import Metrics, flush_all, switched_on


def bridge_program() -> str:
    target = Path(__file__).resolve().parents[2] / "target"
    built = (target / profile / "statsd-bridge" for profile in ("release", "debug"))
    named = os.environ.get("STATSD_BRIDGE") or shutil.which("statsd-bridge")
    return named or next(str(path) for path in built if path.exists())


def free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


class BridgeCase(unittest.TestCase):
    """Starts a bridge for each test."""

    def setUp(self):
        udp, web = free_port(), free_port()
        self.address, self.url = f"127.0.0.1:{udp}", f"http://127.0.0.1:{web}"
        flags = [f"--statsd.listen-udp={self.address}", "--statsd.listen-tcp=", f"--web.listen-address=127.0.0.1:{web}"]
        command = [bridge_program(), *flags, "--shutdown.linger=0s", "--udp.workers=1", "--log.level=error"]
        self.bridge = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.addCleanup(self._stop)
        self._until(lambda: self._get("/-/ready") is not None)
        self.metrics = self.sender()

    def sender(self, **options) -> Metrics:
        metrics = Metrics(self.address, **{"flush_interval": 0.02, **options})
        self.addCleanup(metrics.close)
        return metrics

    def _stop(self):
        self.bridge.terminate()
        self.bridge.wait(10)

    def _get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.read().decode()
        except OSError:
            self.assertIsNone(self.bridge.poll(), "the bridge ended")
            return None

    def _until(self, holds):
        end = time.monotonic() + 10
        while not (found := holds()):
            if time.monotonic() > end:
                self.fail(f"waited in vain, the page is {self.page()}")
            time.sleep(0.01)
        return found

    def page(self) -> dict:
        """Series and values, without the bridge's own."""
        lines = (line.rpartition(" ") for line in self._get("/metrics").splitlines() if not line.startswith("#"))
        return {series: float(value) for series, _, value in lines if not series.startswith(("statsd_bridge_", "process_"))}

    def wait_for(self, expected: dict) -> dict:
        """The page once all of these series have these values."""

        def holds():
            page = self.page()
            return page if all(page.get(series) == value for series, value in expected.items()) else None

        return self._until(holds)

    def own(self, name: str) -> float:
        lines = self._get("/metrics").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"statsd_bridge_{name}"))


class Recording(BridgeCase):
    def test_counters_add_up_and_zero_makes_a_series(self):
        for _ in range(1000):
            self.metrics.count("jobs_total", kind="a")
        self.metrics.count("jobs_total", 2.5, kind="b")
        self.metrics.count("jobs_total", 0, kind="c")
        self.wait_for({'jobs_total{kind="a"}': 1000, 'jobs_total{kind="b"}': 2.5, 'jobs_total{kind="c"}': 0})

    def test_gauges_are_set_moved_and_may_be_negative(self):
        self.metrics.gauge("level", 7)
        self.metrics.gauge("frost", -3)
        self.metrics.gauge("both", 5)
        self.metrics.gauge_add("both", -7)
        for delta in (4, -1, 2):
            self.metrics.gauge_add("open", delta)
        self.wait_for({"level": 7, "frost": -3, "both": -2, "open": 5})
        self.metrics.gauge_add("open", -5)
        self.wait_for({"open": 0})

    def test_observations_keep_every_value(self):
        for value in range(1, 1001):
            self.metrics.observe("size_bytes", value)
        self.metrics.timing("wait_seconds", 0.25)
        expected = {"size_bytes_sum": 500500, "size_bytes_count": 1000, 'size_bytes_bucket{le="10"}': 10}
        self.wait_for({**expected, "wait_seconds_sum": 0.25, "wait_seconds_count": 1})

    def test_labels_arrive_as_they_are(self):
        routes = ("/orders/{id}", "/orders/<int:id>", "/files/*", "/a b", "/ü", "/q?x=1&y=#")
        for route in routes:
            self.metrics.count("hits_total", route=route)
        self.metrics.count("hits_total", route="/any(a,b)|x\ny")
        expected = {f'hits_total{{route="{route}"}}': 1 for route in routes}
        self.wait_for({**expected, 'hits_total{route="/any(a_b)_x_y"}': 1})

    def test_prefix(self):
        self.sender(prefix="shop_").count("sold_total")
        self.wait_for({"shop_sold_total": 1})

    def test_many_values_share_datagrams(self):
        for _ in range(500):
            self.metrics.timing("work_seconds", 0.01)
            self.metrics.count("work_total")
        self.wait_for({"work_total": 500, "work_seconds_count": 500})
        self.assertLessEqual(self.own("udp_packets_total"), 60)

    def test_threads_lose_nothing(self):
        def work():
            for _ in range(2000):
                self.metrics.count("ticks_total")
                self.metrics.gauge_add("level", 1)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wait_for({"ticks_total": 16000, "level": 16000})

    def test_a_forked_child_sends_its_own_and_only_its_own(self):
        slow = self.sender(flush_interval=3600)
        slow.count("forked_total", who="parent")
        child = os.fork()
        if child == 0:
            slow.count("forked_total", who="child")
            flush_all()
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.wait_for({'forked_total{who="child"}': 1})
        self.assertNotIn('forked_total{who="parent"}', self.page())
        slow.flush()
        self.wait_for({'forked_total{who="parent"}': 1, 'forked_total{who="child"}': 1})

    def test_an_exit_loses_nothing_not_even_of_a_child_of_multiprocessing(self):
        program = f"""
import multiprocessing
from statsd_metrics import Metrics

def work(who):
    metrics = Metrics({self.address!r}, flush_interval=3600)
    for _ in range(100):
        metrics.count("done_total", who=who)

if __name__ == "__main__":
    work("parent")
    for method in ("spawn", "fork"):
        child = multiprocessing.get_context(method).Process(target=work, args=(method,))
        child.start()
        child.join()
"""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "program.py")
            file.write_text(program)
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
            subprocess.run([sys.executable, "-B", file], check=True, env=environment, timeout=60)
        self.wait_for({f'done_total{{who="{who}"}}': 100 for who in ("parent", "spawn", "fork")})

    def test_without_a_bridge_nothing_fails(self):
        lonely = Metrics(f"127.0.0.1:{free_port()}", flush_interval=3600)
        self.addCleanup(lonely.close)
        for _ in range(3):
            lonely.count("lost_total")
            lonely.flush()


class Switch(unittest.TestCase):
    def test_the_environment_switches_off(self):
        for text, on in (("false", False), ("0", False), (" OFF ", False), ("no", False), ("true", True), ("1", True), ("", True)):
            with mock.patch.dict(os.environ, {"STATSD_ENABLED": text}):
                self.assertEqual((switched_on("STATSD_ENABLED"), Metrics().enabled), (on, on), text)

    def test_off_means_no_socket_no_thread_and_the_function_still_runs(self):
        metrics = Metrics("127.0.0.1:9", enabled=False)
        metrics.count("a")
        metrics.gauge("b", 1)
        metrics.gauge_add("b", 1)
        metrics.observe("c", 1)
        metrics.flush()
        with metrics.timer("d"), metrics.in_progress("e"):
            pass
        self.assertEqual(metrics.counted("f")(lambda: 7)(), 7)
        self.assertIsNone(metrics._client)
        self.assertIsNone(metrics._thread)


class Surroundings(BridgeCase):
    def test_blocks_and_functions_also_when_they_raise(self):
        @self.metrics.counted("calls_total", function="f")
        @self.metrics.timer("f_seconds")
        def f(x):
            return 1 / x

        self.assertEqual(f(1), 1)
        with self.assertRaises(ZeroDivisionError):
            f(0)
        with self.metrics.timer("block_seconds", part="a"):
            pass
        self.wait_for({'calls_total{function="f"}': 2, "f_seconds_count": 2, 'block_seconds_count{part="a"}': 1})

    def test_coroutine_functions_are_timed_until_they_end(self):
        gate = asyncio.Event()

        @self.metrics.in_progress("busy")
        @self.metrics.timer("g_seconds")
        async def g(x):
            await gate.wait()
            return x

        async def main():
            tasks = [asyncio.create_task(g(n)) for n in range(3)]
            await asyncio.sleep(0)
            await asyncio.to_thread(self.wait_for, {"busy": 3})
            self.assertNotIn("g_seconds_count", self.page())
            gate.set()
            self.assertEqual(await asyncio.gather(*tasks), [0, 1, 2])
            async with self.metrics.timer("h_seconds"):
                pass

        asyncio.run(main())
        self.wait_for({"busy": 0, "g_seconds_count": 3, "h_seconds_count": 1})

    def test_one_object_around_blocks_within_each_other(self):
        timer = self.metrics.timer("nested_seconds")
        with timer, timer:
            pass
        self.wait_for({"nested_seconds_count": 2})


def fastapi_application():
    from fastapi import APIRouter, FastAPI, HTTPException, Request, WebSocket

    application, router = FastAPI(), APIRouter(prefix="/orders")

    @router.get("/{order}")
    def order(order: int):
        if order == 13:
            raise HTTPException(418)
        if order == 0:
            raise RuntimeError("broken")
        return "x" * order

    @application.post("/echo")
    async def echo(request: Request):
        return len(await request.body())

    @application.websocket("/ws")
    async def ws(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")

    application.include_router(router, prefix="/v1")
    return application


class Asgi(BridgeCase):
    NAMES = HttpNames(websockets="websockets_total")

    def ask(self, application, method, path, body=b"", headers=(), kind="http"):
        """One request, by hand: what a server would hand over."""
        sent, chunks = [], [body[at : at + 10] for at in range(0, len(body), 10)] or [b""]
        if kind == "websocket":
            messages = [{"type": "websocket.connect"}]
        else:
            messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
            messages[-1]["more_body"] = False

        async def receive():
            return messages.pop(0) if messages else {"type": f"{kind}.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {"type": kind, "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
        scope |= {"headers": list(headers), "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"}}
        scope |= {"server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "subprotocols": []}
        asyncio.run(application(scope, receive, send))
        return sent

    def test_fastapi_by_template_status_and_size(self):
        application = AsgiMiddleware(fastapi_application(), self.metrics, self.NAMES)
        for order in (1, 2, 3):
            self.ask(application, "GET", f"/v1/orders/{order}")
        self.ask(application, "GET", "/v1/orders/13")
        with self.assertRaises(RuntimeError):
            self.ask(application, "GET", "/v1/orders/0")
        self.ask(application, "GET", "/nowhere/1")
        self.ask(application, "GET", "/nowhere/2")
        self.ask(application, "BREW", "/nowhere/3")
        self.ask(application, "POST", "/echo", b"x" * 25, [(b"content-length", b"25")])
        self.ask(application, "POST", "/echo", b"x" * 35, [(b"transfer-encoding", b"chunked")])
        self.ask(application, "GET", "/ws", kind="websocket")

        def series(name, method, route, status):
            return f'http_{name}{{method="{method}",route="{route}",status="{status}"}}'

        known = ("GET", "/v1/orders/{order}")
        page = self.wait_for(
            {
                series("requests_total", *known, 200): 3,
                series("requests_total", *known, 418): 1,
                series("requests_total", *known, 500): 1,
                series("requests_total", "GET", "unmatched", 404): 2,
                series("requests_total", "OTHER", "unmatched", 404): 1,
                series("request_duration_seconds_count", *known, 200): 3,
                # JSON strings of one, two and three letters, with their quotes.
                series("response_size_bytes_sum", *known, 200): 12,
                series("request_size_bytes_sum", *known, 200): 0,
                series("request_size_bytes_sum", "POST", "/echo", 200): 60,
                "http_requests_in_flight": 0,
                "websockets_total": 1,
            }
        )
        self.assertEqual(sum(value for name, value in page.items() if name.startswith("http_requests_total")), 10)

    def test_cancelled_before_an_answer_is_499(self):
        async def hang(scope, receive, send):
            scope["route"] = mock.Mock(spec=["path"], path="/hang")
            await asyncio.Event().wait()

        application = AsgiMiddleware(hang, self.metrics)
        with self.assertRaises(TimeoutError):
            self.ask(lambda *args: asyncio.wait_for(application(*args), 0.01), "GET", "/hang")
        self.wait_for({'http_requests_total{method="GET",route="/hang",status="499"}': 1, "http_requests_in_flight": 0})

    def test_names_may_be_left_out(self):
        names = HttpNames("asked_total", "asked_seconds", "", "", "", route="endpoint", status_in_histograms=False)
        application = AsgiMiddleware(fastapi_application(), self.metrics, names)
        self.ask(application, "GET", "/v1/orders/1")
        page = self.wait_for({'asked_seconds_count{endpoint="/v1/orders/{order}",method="GET"}': 1})
        self.assertEqual({name.partition("{")[0] for name in page}, {"asked_total", *(f"asked_seconds_{x}" for x in ("bucket", "count", "sum"))})


class Wsgi(BridgeCase):
    def ask(self, application, path, **environ):
        environ |= {"PATH_INFO": path}
        setup_testing_defaults(environ)
        response = application(environ, lambda status, headers, exc_info=None: lambda data: None)
        try:
            return b"".join(response)
        finally:
            response.close()

    def test_flask_by_template_status_and_size(self):
        from flask import Flask

        flask = Flask(__name__)
        flask.add_url_rule("/orders/<int:order>", "order", lambda order: "x" * order if order else 1 / 0)
        application = WsgiMiddleware(flask, self.metrics)
        for order in (1, 2, 3):
            self.assertEqual(len(self.ask(application, f"/orders/{order}", CONTENT_LENGTH="4")), order)
        self.ask(application, "/nowhere/1")
        with self.assertLogs("test_statsd_metrics"):
            self.ask(application, "/orders/0")
        known = 'method="GET",route="/orders/<int:order>"'
        self.wait_for(
            {
                f'http_requests_total{{{known},status="200"}}': 3,
                f'http_requests_total{{{known},status="500"}}': 1,
                'http_requests_total{method="GET",route="unmatched",status="404"}': 1,
                f'http_response_size_bytes_sum{{{known},status="200"}}': 6,
                f'http_request_size_bytes_sum{{{known},status="200"}}': 12,
                "http_requests_in_flight": 0,
            }
        )

    def test_an_iterator_that_breaks_is_500_and_closed(self):
        def broken(environ, start_response):
            start_response("200 OK", [])
            raise_at_first = (1 // 0 for _ in "x")
            return raise_at_first

        application = WsgiMiddleware(broken, self.metrics, template=lambda environ: "/broken")
        with self.assertRaises(ZeroDivisionError):
            self.ask(application, "/x")
        self.wait_for({'http_requests_total{method="GET",route="/broken",status="500"}': 1, "http_requests_in_flight": 0})


if __name__ == "__main__":
    unittest.main()
