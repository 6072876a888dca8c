#!/bin/sh
# Lives 1,000 seeds in a debug build and in a release build, and compares every step and every hash (SIM-01): optimised
# or not, a seed is a life. From anywhere:
#
#     tests/replay.sh [seeds]
#
# What lives is examples/replay.rs. That two processes of one build agree, and that busy threads beside a simulation change
# nothing, is tested in tests/it/simulated.rs.
set -eu
cd "$(dirname "$0")/.."

SEEDS="${1:-1000}"
FOLDER="${CARGO_TARGET_DIR:-target}/replay"
mkdir -p "$FOLDER"

# The build's name, and cargo's flags for it.
live() {
    build=$1 && shift
    cargo run --quiet "$@" --example replay -- --lives "$SEEDS" >"$FOLDER/$build"
    lives=$(grep -c '^seed [0-9]* events [0-9a-f]* race [a-f]* crowd' "$FOLDER/$build" || true)
    [ "$lives" -eq "$SEEDS" ] || { echo "FAILED tests/replay.sh: $lives lives, not $SEEDS, in a $build build"; exit 1; }
}
live debug
live release --release

distinct=$(cut -d' ' -f4- "$FOLDER/debug" | sort -u | wc -l)
[ "$distinct" -gt $((SEEDS / 2)) ] || { echo "FAILED tests/replay.sh: only $distinct different lives"; exit 1; }
different=$(diff "$FOLDER/debug" "$FOLDER/release" | grep -c '^<' || true)
if [ "$different" -gt 0 ]; then
    diff "$FOLDER/debug" "$FOLDER/release" | grep -m2 '^[<>]' | cut -c1-300
    echo "FAILED tests/replay.sh: $different of $SEEDS seeds live another life in a release build; see $FOLDER"
    exit 1
fi
echo "$SEEDS seeds live the same life in a debug build and in a release build, $distinct different ones"
