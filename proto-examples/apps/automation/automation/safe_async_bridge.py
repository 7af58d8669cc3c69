"""Calls coroutines from threads without an event loop, and counts the outcome of each call."""

import asyncio
import concurrent.futures
import threading

from .metrics.collectors import SafeAsyncBridgeCollector


class SafeAsyncBridge:
    """An event loop in its own thread, with a context manager that ends it."""

    def __init__(self):
        self.metrics = SafeAsyncBridgeCollector()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._pending, self._lock = 0, threading.Lock()

    def __enter__(self):
        self._thread.start()
        self.metrics.update_active_loops(1)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.metrics.update_active_loops(0)

    def call(self, coroutine, timeout: float):
        """Returns the result of the coroutine. Raises its exception, or TimeoutError, and then cancels it."""
        self.metrics.record_call()
        self._count(+1)
        try:
            with self.metrics.time_execution():
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
                try:
                    return future.result(timeout)
                except concurrent.futures.TimeoutError:
                    future.cancel()
                    self.metrics.record_timeout()
                    raise
                except Exception:
                    self.metrics.record_error()
                    raise
                except BaseException:
                    # The program is ending, and the result is no longer needed.
                    future.cancel()
                    raise
        finally:
            self._count(-1)

    @staticmethod
    async def _settle() -> None:
        # Running coroutines are cancelled, and end before the loop.
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _count(self, change: int) -> None:
        # Sent under the lock, so that two threads send their counts in the right order.
        with self._lock:
            self._pending += change
            self.metrics.update_pending_tasks(self._pending)
