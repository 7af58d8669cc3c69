#!/bin/sh
# Fills fuzz/corpus from the examples: one seed per file, in the form of each target.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/parse_line corpus/ingest corpus/events corpus/event_line corpus/mapping_load corpus/mapping_match corpus/state_read corpus/selector corpus/quick_line corpus/negotiate corpus/framing
n=0
find ../proto-examples -name '*.statsd' | sort | while read -r file; do
    n=$((n + 1))
    # The first byte selects the options.
    { printf '\000'; cat "$file"; } > "corpus/ingest/example-$n"
    { printf '\014'; cat "$file"; } > "corpus/ingest/example-$n-rules"
    { printf '\000'; head -n 1 "$file"; } > "corpus/parse_line/example-$n"
    cp "$file" "corpus/quick_line/example-$n"
    # Options, limit and two steps, then a stream of lines, and one of frames.
    { printf '\377\377\001\007'; cat "$file"; } > "corpus/framing/example-$n"
    { printf '\377\377\001\007\005\000\000\000a:1|c\377\000\000\000'; cat "$file"; } > "corpus/framing/example-$n-frames"
    case "$file" in
    */events/*)
        { printf '\000'; sed 's/^_e{//; s/^_sc|//' "$file"; } > "corpus/events/example-$n"
        { printf '\000'; head -n 1 "$file" | sed 's/^_e{//; s/^_sc|//'; } > "corpus/event_line/example-$n"
        ;;
    esac
done
n=0
find .. -path ../target -prune -o -path ./target -prune -o \( -name '*.mapping.yml' -o -path '*/presets/*.yml' -o -name 'config.example.yml' \) -print |
    sort | while read -r file; do
    n=$((n + 1))
    cp "$file" "corpus/mapping_load/example-$n"
    # Patterns, an empty line, names.
    {
        sed -n "s/^ *-* *match: *[\"']\{0,1\}\([^\"' ]*\).*/\1/p" "$file" | head -n 12
        printf '\na.b.c\na.b\napp.cart.hits\n'
    } > "corpus/mapping_match/example-$n"
done
# The first byte selects a complete file, a body to which the target adds checksums, or lines.
n=0
find ../proto-examples -name '*.statsd' | sort | head -n 40 | while read -r file; do
    n=$((n + 1))
    { printf '\002'; cat "$file"; } > "corpus/state_read/example-$n"
done
n=0
for selector in 'up' 'up{a="b",c!=`d`,}' '{__name__=~"a.+",b!~"c|"}' "{\"up\",'é'='\\x41\\n'}" 'job:rate:5m{a=~"(?i)b"}'; do
    n=$((n + 1))
    printf '%s' "$selector" > "corpus/selector/example-$n"
done
n=0
for accept in '*/*' 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1' \
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.1' \
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7'; do
    n=$((n + 1))
    printf '%s' "$accept" > "corpus/negotiate/example-$n"
done
