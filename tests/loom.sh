#!/bin/sh
# Runs every model (the unit tests named `model_...`) under loom, which explores all interleavings of a model's threads
# up to a number of preemptions. From anywhere:
#
#     tests/loom.sh [filter]             all models, or those whose path contains the filter
#     LOOM_MAX_PREEMPTIONS=5 tests/loom.sh task::model
#
# 3 preemptions find every bug these models have found so far, in seconds; 8 take about a minute.
# Lints are capped because loom builds no more than its models need, so that much of the rest looks unused; they are
# judged by the ordinary build. Debug assertions are on: the state machine's own checks are half of each model.
# One line a model says how many interleavings there were.
set -eu
cd "$(dirname "$0")/.."

export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
export LOOM_LOG="${LOOM_LOG:-loom::model=info}"
export RUSTFLAGS="--cfg loom --cap-lints allow"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/loom}"
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
export CARGO_PROFILE_RELEASE_LTO=off

set -x
cargo test --release --lib "${1:-model_}" -- --nocapture --test-threads=1
