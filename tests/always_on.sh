#!/bin/sh
# What introspection costs while nobody looks: instructions of its own functions per poll, counted by callgrind in the
# bench `yield_many`, where every poll also notes what it waits for and is woken. From anywhere:
#
#     tests/always_on.sh
#
# The functions are inlined, so no profiler sees them by name, and their loads and stores carry the source lines of std.
# But the debug information of a release build still says, for each instruction, through which chain of inlined calls it
# came about. So: callgrind counts how often each instruction ran, addr2line gives the chain of each, and those with one
# of the functions below anywhere in it are summed up. The code is that of the release profile, with line tables added,
# which change no instruction. An instruction that two sources share counts for the one the compiler wrote down.
set -eu
cd "$(dirname "$0")/.."

MAX=10
# As the debug information names them, without their modules; `note` is that of task::wait.
FUNCTIONS='count_poll|count_wake|note_waker|publish_poll|note'
# `--child .. quick`: a warm-up and a measured pass of 1,000 tasks with 100 yields, so 101 polls, each.
POLLS=202000

skip() { echo "SKIPPED tests/always_on.sh: $1; nothing was checked"; exit 0; }
[ "$(uname -sm)" = "Linux x86_64" ] || skip "it is for Linux on x86_64"
for tool in valgrind addr2line; do command -v $tool >/dev/null || skip "there is no $tool"; done

TARGET="${CARGO_TARGET_DIR:-$PWD/target}/always_on"
export CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
BENCH=$(CARGO_TARGET_DIR="$TARGET" cargo build --release --bench questions --message-format=json |
    sed -n 's/.*"name":"questions".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$BENCH" ] || { echo "FAILED tests/always_on.sh: cargo named no binary"; exit 1; }

failed=no
for flavour in mainspring_ct mainspring_mt; do
    COUNTS="$TARGET/$flavour.counts"
    valgrind --tool=callgrind --dump-instr=yes --dump-line=no --compress-pos=no --compress-strings=no \
        --callgrind-out-file="$COUNTS" "$BENCH" --child yield_many "$flavour" quick >"$TARGET/log" 2>&1 ||
        { cat "$TARGET/log"; exit 1; }
    # `address count` of every instruction of the program that ran often; callgrind counts addresses from where the
    # program was loaded, as addr2line does. The line after `calls=` is another function's.
    awk -v program="$BENCH" -v least=$((POLLS / 20)) '
        /^ob=/ { ours = substr($0, 4) == program }
        /^calls=/ { getline; next }
        /^0x/ && ours { count[$1] += $2 }
        END { for (address in count) if (count[address] >= least) print address, count[address] }
    ' "$COUNTS" >"$TARGET/often"
    cut -d' ' -f1 "$TARGET/often" | addr2line -e "$BENCH" -a -f -i -C >"$TARGET/chains"
    # In a chain, each function is followed by its place; an address begins the next chain.
    awk -v functions="^($FUNCTIONS)\$" -v polls="$POLLS" -v max="$MAX" -v flavour="$flavour" '
        FNR == NR { count[$1] = $2; next }
        /^0x/ { address = $1; sub(/^0x0*/, "0x", address); credited = 0; next }
        $0 ~ functions && !credited {
            credited = 1
            spent[$0] += count[address]; total += count[address]
        }
        END {
            for (name in spent) printf "  %-14s %5.2f\n", name, spent[name] / polls
            printf "%s: %.2f instructions per poll, at most %d\n", flavour, total / polls, max
            exit !(total > 0 && total / polls <= max)
        }
    ' "$TARGET/often" "$TARGET/chains" || failed=yes
done
[ $failed = no ] || { echo "FAILED tests/always_on.sh"; exit 1; }
