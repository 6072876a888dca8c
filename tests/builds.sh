#!/bin/sh
# Builds in other ways than cargo's usual two, and runs what can be run of each (SND-05, SND-08). From anywhere:
#
#     tests/builds.sh                    all of them
#     tests/builds.sh abort layout       these: features, abort, layout, checks, narrow
#
#   features  no door but those that are always there, then each by itself: the crate builds without a warning, examples run
#   abort   panics end the process: examples run, and a task's panic ends the process with its message
#   layout  fields lie in a random order, by three seeds: the unit tests and the behaviour tests (needs a nightly)
#   checks  optimised, with overflow checks and debug assertions: the same tests
#   narrow  32-bit: the crate type-checks, no more than that (needs the target's std)
#
# What is missing is skipped with a line that says so.
set -eu
cd "$(dirname "$0")/.."

BUILDS="${CARGO_TARGET_DIR:-$PWD/target}/builds"
fail() { echo "FAILED tests/builds.sh: $1"; exit 1; }

features() {
    export CARGO_TARGET_DIR="$BUILDS/features"
    doors=$(sed -n 's/^full = \[\(.*\)\]/\1/p' Cargo.toml | tr -d '",')
    [ -n "$doors" ] || fail "Cargo.toml has no list 'full'"
    # A warning is an error: Cargo.toml denies what is unused.
    for door in "" $doors; do
        cargo check --quiet --lib --no-default-features --features "$door" || fail "the crate with '$door' alone"
    done
    for example in hello timers echo; do
        timeout 120 cargo run --quiet --no-default-features --example "$example" >"$BUILDS/out" 2>&1 || { cat "$BUILDS/out"; fail "$example"; }
    done
    echo "features: none and each of" $doors "by itself"
}

abort() {
    export CARGO_TARGET_DIR="$BUILDS/abort" CARGO_PROFILE_DEV_PANIC=abort
    for example in hello timers echo replay; do
        timeout 60 cargo run --quiet --example "$example" >"$BUILDS/out" 2>&1 || { cat "$BUILDS/out"; fail "$example"; }
    done
    # Its tasks panic on purpose. Where panics unwind it ends well; here the first one is the last.
    cargo build --quiet --example nothing_dies_silently
    status=0
    timeout 60 "$CARGO_TARGET_DIR/debug/examples/nothing_dies_silently" >"$BUILDS/out" 2>&1 || status=$?
    [ "$status" -eq 134 ] || { cat "$BUILDS/out"; fail "a panic ended the process with $status, not with an abort"; }
    grep -q "panicked at examples/nothing_dies_silently.rs" "$BUILDS/out" || fail "an abort without a word"
    echo "abort: four examples run, and a panic ends the process with its message"
}

layout() {
    rustc +nightly --version >/dev/null 2>&1 || { echo "SKIPPED layout: there is no nightly toolchain"; return; }
    export CARGO_TARGET_DIR="$BUILDS/layout"
    for seed in 1 2 3; do
        echo "layout: seed $seed"
        # The test that is left out says how many bytes a timer takes, which is the order's doing.
        RUSTFLAGS="-Zrandomize-layout -Zlayout-seed=$seed" cargo +nightly test --quiet --no-fail-fast --lib --test it -- \
            --skip memory_comes_back_when_most_timers_are_cancelled
    done
}

checks() {
    export CARGO_TARGET_DIR="$BUILDS/checks" CARGO_PROFILE_RELEASE_LTO=off
    export CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
    cargo test --quiet --release --lib --test it
}

narrow() {
    target=i686-unknown-linux-gnu
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] ||
        { echo "SKIPPED narrow: the std of $target is not installed (rustup target add $target)"; return; }
    CARGO_TARGET_DIR="$BUILDS/narrow" cargo check --quiet --lib --target "$target"
    echo "narrow: the crate type-checks for $target"
}

mkdir -p "$BUILDS"
[ $# -gt 0 ] || set -- features abort layout checks narrow
for build in "$@"; do
    case $build in
        # Each in a shell of its own, so that no build sees another's settings.
        features | abort | layout | checks | narrow) ("$build") ;;
        *) fail "there is no build '$build'" ;;
    esac
done
