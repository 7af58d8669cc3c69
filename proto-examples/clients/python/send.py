"""Sends samples to a StatsD server: python3 send.py HOST PORT"""

import socket
import sys


class Statsd:
    def __init__(self, host, port):
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(family, kind, protocol)
        self.socket.connect(address)

    def send(self, name, value, kind, *fields):
        try:
            self.socket.send("|".join((f"{name}:{value}", kind, *fields)).encode())
        except OSError:
            pass  # a failed send must not disturb what is being measured


def main(host="127.0.0.1", port="9125"):
    statsd = Statsd(host, port)
    statsd.send("client.requests", 1, "c", "#route:/orders,method:GET")
    statsd.send("client.requests", 2, "c", "#route:/orders,method:GET")
    statsd.send("client.queue_depth", 40, "g")
    statsd.send("client.queue_depth", "-3", "g")
    statsd.send("client.request_time", 320, "ms")
    statsd.send("client.job_seconds", 0.75, "h", "@0.25")
    statsd.send("client.users", "ada", "s")
    statsd.send("client.users", "grace", "s")


if __name__ == "__main__":
    main(*sys.argv[1:])
