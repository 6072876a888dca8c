#!/bin/sh
# A mixed load on the real loop for ten minutes, and whether descriptors, threads, tasks and memory stay where they were
# (RES-07). From anywhere:
#
#     tests/soak.sh [seconds]            600; 10 for trying it, 28800 for a night
#
# It prints a line now and then, at the end what memory did, and fails if anything grows or hangs. What it judges, and what
# it can tell from noise, is at the top of tests/real/soak.rs. `cargo test` runs four seconds of it.
#
# Its first ten minutes FAILED by memory alone, and the cause is not shown yet: RSS at the stops went from 5.8 MiB after
# 12 s to 6.8, 7.2, 7.4 and 7.6 MiB at 134, 255, 377 and 498 s, and what the allocator had given out rose with it. The
# pools of cells, which may keep 4 MiB a core, are suspected. Descriptors, threads and tasks were flat.
set -eu
cd "$(dirname "$0")/.."

MAINSPRING_SOAK_S="${1:-600}" cargo test --quiet --release --test real -- --child soak
