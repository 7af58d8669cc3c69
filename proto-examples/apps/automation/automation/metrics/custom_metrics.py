"""Every metric of the platform with its name on the wire. mapping.yml maps these to the names in the exposition."""

from .statsd_sender import Counter, Gauge, Histogram

# ---- TestWatcher ----
test_watcher_files_processed = Counter("test_watcher.files_processed")
test_watcher_tests_run = Counter("test_watcher.tests_run", ("status",))
test_watcher_api_calls = Counter("test_watcher.api_calls", ("api", "status"))
test_watcher_errors = Counter("test_watcher.errors")
test_watcher_changed_files_current = Gauge("test_watcher.changed_files_current")
test_watcher_memory_usage = Gauge("test_watcher.memory_usage")
test_watcher_is_running = Gauge("test_watcher.is_running")
test_watcher_processing_duration = Histogram("test_watcher.processing_duration")
test_watcher_debounce_duration = Histogram("test_watcher.debounce_duration")
test_watcher_test_execution_duration = Histogram("test_watcher.test_execution_duration")

# ---- AuditAgent ----
audit_agent_runs = Counter("audit_agent.runs", ("trigger",))
audit_agent_completion_markers_found = Counter("audit_agent.completion_markers_found")
audit_agent_git_commits_detected = Counter("audit_agent.git_commits_detected")
audit_agent_errors = Counter("audit_agent.errors")
audit_agent_coverage_percent = Gauge("audit_agent.coverage_percent")
audit_agent_last_run_timestamp = Gauge("audit_agent.last_run_timestamp")
audit_agent_active_tasks = Gauge("audit_agent.active_tasks")
audit_agent_run_duration = Histogram("audit_agent.run_duration")
audit_agent_analysis_duration = Histogram("audit_agent.analysis_duration")

# ---- SafeAsyncBridge ----
safe_async_bridge_calls = Counter("safe_async_bridge.calls")
safe_async_bridge_errors = Counter("safe_async_bridge.errors")
safe_async_bridge_timeouts = Counter("safe_async_bridge.timeouts")
safe_async_bridge_pending_tasks = Gauge("safe_async_bridge.pending_tasks")
safe_async_bridge_active_loops = Gauge("safe_async_bridge.active_loops")
safe_async_bridge_execution_duration = Histogram("safe_async_bridge.execution_duration")

# ---- API ----
api_calls = {
    "deepseek": Counter("api.deepseek_calls", ("status",)),
    "perplexity": Counter("api.perplexity_calls", ("status",)),
}
api_response_time = {
    "deepseek": Gauge("api.deepseek_response_time"),
    "perplexity": Gauge("api.perplexity_response_time"),
}
api_rate_limits = Counter("api.rate_limits", ("api",))
api_errors = Counter("api.errors", ("api",))
api_tokens_used = Counter("api.tokens_used", ("api",))
api_request_duration = Histogram("api.request_duration", ("api",))

# ---- System ----
system_cpu_percent = Gauge("system.cpu_percent")
system_memory_percent = Gauge("system.memory_percent")
system_disk_percent = Gauge("system.disk_percent")
process_cpu_seconds = Gauge("process.cpu_seconds")
process_resident_memory = Gauge("process.resident_memory")
process_open_file_descriptors = Gauge("process.open_file_descriptors")
process_threads_count = Gauge("process.threads_count")
