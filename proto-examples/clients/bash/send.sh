#!/usr/bin/env bash
# Sends samples to a StatsD server: bash send.sh HOST PORT
set -u

# Opening the pseudo-device connects a UDP socket; each printf below is one write, so one datagram.
exec 3>"/dev/udp/${1:-127.0.0.1}/${2:-9125}" || exit 1

# name, value, kind, and optionally more fields such as "@0.25" or "#key:value,key:value"
send() {
  local line="$1:$2|$3" field
  for field in "${@:4}"; do line+="|$field"; done
  # A failed send must not disturb what is being measured.
  printf '%s' "$line" >&3 2>/dev/null || true
}

send client.requests 1 c '#route:/orders,method:GET'
send client.requests 2 c '#route:/orders,method:GET'
send client.queue_depth 40 g
send client.queue_depth -3 g
send client.request_time 320 ms
send client.job_seconds 0.75 h @0.25
send client.users ada s
send client.users grace s
