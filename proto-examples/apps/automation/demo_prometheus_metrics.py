"""Sends every metric of the platform with simulated values to the bridge. It starts no other programs.

Each round is the same: 5 files, 9 test runs, 6 API calls, 3 audit runs, 4 asynchronous calls, 3 samples of the system.
"""

import argparse
import asyncio
import signal
import time

from automation.metrics import connect
from automation.metrics.collectors import ApiCollector, AuditAgentCollector, SystemCollector, TestWatcherCollector
from automation.safe_async_bridge import SafeAsyncBridge


def demo_test_watcher(work: float) -> None:
    print("Demo: TestWatcher metrics")
    watcher = TestWatcherCollector()
    watcher.set_running_status(True)
    for n in range(1, 6):
        watcher.update_changed_files_count(6 - n)
        with watcher.time_debounce():
            time.sleep(work / 5)
        with watcher.time_processing():
            time.sleep(work * n)
            watcher.record_file_processed()
        print(f"  processed file {n}/5")
    watcher.update_changed_files_count(0)
    for status in ["pass"] * 6 + ["fail"] * 2 + ["error"]:
        with watcher.time_test_execution():
            time.sleep(work / 2)
        watcher.record_test_run(status)
    watcher.record_error()
    watcher.record_api_call("deepseek", "success", 1.5)
    watcher.update_memory_usage()


def demo_api() -> None:
    print("Demo: API metrics")
    api = ApiCollector()
    api.record_call("deepseek", "success", 0.8, tokens=1200)
    api.record_call("deepseek", "rate_limited", 0.05)
    api.record_call("perplexity", "success", 2.25, tokens=800)
    api.record_call("perplexity", "error", 9.0)
    api.record_call("perplexity", "success", 1.75, tokens=500)


def demo_audit_agent(work: float) -> None:
    print("Demo: AuditAgent metrics")
    # A second collector of the same class is possible, because there is no registry.
    agent, commits = AuditAgentCollector(), AuditAgentCollector()
    for n, (trigger, coverage) in enumerate([("scheduled", 75.0), ("scheduled", 80.25), ("commit", 85.5)], 1):
        agent.record_run(trigger)
        agent.update_active_tasks(1)
        with agent.time_run():
            with agent.time_analysis():
                time.sleep(work)
            agent.record_completion_marker_found()
        agent.update_active_tasks(0)
        agent.update_coverage(coverage)
        print(f"  audit run {n}/3 ({trigger}) - coverage: {coverage} %")
    commits.record_git_commit_detected()
    commits.record_error()


def demo_safe_async_bridge(work: float) -> None:
    print("Demo: SafeAsyncBridge metrics")

    async def fails():
        raise ValueError("as it should")

    with SafeAsyncBridge() as bridge:
        calls = [(asyncio.sleep, (work,), 5), (asyncio.sleep, (work,), 5), (fails, (), 5), (asyncio.sleep, (60,), work)]
        for function, arguments, timeout in calls:
            try:
                bridge.call(function(*arguments), timeout)
                print("  a call succeeded")
            except (ValueError, TimeoutError) as error:
                print(f"  a call ended with {type(error).__name__}")


def demo_system(work: float) -> None:
    print("Demo: System metrics")
    for n in range(1, 4):
        # Created in each round on purpose.
        values = SystemCollector().collect_all()
        megabytes = values["process.resident_memory"] / 1e6
        cpu, memory, threads = values["system.cpu_percent"], values["system.memory_percent"], values["process.threads_count"]
        print(f"  sample {n}/3: CPU={cpu} %, memory={memory} % ({megabytes:.1f} MB), threads={threads}")
        time.sleep(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="where the bridge listens (STATSD_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="its StatsD port (STATSD_PORT, else 9125)")
    parser.add_argument("--rounds", type=int, default=1, help="how often; 0 for ever (default: 1)")
    parser.add_argument("--work", type=float, default=0.1, help="seconds that a unit of simulated work takes (default: 0.1)")
    args = parser.parse_args()
    connect(args.host, args.port)
    done = 0
    try:
        while args.rounds == 0 or done < args.rounds:
            demo_test_watcher(args.work)
            demo_api()
            demo_audit_agent(args.work)
            demo_safe_async_bridge(args.work)
            demo_system(args.work)
            done += 1
    finally:
        TestWatcherCollector().set_running_status(False)
    print("Demo complete. The bridge still shows the metrics.")


if __name__ == "__main__":
    # SIGTERM ends it like Ctrl-C. Without a handler, the first process of a container ignores SIGTERM, and is killed after 10 s.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        pass
