"""Reads a page from stdin with prometheus_client and prints its series as JSON: [name, labels, value], the value as text."""

import json
import sys

from prometheus_client.parser import text_fd_to_metric_families

families = text_fd_to_metric_families(sys.stdin)
json.dump([[s.name, s.labels, repr(s.value)] for family in families for s in family.samples], sys.stdout)
