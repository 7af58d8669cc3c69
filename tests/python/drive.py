"""Asks an application for what stdin says, in JSON, and compares the statuses: the client of tests/apps.

    {"base": "127.0.0.1:8000",
     "requests": [{"method": "GET", "path": "/", "times": 3, "status": 200, "body": "..", "type": "application/json"}],
     "websockets": [{"path": "/ws/echo", "times": 2}]}

Every request is a connection of its own, so that all workers of a server have some; eight at once. `status` may be null: then any
will do. Prints how many answers there were of each status.
"""

import collections
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import requests
from websockets.sync.client import connect


def ask(base, wanted):
    headers = {"Connection": "close", "Content-Type": wanted.get("type", "text/plain")}
    data = wanted.get("body", "").encode() or None
    url = f"http://{base}{wanted['path']}"
    response = requests.request(wanted["method"], url, headers=headers, data=data, allow_redirects=False, timeout=30)
    if wanted["status"] not in (None, response.status_code):
        raise SystemExit(f"{wanted}: {response.status_code} {response.text[:500]}")
    return response.status_code


def talk(base, wanted):
    # Granian does not answer a close frame, and by default the client waits for ten seconds.
    with connect(f"ws://{base}{wanted['path']}", proxy=None, close_timeout=0.5) as websocket:
        for text in ("hello", "ü"):
            websocket.send(text)
            if (answer := websocket.recv(timeout=30)) != text:
                raise SystemExit(f"{wanted}: {answer!r}")


def main():
    plan = json.load(sys.stdin)
    each = [wanted for wanted in plan["requests"] for _ in range(wanted["times"])]
    with ThreadPoolExecutor(8) as pool:
        statuses = collections.Counter(pool.map(lambda wanted: ask(plan["base"], wanted), each))
        talks = [wanted for wanted in plan.get("websockets", []) for _ in range(wanted["times"])]
        list(pool.map(lambda wanted: talk(plan["base"], wanted), talks))
    print(json.dumps(statuses))


if __name__ == "__main__":
    main()
