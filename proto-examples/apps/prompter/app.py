"""Prompter: runs prompt templates against model providers. FastAPI and the database are real; the providers are simulated.

    gunicorn --workers 4 --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:8000 app:app

    PROMPTER_DB        file of the database               default prompter.db
    REDIS_ADDRESS      host:port                          default 127.0.0.1:6379
    RATE_LIMIT         runs a minute and worker           default 600
"""

import asyncio
import os
import sqlite3
import time
from contextlib import asynccontextmanager, closing

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

from prompter_metrics import (
    custom_latency_timer,
    ensure_version_timer,
    record_db_unique,
    record_probe_attempt,
    record_probe_failure,
    record_rate_limit_hit,
    record_result_insert,
    set_redis_up,
    setup_metrics,
)

DATABASE = os.environ.get("PROMPTER_DB", "prompter.db")
RATE_LIMIT = int(os.environ.get("RATE_LIMIT", "600"))


class Template(BaseModel):
    name: str
    provider: str
    model: str
    text: str


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(DATABASE, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection


def create_tables() -> None:
    with closing(database()) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS prompt_templates (id INTEGER PRIMARY KEY, name TEXT UNIQUE, provider, model, text)")
        db.execute("CREATE TABLE IF NOT EXISTS prompt_results (template INTEGER, fingerprint TEXT)")


async def redis_answers() -> bool:
    host, _, port = os.environ.get("REDIS_ADDRESS", "127.0.0.1:6379").rpartition(":")
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            return answer.startswith(b"+PONG")
    except (OSError, TimeoutError):
        return False


async def watch_redis() -> None:
    while True:
        set_redis_up(await redis_answers())
        await asyncio.sleep(30)


@asynccontextmanager
async def lifespan(_app: FastAPI):
    create_tables()
    watcher = asyncio.create_task(watch_redis())
    yield
    watcher.cancel()


app = FastAPI(title="Prompter API", lifespan=lifespan)
setup_metrics(app)
router = APIRouter(prefix="/api/prompt-templates")

_runs: list[float] = []


def rate_limit(request: Request) -> None:
    """At most RATE_LIMIT calls per minute in this worker."""
    now = time.monotonic()
    _runs[:] = [then for then in _runs if then > now - 60]
    if len(_runs) >= RATE_LIMIT:
        record_rate_limit_hit(request)
        raise HTTPException(429, "too many runs")
    _runs.append(now)


def template_row(template_id: int) -> sqlite3.Row:
    with closing(database()) as db:
        row = db.execute("SELECT * FROM prompt_templates WHERE id = ?", (template_id,)).fetchone()
    if row is None:
        raise HTTPException(404, "no such template")
    return row


def probe(provider: str, model: str) -> str:
    """Asks a simulated provider for the version of a model. Models named broken fail."""
    if model.startswith("broken"):
        raise ConnectionError(f"{provider} does not answer")
    return f"{model}-2025-10"


@router.post("", status_code=201)
def create_template(template: Template):
    with closing(database()) as db:
        try:
            with db:
                fields = (template.name, template.provider, template.model, template.text)
                row = db.execute("INSERT INTO prompt_templates (name, provider, model, text) VALUES (?, ?, ?, ?)", fields)
        except sqlite3.IntegrityError:
            record_db_unique("prompt_templates")
            raise HTTPException(409, "a template of this name exists") from None
    return {"id": row.lastrowid}


@router.get("/{template_id}")
def read_template(row: sqlite3.Row = Depends(template_row)):
    return dict(row)


@router.post("/{template_id}/ensure-version")
def ensure_version(row: sqlite3.Row = Depends(template_row)):
    provider, model = row["provider"], row["model"]
    with ensure_version_timer(provider):
        record_probe_attempt(provider, model)
        try:
            version = probe(provider, model)
        except ConnectionError as error:
            record_probe_failure(provider, model)
            raise HTTPException(502, str(error)) from error
    return {"version": version}


@router.post("/{template_id}/run", dependencies=[Depends(rate_limit)])
def run_template(row: sqlite3.Row = Depends(template_row)):
    with custom_latency_timer():
        output = row["text"].upper()
    fingerprint = f"fp_{row['id']}" if row["provider"] == "openai" else None
    with closing(database()) as db, db:
        db.execute("INSERT INTO prompt_results VALUES (?, ?)", (row["id"], fingerprint))
    record_result_insert(bool(fingerprint))
    return {"output": output, "fingerprint": fingerprint}


@app.get("/healthz")
def healthz():
    return {"ok": True}


app.include_router(router)
