#!/usr/bin/env bash
# Drives examples/kv with redis-benchmark: tests/redis.sh [port]. Skips aloud where redis-benchmark is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v redis-benchmark >/dev/null || { echo "skipped: redis-benchmark is not installed"; exit 0; }
port=${1:-7391}
cargo build --release --example kv
"${CARGO_TARGET_DIR:-target}/release/examples/kv" --port "$port" --workers 2 &
server=$!
trap 'kill -INT $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
[ "$(redis-cli -p "$port" ping)" = PONG ]
for load in "-P 16 -n 100000" "-c 1000 -n 50000"; do
    # shellcheck disable=SC2086
    out=$(redis-benchmark -p "$port" -t ping,set,get -q $load 2>&1 | tr '\r' '\n')
    if grep -qiE 'error|refused|reset' <<<"$out"; then echo "$out"; exit 1; fi
    grep 'requests per second' <<<"$out"
    [ "$(grep -c 'requests per second' <<<"$out")" = 4 ]
done
kill -INT $server
wait $server
trap - EXIT
echo "redis-benchmark ran without an error, and the server ended cleanly"
