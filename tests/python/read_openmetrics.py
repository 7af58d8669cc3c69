"""Reads pages in OpenMetrics from stdin, a JSON list of [name, text], with prometheus_client's strict parser.

Prints how many there were; names the first one that is refused and exits with 1.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

pages = json.load(sys.stdin)
for name, text in pages:
    try:
        families = list(text_string_to_metric_families(text))
    except Exception as error:
        sys.exit(f"{name}: {error!r}\n{text}")
    if not families:
        sys.exit(f"{name}: nothing read")
print(len(pages))
