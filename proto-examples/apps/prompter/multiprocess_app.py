"""For comparison: prometheus_client in the service itself, with one counter. compare.py starts it.

With several workers each has numbers of its own, and a scrape reaches one of them. PROMETHEUS_MULTIPROC_DIR makes them share a
folder of files, which must be emptied at every start; gauges then need a mode, and default process metrics are gone.
"""

import os

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest, multiprocess

REQUESTS = Counter("starlette_requests_total", "Total HTTP requests", ["method", "route", "status"])

app = FastAPI()


@app.get("/healthz")
def healthz():
    REQUESTS.labels("GET", "/healthz", "200").inc()
    return {"ok": True}


@app.get("/metrics")
def page():
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
