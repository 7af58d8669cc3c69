"""The metrics of Prompter, with the names of its dashboard and the helpers of the former module on prometheus_client.

`service` and `env` are not said here: they are the bridge's constant labels. Nothing is kept in this process for a page, so any
number of Gunicorn workers add up at the bridge, and no folder is shared.
"""

import os
import sys
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse

# In your own project, copy statsd_metrics.py and statsd_http.py beside this file and remove this line.
sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))

from statsd_http import UNMATCHED, AsgiMiddleware, HttpNames, asgi_template  # noqa: E402
from statsd_metrics import Metrics  # noqa: E402

NAMES = HttpNames(
    requests="starlette_requests_total",
    duration="starlette_requests_processing_seconds",
    request_size="",
    response_size="",
    in_flight="",
    status_in_histograms=False,
)

#: URL of the bridge's exposition. `/metrics` of this service redirects there.
PAGE = os.environ.get("METRICS_PAGE", "http://127.0.0.1:9102/metrics")

metrics = Metrics()


def setup_metrics(app: FastAPI) -> None:
    """Counts and times every request by route; adds `/metrics`."""
    app.add_middleware(AsgiMiddleware, metrics=metrics, names=NAMES)
    app.add_api_route("/metrics", lambda: RedirectResponse(PAGE), include_in_schema=False)


def record_probe_attempt(provider: str, model: str) -> None:
    """Counts a probe of a provider."""
    metrics.count("prompter_probe_attempts_total", provider=provider, model=model)
    # Adding 0 creates the series, so the failure rate of a provider without failures is 0 and not absent.
    metrics.count("prompter_probe_failures_total", 0, provider=provider, model=model)


def record_probe_failure(provider: str, model: str) -> None:
    """Counts a failed probe of a provider."""
    metrics.count("prompter_probe_failures_total", provider=provider, model=model)


def ensure_version_timer(provider: str):
    """Times ensure-version: `with ensure_version_timer("openai"):`, or as a decorator."""
    return metrics.timer("prompter_ensure_version_seconds", provider=provider)


def record_result_insert(has_openai_fp: bool) -> None:
    """Counts an inserted result, with or without a fingerprint of OpenAI."""
    metrics.count("prompter_prompt_results_insert_total")
    metrics.count("prompter_openai_fingerprint_present_total", 1 if has_openai_fp else 0)


def set_redis_up(up: bool) -> None:
    """Sets whether Redis answers."""
    metrics.gauge("prompter_redis_up", 1 if up else 0)


def record_db_unique(table: str) -> None:
    """Counts a row that the database rejected as a duplicate."""
    metrics.count("prompter_db_unique_violation_total", table=table)


def custom_latency_timer():
    """A timer for custom use. Its buckets are in mapping.yml."""
    return metrics.timer("prompter_custom_latency_seconds")


def record_rate_limit_hit(request: Request) -> None:
    """Counts a request that was rejected by the rate limit of its endpoint."""
    metrics.count("prompter_rate_limit_hit_total", endpoint=asgi_template(request.scope) or UNMATCHED)
