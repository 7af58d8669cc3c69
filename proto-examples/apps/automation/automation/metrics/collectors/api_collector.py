"""Calls of the two language model APIs."""

from .. import custom_metrics as m


class ApiCollector:
    """Records for `deepseek` and `perplexity`; another name is a KeyError, so that a typing mistake makes no series."""

    def record_call(self, api: str, status: str, duration: float | None = None, tokens: int = 0) -> None:
        """One call that ended; `status` is success, error or rate_limited, `duration` is in seconds."""
        m.api_calls[api].labels(status=status).inc()
        if duration is not None:
            m.api_response_time[api].set(duration)
            m.api_request_duration.labels(api=api).observe(duration)
        if tokens:
            m.api_tokens_used.labels(api=api).inc(tokens)
        if status == "error":
            m.api_errors.labels(api=api).inc()
        if status == "rate_limited":
            m.api_rate_limits.labels(api=api).inc()
