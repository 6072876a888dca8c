//! A socket, real or simulated: which of the two was decided when its runtime started.
//!
//! The doors hold a [`Sock`] and never ask which arm it is; the few functions here do. Measured in a prototype, the
//! branch makes no difference to a real socket, since the simulated arm is never taken and the real one is a system
//! call. The simulated network is not there yet, so its arm has no values, and costs nothing at all.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mio::Interest;

use crate::driver;
use crate::driver::source::{Passing, SourceHandle, not_in_a_simulation};

/// The socket of a door.
pub(super) enum Sock<S> {
    /// The kernel's.
    Real(Real<S>),
    /// The simulated network's.
    #[expect(dead_code, reason = "the simulated network comes later, and this is its place")]
    Sim(Simulated),
}

/// A socket of the kernel.
pub(super) struct Real<S> {
    /// Its readiness. Declared first, because it must be dropped before the descriptor is closed.
    source: SourceHandle,
    /// The descriptor, with std's methods.
    io: S,
}

/// A socket of the simulated network; there are none yet.
pub(super) enum Simulated {}

impl<S: AsFd + AsRawFd> Sock<S> {
    /// Takes a non-blocking socket on which an operation may succeed right away. It is registered when one did not.
    pub(super) fn new(io: S, interest: Interest) -> Self {
        Self::Real(Real { source: SourceHandle::new(io.as_raw_fd(), interest), io })
    }

    /// The same for what outlives its troubles.
    pub(super) fn with_passing(passing: Passing, io: S, interest: Interest) -> Self {
        Self::Real(Real { source: SourceHandle::with_passing(passing, io.as_raw_fd(), interest), io })
    }

    /// Takes a non-blocking socket that is connecting, so that no operation can succeed until the kernel says so.
    pub(super) fn connecting(io: S, interest: Interest) -> Self {
        Self::Real(Real { source: SourceHandle::connecting(io.as_raw_fd(), interest), io })
    }

    /// The socket, for a system call.
    pub(super) fn io(&self) -> &S {
        match self {
            Self::Real(real) => &real.io,
            Self::Sim(sim) => match *sim {},
        }
    }

    /// Its readiness.
    pub(super) fn source(&self) -> &SourceHandle {
        match self {
            Self::Real(real) => &real.source,
            Self::Sim(sim) => match *sim {},
        }
    }

    /// The descriptor alone; its registration ends here.
    pub(super) fn into_io(self) -> S {
        match self {
            Self::Real(Real { source, io }) => {
                drop(source);
                io
            }
            Self::Sim(sim) => match sim {},
        }
    }

    /// The descriptor, unless the socket is simulated and has none.
    pub(super) fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Real(real) => Some(real.io.as_fd()),
            Self::Sim(sim) => match *sim {},
        }
    }
}

/// Shows the descriptor and who waits at this moment.
impl<S: AsFd + AsRawFd> fmt::Debug for Sock<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reading, writing) = self.source().waiting();
        f.debug_struct("Sock")
            .field("fd", &self.io().as_raw_fd())
            .field("waiting_to_read", &reading)
            .field("waiting_to_write", &writing)
            .finish()
    }
}

/// Real sockets are for real runtimes; without any runtime they can be made, and wait for one to be used in.
pub(super) fn refuse_in_a_simulation() -> io::Result<()> {
    let simulated = driver::with_current(|driver| driver.is_some_and(|driver| driver.reactor().is_none()));
    if simulated { Err(not_in_a_simulation()) } else { Ok(()) }
}
