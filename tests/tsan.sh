#!/bin/sh
# Runs the unit tests, the behaviour tests and the real-loop tests under ThreadSanitizer: no two threads touch the same
# memory, one of them writing, without an order between them (SND-06). From anywhere:
#
#     tests/tsan.sh [filter]             all of them, or those whose path contains the filter
#
# Of the real-loop tests some are left out. Those that count threads, sleeps, calls or memory find the sanitizer's own;
# those that limit the address space leave it none; one preloads a library; one makes every call fail, the sanitizer's too;
# those that fork make threads in the child, which the sanitizer does not follow.
#
# ThreadSanitizer must see std's own synchronisation, or park and Barrier look like races. So std is built along, which
# takes a compiler that comes with std's source: Debian's rustc-web, some 140 MB, unpacked under target/ and installed
# nowhere. The sanitizer itself is taken from a nightly toolchain. Where any of this is missing the script says so and
# does nothing. It begins by showing the sanitizer a race, to see whether it is there.
set -eu
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-gnu
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/tsan}"
TOOLS="$CARGO_TARGET_DIR/tools"
LIBRARIES="lib/rustlib/$TARGET/lib"
skip() { echo "SKIPPED tests/tsan.sh: $1; nothing was checked"; exit 0; }
[ "$(uname -sm)" = "Linux x86_64" ] || skip "it is for Linux on x86_64"
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "Debian's tools are not here"
setarch -R true 2>/dev/null || skip "setarch cannot turn address randomisation off"
SANITIZER="$(rustc +nightly --print sysroot 2>/dev/null || true)/$LIBRARIES/librustc-nightly_rt.tsan.a"
[ -f "$SANITIZER" ] || skip "there is no nightly toolchain with its sanitizers (rustup toolchain install nightly)"

depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2.*\)/\1/p"; }

# Fetches and unpacks the compiler, and puts the sanitizer where it looks for one.
unpack() {
    rm -rf "$TOOLS" && mkdir -p "$TOOLS/debs" "$TOOLS/root"
    std="$(depends libstd-rust-web-dev libstd-rust-web-)"
    [ -n "$std" ] || return 1
    llvm="$(depends "$std" libllvm)"
    (cd "$TOOLS/debs" && apt-get download -q rustc-web libstd-rust-web-dev rust-web-src "$std" "$llvm") || return 1
    for deb in "$TOOLS"/debs/*.deb; do dpkg -x "$deb" "$TOOLS/root"; done
    for name in rustc-stable_rt rustc_rt; do cp "$SANITIZER" "$TOOLS/root/usr/$LIBRARIES/lib$name.tsan.a"; done
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
        "$TOOLS/root/usr/lib/x86_64-linux-gnu" "$TOOLS/root/usr/bin/rustc" >"$TOOLS/rustc"
    chmod +x "$TOOLS/rustc" && "$TOOLS/rustc" --version
}
"$TOOLS/rustc" --version >/dev/null 2>&1 || unpack || skip "rustc-web cannot be had (apt-get update)"
if [ "$("$TOOLS/rustc" --version | cut -d. -f2)" -lt 95 ]; then
    rm -rf "$TOOLS"
    skip "this rustc-web is older than 1.95 (apt-get update)"
fi

export RUSTC="$TOOLS/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="setarch -R"
export TSAN_OPTIONS="second_deadlock_stack=1 history_size=4"
# Frames are larger when every access is instrumented, and some tests keep a megabyte on the stack.
export RUST_MIN_STACK=16777216

bait='static mut N: u64 = 0;
fn main() { let t = std::thread::spawn(|| unsafe { N += 1 }); unsafe { N += 1 }; t.join().unwrap() }'
# This one is linked with the std that is there; to find so plain a race that will do.
echo "$bait" | "$RUSTC" $RUSTFLAGS -Cunsafe-allow-abi-mismatch=sanitizer -A warnings --target "$TARGET" \
    --crate-name bait -o "$TOOLS/bait" -
setarch -R "$TOOLS/bait" >"$TOOLS/bait.log" 2>&1 || true
if ! grep -q "data race" "$TOOLS/bait.log"; then
    cat "$TOOLS/bait.log"
    echo "FAILED tests/tsan.sh: a race got past"
    exit 1
fi

leave_out=""
for case in res_01_without res_02 res_03 res_04 res_06 sch_11 shd_01_five_hundred shd_03_a_shutdown_with_stuck tim_13 \
    blk_04_a_task_in_place res_05 res_07 shd_07 where_the_kernel_refuses a_file_that_may prc_01_two_thousand prc_08_a_child_that_was_waited prc_10 sig_03_a_listener_that_is_dropped; do
    leave_out="$leave_out --skip $case"
done

set -x
status=0
cargo test -Zbuild-std --target "$TARGET" --no-fail-fast --lib --test it -- "$@" || status=$?
# shellcheck disable=SC2086
cargo test -Zbuild-std --target "$TARGET" --test real -- $leave_out "$@" || status=$?
exit "$status"
