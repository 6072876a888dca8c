#!/bin/sh
# Builds the crate with the plain fallback of base/sys, as on a platform without Linux's own calls, and runs the unit
# tests and the behaviour tests on it. From anywhere:
#
#     tests/plain.sh [filter]            all of them, or those whose path contains the filter
#
# What is tested here is the fallback on Linux. The crate has not been run on any other platform, and this does not
# claim that it would.
set -eu
cd "$(dirname "$0")/.."

export RUSTFLAGS="--cfg mainspring_plain"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/plain}"

set -x
cargo test --no-fail-fast --lib --test it -- "$@"
