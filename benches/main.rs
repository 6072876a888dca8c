//! `cargo bench`: every question, put to mainspring and to tokio.
//!
//! ```text
//!   cargo bench                                        all of it
//!   cargo bench -- --quick spawn_join tokio_mt         a tenth of the size; only rows that contain both words
//! ```
//!
//! The other peers are not dev-dependencies, since every `cargo test` would build them. They race in
//! `cargo run --release --example race`, which runs these same questions.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[path = "mod.rs"]
#[allow(dead_code, reason = "the race uses parts of this that `cargo bench` does not")]
mod benches;
mod ours;

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::common::runner::main(&benches::cases::<ours::Ours>())
}
