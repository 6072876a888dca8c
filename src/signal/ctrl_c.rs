//! Ctrl-c: the one signal that nearly every program wants to hear, once.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Signal, SignalKind, signal};

/// Waits for ctrl-c (SIGINT).
///
/// It listens from this call on, not only from the first poll. From then on ctrl-c does not end the process by itself, not
/// even after the future was dropped: whoever asks once has to answer every time.
///
/// # Cancellation
/// **Strict.** Dropping this future before it resolves has no effect; another listener hears the same ctrl-c.
///
/// # Errors
/// As [`signal`](signal()), and after the end of the runtime in which it was waited.
///
/// # Panics
/// The future panics if it has to wait and there is no runtime.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::signal::ctrl_c;
///
/// let stop = ctrl_c();
/// # let kill = std::process::Command::new("kill").args(["-INT", &std::process::id().to_string()]).status()?;
/// # assert!(kill.success());
/// // ... and then somebody presses it:
/// assert!(stop.await.is_ok());
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn ctrl_c() -> CtrlC {
    CtrlC { listening: signal(SignalKind::interrupt()).map_err(Some), at: Location::caller() }
}

/// Future of [`ctrl_c`].
///
/// # Cancellation
/// **Strict.** Dropping it takes nothing away from other listeners.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct CtrlC {
    /// The listener, or why there is none; the reason is given once.
    listening: Result<Signal, Option<io::Error>>,
    /// The user's line, for the wait reason.
    at: &'static Location<'static>,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { listening, at } = self.get_mut();
        match listening {
            Ok(signal) => signal.poll(at, cx),
            Err(reason) => Poll::Ready(Err(reason.take().unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))),
        }
    }
}
