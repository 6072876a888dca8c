//! Signals: what the system, a terminal or another process tells this one.
//!
//! A door: the handler and the bell it rings stand in `base::sys`, and a listener waits for the bell as for any descriptor.
//!
//! ```text
//!   SIGINT ──> handler ──> bell ──edge──> driver of each listener's worker ──> task
//!                          count ──────> compared with what that listener has heard
//! ```
//!
//! - **G1** Every listener hears every signal of its kind that comes after it was made, in whatever runtime it is. Signals
//!   that come faster than a listener looks are heard as one; signals of different kinds never are.
//! - **G2** With the first listener for a kind the default action of that kind is off, and it stays off when the last
//!   listener is dropped: a program that has once listened to SIGTERM decides for itself when it ends. (To give the default
//!   back between two listeners would kill the process for a signal that comes in between.)
//! - **G3** A handler that was there before is called after ours, each time. One that is installed later replaces ours, so
//!   it has to call what it replaces, or nothing is heard here any more.
//! - **G4** Signals after the end of a runtime, or of all runtimes, are counted, and harm nobody.
//! - **G5** In a process that was forked off the listeners of its parent are at an end, and its own hear what comes to it.
//!
//! A child process that is started by `exec` has the default actions again, as POSIX has it.
//!
//! Cases of the catalogue: SIG-01 to SIG-06.

mod ctrl_c;
mod kind;
mod listen;

pub use ctrl_c::{CtrlC, ctrl_c};
pub use kind::SignalKind;
pub use listen::{Recv, Signal, signal};

/// For those who look for them where tokio has them.
pub mod unix {
    pub use super::{Signal, SignalKind, signal};
}
