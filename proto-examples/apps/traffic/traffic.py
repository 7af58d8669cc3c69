"""Sends HTTP requests to the example applications until it is stopped: python3 traffic.py [--rate 20] [FILE]

Reads what to ask for from requests.txt beside it. An answer of any status is an answer; an application that is not there yet is
tried again. Standard library only.
"""

import argparse
import http.client
import pathlib
import random
import signal
import time
from urllib.parse import urlsplit

TIMEOUT = 10
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c3RhdHNkLWJyaWRnZSEhIQ=="}


def read(path):
    """Weights, each with a request: method, URL, body."""
    lines = [line.split(maxsplit=3) for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [int(line[0]) for line in lines], [(*line[1:], "")[:3] for line in lines]


def ask(method, url, body):
    n = str(random.randint(1, 999))
    target = urlsplit(url.replace("{n}", n))
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=TIMEOUT)
    try:
        if method == "WS":
            connection.request("GET", target.path, headers=UPGRADE)
        else:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, target.path, body.replace("{n}", n) or None, headers)
        response = connection.getresponse()
        # A WebSocket has no end.
        if response.status != 101:
            response.read()
        return response.status
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).with_name("requests.txt"))
    parser.add_argument("--rate", type=float, default=20, help="requests a second, at most (default: 20)")
    parser.add_argument("--count", type=int, default=0, help="end after so many; 0 for never (default)")
    args = parser.parse_args()
    weights, requests = read(args.file)
    answers, said = {}, time.monotonic()
    done = 0
    while args.count == 0 or done < args.count:
        done += 1
        try:
            answer = str(ask(*random.choices(requests, weights)[0]))
        except (OSError, http.client.HTTPException) as error:
            answer = type(error).__name__
        answers[answer] = answers.get(answer, 0) + 1
        if time.monotonic() - said >= 60 or done == args.count:
            print("answers:", ", ".join(f"{key}: {count}" for key, count in sorted(answers.items())), flush=True)
            answers, said = {}, time.monotonic()
        time.sleep(1 / args.rate)


if __name__ == "__main__":
    # SIGTERM ends it like Ctrl-C. Without a handler, the first process of a container ignores SIGTERM, and is killed after 10 s.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        pass
