//! The scheduler: cores, the threads that hold them, and the loop that both flavours share.
//!
//! ```text
//!                    ┌───────────────── Shared, one a runtime ─────────────────┐
//!    outside ──push──┤ workers[0]          workers[1]          injector  idle  │
//!                    │  inbox, dead         inbox, dead        (overflow)      │
//!                    │  ring, next-slot     ring, next-slot                    │
//!                    │  driver              driver             resting cores   │
//!                    └─────┬────────────────────┬──────────────────────────────┘
//!                          │ held by one thread │ at a time
//!                     ┌────┴─────┐         ┌────┴─────┐        ┌──────────────┐
//!                     │ Core 0   │         │ Core 1   │        │ Local        │ one a thread:
//!                     │ registry │         │ registry │        │ its !Send    │ stays when a core
//!                     │ cell pool│         │ cell pool│        │ tasks, main  │ is lent
//!                     └──────────┘         └──────────┘        └──────────────┘
//! ```
//!
//! A worker is a core and a thread that holds it. Threads of the runtime's own take a resting core each and run it;
//! `block_on` takes one too, asking a sleeping worker for it if none rests, and gives it back. With one worker and no
//! thread of its own that is the current-thread flavour; the loop is the same.
//!
//! - **S1** A core is held by one thread at a time, which has its [`in_place::Grip`]; all of [`core::Core`] is plain memory.
//! - **S2** A task is queued in exactly one place (T6): a core's queue, an inbox, the injector, or a thread's local queue.
//! - **S3** A worker exits only when its registry is empty and its inbox is closed, so no task is left behind; a task
//!   whose push is under way still stands in the registry, and the worker waits for it.
//! - **S4** What a waker touches after its push lives in `Shared` (or in the thread's `LocalHome`), which outlive every
//!   cell (T7).

pub(crate) mod core;
pub(crate) mod worker;

pub(crate) mod idle;
mod outside;
pub(crate) mod owned;
pub(crate) mod queue;

pub(crate) mod blocking;
pub(crate) mod crew;
pub(crate) mod dedicated;
pub(crate) mod in_place;
pub(crate) mod lend;
pub(crate) mod local;
mod places;
pub(crate) mod shared;

pub(crate) mod report;
pub(crate) mod rescue;
