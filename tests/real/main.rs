//! Cases that exist only on the real loop: threads, sockets, the clock, process limits, exit codes.
//!
//! ```text
//!   main.rs ── list of cases ──> harness ──re-exec──> one child process a case, under a watchdog
//!                                                       │
//!                   fork_kit, kit, probe, smoke, strace ┘   what the cases have in common
//! ```
//!
//! Each case runs in a process of its own, because it judges what belongs to a process (descriptors, threads, memory,
//! processor time, limits) or because its failure would be a hang or a crash. Cases judge counts, order and exit codes.
//! A time appears only as a bound that is at least ten times what is expected. What needs none of this is tested in
//! `tests/it`, and speed by the benches.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "cases block threads on purpose, and look at a runtime from outside with std's clock, threads and sets"
)]

#[macro_use]
mod harness;

mod fork_kit;
mod kit;
mod probe;
mod smoke;
mod strace;

mod descriptors;
mod exits;
mod fairness;
mod faults;
mod forked;
mod held;
mod lending;
mod limits;
mod local;
mod orders;
mod processes;
mod refused;
mod signals;
mod sleeping;
mod soak;
mod sockets;
mod spliced;
mod standard;
mod stealing;
mod stopping;
mod stuck;
mod timers;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [
        fairness::CASES,
        stealing::CASES,
        stuck::CASES,
        sleeping::CASES,
        lending::CASES,
        local::CASES,
        descriptors::CASES,
        soak::CASES,
        sockets::CASES,
        held::CASES,
        timers::CASES,
        stopping::CASES,
        orders::CASES,
        exits::CASES,
        limits::CASES,
        refused::CASES,
        faults::CASES,
        signals::CASES,
        processes::CASES,
        forked::CASES,
        spliced::CASES,
        standard::CASES,
    ];
    let scripts = [
        exits::SCRIPTS,
        faults::SCRIPTS,
        held::SCRIPTS,
        limits::SCRIPTS,
        signals::SCRIPTS,
        sleeping::SCRIPTS,
        soak::SCRIPTS,
        spliced::SCRIPTS,
        standard::SCRIPTS,
        timers::SCRIPTS,
    ];
    harness::main(&cases.concat(), &scripts.concat())
}
