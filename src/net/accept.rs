//! Accepting, and what to do when it fails.
//!
//! Three kinds of errors come out of `accept`, and each wants another answer. One belongs to a client that gave
//! up before it was accepted: nobody here needs to know, so the next one is taken. One says that there are no
//! descriptors left: the caller must hear of it, but the client stays in the backlog and the listener stays ready,
//! so that the usual accept loop would spin at full speed until some connection closes. So after such an error the
//! listener rests for a moment. Everything else goes to the caller as it is.
//!
//! Cases of the catalogue: NET-06, NET-07, NET-08.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

use mio::Interest;

use super::pause::Pause;
use super::sock::Sock;
use crate::base::atomic::{AtomicU64, Ordering};
use crate::base::sys;
use crate::driver;
use crate::driver::source::{Purpose, Waiter};
use crate::task::wait::{self, Wait};

/// How long accepting rests when descriptors have run out. Fifty tries a second cost next to nothing, and a client
/// in the backlog does not notice 20 ms.
const REST_NS: u64 = 20_000_000;

/// As many connections as may wait to be accepted; tokio's figure. The kernel cuts it to `net.core.somaxconn`.
pub(super) const BACKLOG: u16 = 1_024;

/// A listening socket of either kind, with its rest.
pub(super) struct Acceptor<L> {
    /// The listening socket.
    pub(super) sock: Sock<L>,
    /// No try before this time on the runtime's clock; zero when there are descriptors. Any task that accepts sets
    /// it, and it steers nothing but when to try again.
    rest_until_ns: AtomicU64,
}

impl<L: AsFd + AsRawFd> Acceptor<L> {
    /// Takes a non-blocking listener.
    pub(super) fn new(listener: L) -> Self {
        Self { sock: Sock::new(listener, Interest::READABLE), rest_until_ns: AtomicU64::new(0) }
    }

    /// Takes the next client by this system call.
    pub(super) fn poll_accept<R>(
        &self,
        waiter: &mut Waiter<'_>,
        rest: &mut Option<Pause>,
        cx: &mut Context<'_>,
        accept: impl Fn(&L) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.poll_rested(rest, waiter.purpose(), cx))?;
            match ready!(waiter.poll(cx, |_| accept(self.sock.io()))) {
                Err(error) if sys::is_accept_noise(&error) => {} // charged to the budget, so this loop ends
                Err(error) if sys::is_exhausted(&error) => {
                    self.rest();
                    return Poll::Ready(Err(error));
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Begins a rest, on the clock of the runtime in which the descriptors ran out.
    fn rest(&self) {
        let until_ns = driver::with_current(|driver| driver.map_or(0, |driver| driver.now_ns() + REST_NS));
        // ORDER: Relaxed, a time and nothing else.
        self.rest_until_ns.store(until_ns, Ordering::Relaxed);
    }

    /// Ready when no rest is on.
    fn poll_rested(&self, rest: &mut Option<Pause>, purpose: Purpose, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // ORDER: Relaxed, pairs with the stores here and in `rest`.
        let until_ns = self.rest_until_ns.load(Ordering::Relaxed);
        if until_ns == 0 {
            return Poll::Ready(Ok(()));
        }
        let driver = driver::current("accept");
        let now_ns = driver.now_ns();
        // More than a whole rest is left only if the listener has come here from a runtime with another clock.
        if !(now_ns..=now_ns + REST_NS).contains(&until_ns.saturating_sub(1)) {
            // ORDER: Relaxed, as above.
            self.rest_until_ns.store(0, Ordering::Relaxed);
            *rest = None;
            return Poll::Ready(Ok(()));
        }
        Pause::keep(rest, &driver, until_ns, cx)?;
        let object = u64::try_from(self.sock.io().as_raw_fd()).unwrap_or_default();
        wait::note(Wait { kind: purpose.kind, object, at: purpose.at });
        Poll::Pending
    }
}
