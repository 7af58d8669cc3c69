"""Metrics of the platform: defined in `custom_metrics`, recorded by `collectors`, sent by `statsd_sender`, exposed by the bridge."""

from .statsd_sender import connect

__all__ = ["connect"]
