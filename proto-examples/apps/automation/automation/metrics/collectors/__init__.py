"""One collector for each part of the platform. They hold no state of the metrics: any number of each may exist."""

from .api_collector import ApiCollector
from .audit_agent_collector import AuditAgentCollector
from .safe_async_bridge_collector import SafeAsyncBridgeCollector
from .system_collector import SystemCollector
from .test_watcher_collector import TestWatcherCollector

__all__ = ["ApiCollector", "AuditAgentCollector", "SafeAsyncBridgeCollector", "SystemCollector", "TestWatcherCollector"]
