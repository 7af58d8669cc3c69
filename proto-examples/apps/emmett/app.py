"""An Emmett application whose metrics the bridge exposes: `emmett -a app serve --host 127.0.0.1 --port 8081`.

The handlers contain no code for metrics; tracking.py measures all of them.
"""

import asyncio
import os
import sqlite3
from contextlib import closing

from emmett import abort, now, redirect, request, response, websocket
from emmett.tools import service

import system
from tracking import TrackedApp, metrics, track_request

#: URL of the bridge's exposition. `/metrics` of this application redirects there.
PAGE = os.environ.get("METRICS_PAGE", "http://127.0.0.1:9102/metrics")

app = TrackedApp(__name__)
system.start()


@app.route("/")
async def index():
    return "Emmett, tracked.\n"


@app.route("/test-metrics", methods=["get"])
@service.json
async def test_metrics():
    return {"message": "counted by itself", "enabled": metrics.enabled, "time": str(now())}


@app.route("/orders/<int:order>", methods=["get"])
@service.json
async def order(order):
    if order > 1000:
        abort(404, "no such order\n")
    return {"order": order}


@app.route("/orders", methods=["post"])
@service.json
async def new_order():
    response.status = 201
    return {"bytes": len(await request.body)}


@app.route("/report", methods=["get"])
@service.json
async def report():
    # Simulates some milliseconds in a database.
    query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) SELECT count(*), sum(x) FROM n"
    with closing(sqlite3.connect(":memory:")) as database:
        count, total = database.execute(query).fetchone()
    return {"count": count, "sum": total}


@app.route("/fail", methods=["get"])
async def fail():
    raise RuntimeError("on purpose")


@app.route("/metrics", methods=["get"])
async def page():
    redirect(PAGE)


@app.route("/example/<int:number>", methods=["get"])
@service.json
@track_request("GET", "/example")
async def example(number):
    # Counted once, under the endpoint of the decorator.
    return {"message": "hello", "number": number}


@track_request("POST", "/jobs/sweep")
async def sweep():
    # Not a request. The decorator counts it as one.
    await asyncio.sleep(0)


@app.command("sweep")
def sweep_command():
    """A job for a timer: `emmett -a app sweep`."""
    asyncio.run(sweep())


@app.websocket("/ws/echo")
async def echo():
    await websocket.accept()
    while True:
        text = await websocket.receive()
        if text == "bye":
            return
        await websocket.send(text)
