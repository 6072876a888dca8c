//! What every question shares: one trait over all runtimes, one runner, one table.
//!
//! A claim of speed is worth something only if both sides ran the same code in the same minutes. So a
//! workload is written once, against [`runtime::Runtime`], and the runner measures it on every runtime:
//!
//! ```text
//!   cargo bench, or the race                      the runner: prints the table
//!     │  round 1: A B C ..   round 2: A B C ..    one after the other, never at the same time
//!     ▼
//!   the binary of A, --child WORKLOAD A SIZE      a process of its own for each measurement: allocators
//!     pin to a cpu, warm up, measure, print       remember, and so do branch predictors
//! ```
//!
//! - **M1** A measurement has its process to itself, and rounds are interleaved, so that a slow minute of the
//!   machine falls on every runtime alike.
//! - **M2** A workload checks its own result. Without `--bench`, as under `cargo test --benches`, each runs
//!   once in a tiny size, so that benches do not rot.
//! - **M3** What is printed is the median over the rounds, with the spread beside it: a difference smaller
//!   than the spread is a tie.
//! - **M4** The workload's main part is itself a spawned task, on every runtime. From `block_on`, tokio's
//!   multi-thread flavour would spawn from outside its workers, which is another question.

pub(crate) mod bulk;
pub(crate) mod case;
pub(crate) mod channels;
pub(crate) mod disk;
pub(crate) mod doors;
pub(crate) mod load;
pub(crate) mod locks;
pub(crate) mod machine;
pub(crate) mod oneshot;
pub(crate) mod progress;
pub(crate) mod runner;
pub(crate) mod runtime;
pub(crate) mod table;
pub(crate) mod work;
