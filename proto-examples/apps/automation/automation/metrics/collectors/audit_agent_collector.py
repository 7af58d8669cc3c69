"""What the AuditAgent does: runs, what they find, how long they take."""

import contextlib
import time

from .. import custom_metrics as m


class AuditAgentCollector:
    """Records for one AuditAgent, which may be given to it and is not touched."""

    def __init__(self, agent=None):
        self.agent = agent

    def record_run(self, trigger: str) -> None:
        """A run that began; `trigger` says why: scheduled, manual, commit."""
        m.audit_agent_runs.labels(trigger=trigger).inc()
        m.audit_agent_last_run_timestamp.set(time.time())

    def record_completion_marker_found(self) -> None:
        m.audit_agent_completion_markers_found.inc()

    def record_git_commit_detected(self) -> None:
        m.audit_agent_git_commits_detected.inc()

    def record_error(self) -> None:
        m.audit_agent_errors.inc()

    def update_coverage(self, percent: float) -> None:
        m.audit_agent_coverage_percent.set(percent)

    def update_active_tasks(self, count: int) -> None:
        m.audit_agent_active_tasks.set(count)

    def time_run(self) -> contextlib.AbstractContextManager:
        return m.audit_agent_run_duration.time()

    def time_analysis(self) -> contextlib.AbstractContextManager:
        return m.audit_agent_analysis_duration.time()
