#!/usr/bin/env python3
"""Sends generated metrics of the three example applications for the dashboards, until Ctrl-C. Uses only the standard library.

    python3 traffic.py [--host 127.0.0.1] [--port 9125] [--rate 20] [--seconds 0] [--send emmett prompter automation trouble]

One turn is a request or a task of each application; --rate is turns per second. `trouble` fills the panels of the bridge's dashboard: malformed lines, a
name with two types, a label with too many values. It is only sent if named.
"""

import argparse
import random
import signal
import socket
import time

ENDPOINTS = [("GET", "/", 0.02), ("GET", "/orders/<int:order>", 0.05), ("POST", "/orders", 0.12), ("GET", "/test-metrics", 0.008)]
ROUTES = [("GET", "/api/prompt-templates", 0.02), ("POST", "/api/prompt-templates", 0.06), ("POST", "/api/prompt-templates/{template_id}/run", 0.9)]
PROVIDERS = [("openai", "gpt-4o", 0.02), ("google", "gemini-1.5-pro", 0.04), ("anthropic", "claude-3-5-sonnet", 0.08)]


def timer(name: str, seconds: float, tags: str = "") -> str:
    return f"{name}:{seconds * 1000:.3f}|ms" + (f"|#{tags}" if tags else "")


def around(seconds: float) -> float:
    """A random duration around this one, sometimes much longer."""
    return random.lognormvariate(0, 0.6) * seconds


def emmett(turn: int) -> list[str]:
    method, endpoint, seconds = random.choice(ENDPOINTS)
    status = random.choices(["200", "404", "500"], [95, 4, 1])[0] if turn % 40 else "503"
    tags = f"method:{method},endpoint:{endpoint},status:{status}"
    lines = [
        f"emmett_http_requests_total:1|c|#{tags}",
        timer("emmett_http_request_duration_seconds", around(seconds), tags),
        f"emmett_http_request_size_bytes:{random.randint(0, 900)}|h|#{tags}",
        f"emmett_http_response_size_bytes:{random.randint(200, 9000)}|h|#{tags}",
    ]
    if turn % 7 == 0:
        lines.append("emmett_ws_connections_total:1|c")
    return lines


def prompter(turn: int) -> list[str]:
    us = "service:prompter-api,env:demo"
    method, route, seconds = random.choice(ROUTES)
    status = random.choices(["200", "409", "429"], [92, 5, 3])[0] if turn % 50 else "502"
    provider, model, failing = random.choice(PROVIDERS)
    lines = [
        f"starlette_requests_total:1|c|#{us},method:{method},route:{route},status:{status}",
        timer("starlette_requests_processing_seconds", around(seconds), f"{us},method:{method},route:{route}"),
        f"prompter_probe_attempts_total:1|c|#{us},provider:{provider},model:{model}",
        timer("prompter_ensure_version_seconds", around(0.4), f"{us},provider:{provider}"),
        timer("prompter_custom_latency_seconds", around(0.8), us),
        f"prompter_prompt_results_insert_total:1|c|#{us}",
        f"prompter_redis_up:1|g|#{us}",
    ]
    if random.random() < failing or turn % 30 == 0:
        lines.append(f"prompter_probe_failures_total:1|c|#{us},provider:{provider},model:{model}")
    if random.random() < 0.9:
        lines.append(f"prompter_openai_fingerprint_present_total:1|c|#{us}")
    if turn % 20 == 0:
        lines.append(f"prompter_db_unique_violation_total:1|c|#{us},table:prompt_templates")
        lines.append(f"prompter_rate_limit_hit_total:1|c|#{us},endpoint:{route}")
    return lines


def automation(turn: int) -> list[str]:
    status = random.choices(["pass", "fail", "error"], [90, 8, 2])[0]
    api = random.choice(["deepseek", "perplexity"])
    outcome = random.choices(["success", "rate_limited", "error"], [90, 6, 4])[0] if turn % 25 else "error"
    called = around(1.2)
    lines = [
        "test_watcher.files_processed:1|c",
        f"test_watcher.tests_run:1|c|#status:{status}",
        f"test_watcher.api_calls:1|c|#api:{api},status:{outcome}",
        f"test_watcher.changed_files_current:{random.randint(0, 12)}|g",
        f"test_watcher.memory_usage:{random.randint(90, 130) * 2**20}|g",
        "test_watcher.is_running:1|g",
        timer("test_watcher.processing_duration", around(0.6)),
        timer("test_watcher.debounce_duration", around(0.1)),
        timer("test_watcher.test_execution_duration", around(1.5)),
        "safe_async_bridge.calls:1|c",
        f"safe_async_bridge.pending_tasks:{random.randint(0, 5)}|g",
        "safe_async_bridge.active_loops:1|g",
        timer("safe_async_bridge.execution_duration", around(0.2)),
        f"api.{api}_calls:1|c|#status:{outcome}",
        f"api.{api}_response_time:{called:.3f}|g",
        timer("api.request_duration", called, f"api:{api}"),
        f"api.tokens_used:{random.randint(100, 2000)}|c|#api:{api}",
    ]
    if outcome != "success":
        lines.append(f"api.{'errors' if outcome == 'error' else 'rate_limits'}:1|c|#api:{api}")
    if turn % 20 == 0:
        lines += audit_and_errors(turn)
    if turn % 10 == 0:
        lines += machine(turn)
    return lines


def audit_and_errors(turn: int) -> list[str]:
    trigger = random.choice(["scheduled", "scheduled", "commit"])
    took = around(3)
    return [
        f"audit_agent.runs:1|c|#trigger:{trigger}",
        f"audit_agent.last_run_timestamp:{time.time():.3f}|g",
        f"audit_agent.coverage_percent:{82 + turn % 500 / 100:.2f}|g",
        f"audit_agent.active_tasks:{random.randint(0, 2)}|g",
        "audit_agent.completion_markers_found:2|c",
        "audit_agent.git_commits_detected:1|c",
        timer("audit_agent.run_duration", took),
        timer("audit_agent.analysis_duration", took * 0.7),
        "audit_agent.errors:1|c",
        "test_watcher.errors:1|c",
        "safe_async_bridge.errors:1|c",
        "safe_async_bridge.timeouts:1|c",
        "api.rate_limits:1|c|#api:deepseek",
    ]


def machine(turn: int) -> list[str]:
    return [
        f"system.cpu_percent:{random.randint(20, 60)}|g",
        f"system.memory_percent:{random.randint(40, 45)}|g",
        "system.disk_percent:54.1|g",
        f"process.cpu_seconds:{turn / 200:.2f}|g",
        f"process.resident_memory:{random.randint(90, 130) * 2**20}|g",
        f"process.open_file_descriptors:{random.randint(8, 14)}|g",
        f"process.threads_count:{random.randint(4, 9)}|g",
    ]


def trouble(turn: int) -> list[str]:
    """A line that is none, a kind that is none, one name as counter and gauge, and a user in a label."""
    return [
        "nonsense",
        "demo.thing:1|x",
        f"demo.two_types:1|{'c' if turn % 2 == 0 else 'g'}",
        f"demo.logins:1|c|#user:user{turn}",
    ]


SENDERS = {"emmett": emmett, "prompter": prompter, "automation": automation, "trouble": trouble}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9125)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=0, help="0 for ever")
    parser.add_argument("--send", nargs="+", choices=SENDERS, default=["emmett", "prompter", "automation"])
    args = parser.parse_args()
    to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    to.connect((args.host, args.port))
    start, turn = time.monotonic(), 0
    while args.seconds == 0 or time.monotonic() - start < args.seconds:
        for name in args.send:
            try:
                to.send("\n".join(SENDERS[name](turn)).encode())
            except ConnectionRefusedError:
                # The bridge is not there now; what was sent is lost, as with any sender over UDP.
                pass
        turn += 1
        time.sleep(1 / args.rate)


if __name__ == "__main__":
    # SIGTERM ends it as Ctrl-C does. Without a handler the first process of a container does not see it, and is killed after 10 s.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        pass
