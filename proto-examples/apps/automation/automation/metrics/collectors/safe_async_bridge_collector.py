"""What the SafeAsyncBridge does: calls from threads into an event loop."""

from .. import custom_metrics as m


class SafeAsyncBridgeCollector:
    """Records for a SafeAsyncBridge."""

    def record_call(self) -> None:
        m.safe_async_bridge_calls.inc()

    def record_error(self) -> None:
        m.safe_async_bridge_errors.inc()

    def record_timeout(self) -> None:
        m.safe_async_bridge_timeouts.inc()

    def update_pending_tasks(self, count: int) -> None:
        m.safe_async_bridge_pending_tasks.set(count)

    def update_active_loops(self, count: int) -> None:
        m.safe_async_bridge_active_loops.set(count)

    def time_execution(self):
        return m.safe_async_bridge_execution_duration.time()
