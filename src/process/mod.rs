//! Child processes: started as std starts them, waited for as everything else is.
//!
//! ```text
//!   Command ──spawn──> Child ── stdin, stdout, stderr: pipes, our ends non-blocking
//!                        │ Running: pidfd (or SIGCHLD's bell), watched from the first wait on
//!                        │
//!             wait ──────┤ exit ──> group killed, if the child has one of its own to the end ──> reaped, status kept
//!             drop ──────┘ orphan: a daemon task of the runtime reaps it; after the runtime's end, a thread made for that
//! ```
//!
//! - **P1** No zombie stays: every child is reaped by `wait`, by `try_wait`, or when it has exited after its `Child` was
//!   dropped. Then it is a daemon task of the runtime that reaps it, at once when it exits; where there is no runtime any
//!   more, the thread `mainspring-reaper`, which exists only as long as there is such a child (if no thread is to be had, the
//!   next spawn or drop of a `Child` does it). A child killed by its drop is waited for by the runtime's end.
//! - **P2** No signal reaches a stranger: a child is signalled by its pidfd, or by its number while it is not reaped.
//! - **P3** A group is killed only before its leader is reaped, since later its number may be another's. What has left the
//!   group (`setsid`, a shell's job control) is out of reach.
//! - **P4** A foreign `waitpid(-1)` that takes a child away is an error here (ECHILD), and never a wait without end. So it is where
//!   SIGCHLD is ignored, since then the system reaps every child itself and forgets its status. That is left as it is: with a
//!   pidfd no handler is installed, and one that is installed has children that are not ours vanish as before.
//! - **P5** Descriptors of ours are closed on exec, as std makes them; the child's ends of pipes are blocking, ours are not.
//!
//! Starting a process blocks the thread for as long as it takes to load it, some 300 us: std waits for the `exec`, to be able
//! to say that it failed. Who starts thousands does it from several tasks, or in [`spawn_blocking`](crate::task::spawn_blocking).
//!
//! In a process that was forked from this one by hand (see [`runtime`](crate::runtime)) these children are its siblings: waiting for one
//! or killing it is ECHILD, and a `Child` that is dropped there is let go of.
//!
//! Cases of the catalogue: PRC-01 to PRC-08, PRC-10.

mod orphans;
mod pipe;
mod running;

mod child;
mod command;
mod output;

pub use child::{Child, Kill, Wait};
pub use command::Command;
pub use output::{Status, WaitWithOutput};
pub use crate::io::stream::{Read, ReadExact, ReadToEnd, ReadVectored, Write, WriteAll, WriteVectored};
pub use crate::io::{Readable, Writable};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use std::process::{ExitStatus, Output, Stdio};
