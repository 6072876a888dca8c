#!/bin/sh
# Runs the unit tests and the behaviour tests under AddressSanitizer and LeakSanitizer: no access outside of what is
# allocated, none after it is freed, nothing left behind at the end (SND-06). From anywhere:
#
#     tests/asan.sh [filter]             all of them, or those whose path contains the filter
#
# It needs a nightly toolchain; without one it says so and does nothing. The first thing it does is to show each
# sanitizer a bug, for one that has quietly not been linked finds nothing either. std comes as it is, not instrumented:
# what its own code does to our memory is seen only where it allocates and frees.
set -eu
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-gnu
skip() { echo "SKIPPED tests/asan.sh: $1; nothing was checked"; exit 0; }
[ "$(uname -sm)" = "Linux x86_64" ] || skip "it is for Linux on x86_64"
rustc +nightly --version >/dev/null 2>&1 || skip "there is no nightly toolchain (rustup toolchain install nightly)"
ls "$(rustc +nightly --print sysroot)/lib/rustlib/$TARGET/lib" | grep -q asan || skip "this nightly has no sanitizers"

export RUSTFLAGS="-Zsanitizer=address"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/asan}"
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1"
export LSAN_OPTIONS="print_suppressions=0:suppressions=$CARGO_TARGET_DIR/leaks-meant"
# Frames are larger when every access is instrumented, and some tests keep a megabyte on the stack.
export RUST_MIN_STACK=16777216
mkdir -p "$CARGO_TARGET_DIR"
# The payload of a panic that a payload's destructor raised, for nobody could drop it without the risk of a third; what
# an enter guard holds that is dropped out of order, since the slot may still point there; what tests forget on purpose.
printf 'leak:%s\n' mainspring::base::quiet::bury it::misuse::guards::mis_09 it::misuse::guards::mis_11 \
    it::group::borrowed_ends::mis_11 it::group::cancels::scp_07 it::group::local::scp_07 it::group::sets::mis_11 \
    it::group::combine_ends::scp_07 it::group::local_send::scp_07 it::channels::broadcast::mis_11 it::channels::mpsc::misuse::mis_11 \
    it::channels::oneshot::mis_11 it::channels::watch::mis_11 it::channels::queue_ends::mis_11 it::channels::queue_done::mis_11 it::task_local::mis_11 \
    it::sync::misuse::mis_11 it::group::hostile::scp_07 it::map_on_ends::run_does_not_wait_for_a_map_that_was_forgotten it::group::losses::scp_07 \
    it::channels::queue_ends::snd_04 it::channels::broadcast::snd_04 sync::wait_list::tests::model_mis_11 sync::wait_list::tests::a_crowd_is_woken \
    >"$CARGO_TARGET_DIR/leaks-meant"

# A program with a bug, and what the report about it must contain.
must_report() {
    bait="$CARGO_TARGET_DIR/bait"
    echo "fn main() { $1 }" | rustc +nightly -Zsanitizer=address -A warnings --crate-name bait -o "$bait" -
    "$bait" >"$bait.log" 2>&1 && echo "FAILED tests/asan.sh: a bug got past: $1" && exit 1
    grep -q "$2" "$bait.log" || { cat "$bait.log"; echo "FAILED tests/asan.sh: no word of '$2'"; exit 1; }
}
must_report 'let b = Box::into_raw(Box::new(7)); unsafe { drop(Box::from_raw(b)); b.read() };' heap-use-after-free
must_report 'std::mem::forget(std::hint::black_box(vec![7_u8; 100]));' LeakSanitizer

# What is freed stays in the sanitizer's quarantine, so those that weigh a channel's memory are left out.
set -x
cargo +nightly test --no-fail-fast --target "$TARGET" --lib --test it -- --skip channels::mpsc::waiting::syn_12 "$@"
