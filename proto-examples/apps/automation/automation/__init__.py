"""The metrics of the automation platform."""
