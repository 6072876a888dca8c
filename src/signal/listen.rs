//! A listener: an ear for one kind of signal, and how much of it was heard.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use mio::Interest;

use super::SignalKind;
use crate::base::sys::Ear;
use crate::driver;
use crate::driver::source::{Purpose, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// Listens to a kind of signal from now on.
///
/// It may be called anywhere, before there is a runtime too, so that a signal that comes early is not lost. From the first
/// listener on the signal's default action is off for good: see the [module](mod@crate::signal).
///
/// # Errors
/// `InvalidInput` for what cannot or must not be handled: SIGKILL, SIGSTOP, the signals of a fault (SIGSEGV, SIGFPE, SIGILL,
/// SIGBUS), and numbers that are no signal. What the system says if it has no descriptors left. `Unsupported` in a
/// simulation, where no signals come.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::signal::{SignalKind, signal};
///
/// let mut hangups = signal(SignalKind::hangup())?;
/// let reader = mainspring::spawn(async move { hangups.recv().await });
/// # let kill = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status()?;
/// # assert!(kill.success());
/// // ... and then somebody says `kill -HUP` to this process:
/// assert_eq!(reader.await.unwrap(), Some(()));
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    if driver::with_current(|driver| driver.is_some_and(|driver| driver.is_simulated())) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "no signals come in a simulated runtime"));
    }
    if kind.is_forbidden() {
        let text = format!("signal {} cannot be listened to", kind.as_raw_value());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let ear = Ear::new(kind.as_raw_value())?;
    let source = SourceHandle::new(ear.as_raw_fd(), Interest::READABLE);
    Ok(Signal { source, heard: ear.rung(), ear, kind })
}

/// A listener to one kind of signal, made by [`signal`](signal()).
///
/// Any number may listen to one kind, and each hears every signal. Signals that come while nobody looks are heard as one.
pub struct Signal {
    /// Told of every ring. Dropped before the ear is closed.
    source: SourceHandle,
    /// What is listened at.
    ear: Ear,
    /// How often it had rung when this listener last looked.
    heard: u64,
    /// For whoever asks.
    kind: SignalKind,
}

impl Signal {
    /// Waits for the next signal, or takes note of those that came since the last call.
    ///
    /// `None` means that nothing will be heard here any more: the runtime in which it was waited has shut down, or the
    /// system refuses to watch the descriptor, or this process was forked off since the listener was made.
    ///
    /// # Cancellation
    /// **Strict.** A signal counts as heard only by the poll that says so.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_> {
        let Self { source, ear, heard, .. } = self;
        Recv { waiter: source.waiter(Purpose::here(WaitKind::Signal)), ear, heard }
    }

    /// As [`recv`](Self::recv), for futures written by hand: the task that called last is woken.
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll(Location::caller(), cx).map(Result::ok)
    }

    /// The kind it listens to.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    pub(super) fn poll(&mut self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { source, ear, heard, .. } = self;
        ear.require_ours()?;
        source.poll(Purpose { kind: WaitKind::Signal, at }, cx, |_| hear(ear, heard))
    }
}

/// `WouldBlock` if there was nothing since.
fn hear(ear: &Ear, heard: &mut u64) -> io::Result<()> {
    let rung = ear.rung();
    if rung == *heard {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    *heard = rung;
    Ok(())
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("kind", &self.kind)
            .field("has_news", &(self.ear.rung() != self.heard))
            .field("waiting", &self.source.waiting().0)
            .finish()
    }
}

/// Future of [`Signal::recv`].
///
/// # Cancellation
/// **Strict.** A signal counts as heard only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a> {
    /// The place in line.
    waiter: Waiter<'a>,
    /// What is listened at.
    ear: &'a Ear,
    /// The listener's count.
    heard: &'a mut u64,
}

impl Future for Recv<'_> {
    type Output = Option<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, ear, heard } = self.get_mut();
        if ear.require_ours().is_err() {
            return Poll::Ready(None);
        }
        waiter.poll(cx, |_| hear(ear, heard)).map(Result::ok)
    }
}
