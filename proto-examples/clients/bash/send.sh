#!/usr/bin/env bash
# Sends 10,000 samples to a StatsD server: bash send.sh [HOST [PORT]]
set -u
host=${1:-${STATSD_HOST:-127.0.0.1}} port=${2:-${STATSD_PORT:-9125}}

# Opening the pseudo-device connects a UDP socket; each printf below is one write, so one datagram.
exec 3>"/dev/udp/$host/$port" || exit 1

# send NAME VALUE KIND [FIELD...], a field being such as "@0.25" or "#key:value,key:value"
send() {
  local line="$1:$2|$3" field
  for field in "${@:4}"; do line+="|$field"; done
  # Bash writes at every newline, so a datagram is one line. A failed send must not disturb what is being measured.
  printf '%s' "$line" >&3 2>/dev/null || true
}

for ((i = 1; i <= 1250; i++)); do
  send client.requests 1 c '#route:/orders,method:GET'
  send client.bytes "$i" c
  send client.queue_depth "$i" g
  send client.queue_depth -3 g
  send client.request_time "$((i % 4 * 250))" ms
  send client.job_seconds 0.75 h @0.25
  send client.response_size "$((i % 8))" d
  send client.users "u$((i % 100))" s
  ((i % 10)) || sleep 0.01 # UDP has no brake but the sender's
done
