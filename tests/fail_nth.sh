#!/bin/sh
# Makes the Nth system call of each kind fail, for N from 1 to 50 and with three errors each, and looks how a short life on
# each flavour ends (RES-04): within ten seconds, with a result or with a word, and never in a hang. From anywhere:
#
#     tests/fail_nth.sh [last]           up to the 50th, or to another one
#
# `cargo test` does the same for the first ten, with one error each. It needs strace; without it, it says so and does
# nothing. It takes some ten minutes, nearly all of them in lives that end by their own limit of a second.
set -eu
cd "$(dirname "$0")/.."

command -v strace >/dev/null || { echo "SKIPPED tests/fail_nth.sh: strace is not installed; nothing was checked"; exit 0; }
last="${1:-50}"
cargo test --quiet --no-run --test real
for turn in 0 1 2; do
    first=1
    while [ "$first" -le "$last" ]; do
        until=$((first + 9 < last ? first + 9 : last))
        echo "calls $first to $until, turn $turn"
        MAINSPRING_FAIL_NTH="$first $until $turn" cargo test --quiet --test real -- --exact \
            res_04_whichever_call_fails_a_life_ends_soon_with_a_result_or_a_word
        first=$((until + 1))
    done
done
echo "no life hung, and none ended without a word"
