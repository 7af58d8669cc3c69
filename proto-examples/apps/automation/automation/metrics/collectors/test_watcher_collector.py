"""What the TestWatcher does: files, test runs, calls of APIs."""

import psutil

from .. import custom_metrics as m
from .api_collector import ApiCollector


class TestWatcherCollector:
    """Records for one TestWatcher, which may be given to it and is not touched."""

    # Pytest must not take it for a test.
    __test__ = False

    def __init__(self, watcher=None):
        self.watcher = watcher
        self._api = ApiCollector()

    def record_file_processed(self) -> None:
        m.test_watcher_files_processed.inc()

    def record_test_run(self, status: str) -> None:
        """`status` is pass, fail or error."""
        m.test_watcher_tests_run.labels(status=status).inc()

    def record_api_call(self, api: str, status: str, duration: float | None = None) -> None:
        """One call of an API, here and in the API's own metrics; `duration` is in seconds."""
        m.test_watcher_api_calls.labels(api=api, status=status).inc()
        self._api.record_call(api, status, duration)

    def record_error(self) -> None:
        m.test_watcher_errors.inc()

    def update_changed_files_count(self, count: int) -> None:
        m.test_watcher_changed_files_current.set(count)

    def update_memory_usage(self) -> None:
        """Resident memory of this process, in bytes."""
        m.test_watcher_memory_usage.set(psutil.Process().memory_info().rss)

    def set_running_status(self, running: bool) -> None:
        m.test_watcher_is_running.set(int(running))

    def time_processing(self):
        return m.test_watcher_processing_duration.time()

    def time_debounce(self):
        return m.test_watcher_debounce_duration.time()

    def time_test_execution(self):
        return m.test_watcher_test_execution_duration.time()
