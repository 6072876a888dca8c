//! A child process, as its parent holds it.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll, ready};

use super::running::Running;
use super::{ChildStderr, ChildStdin, ChildStdout, WaitWithOutput};

/// A child process, made by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it does not end the child, unless [`kill_on_drop`](super::Command::kill_on_drop) was asked for; and a child that
/// was dropped is reaped all the same when it exits, see the [module](super).
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// use mainspring::process::{Command, Stdio};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// cat.stdin.as_ref().expect("it was piped").write_all(b"to and fro").await?;
///
/// let output = cat.wait_with_output().await?; // closes its input first
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"to and fro");
/// # Ok(()) })
/// # }
/// ```
pub struct Child {
    /// The child's input, if it was piped. Take it, or write through it; [`wait`](Self::wait) closes it.
    pub stdin: Option<ChildStdin>,
    /// The child's output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// The child's error stream, if it was piped.
    pub stderr: Option<ChildStderr>,
    /// How far it is.
    state: State,
    /// Dropping this kills it.
    kill_on_drop: bool,
}

/// How far a child is, as its parent knows.
#[derive(Debug)]
enum State {
    /// Not reaped.
    Running(Running),
    /// Reaped by us.
    Done(ExitStatus),
    /// Reaped by somebody else: the system's error (P4).
    Lost(i32),
    /// Dropped.
    Gone,
}

impl Child {
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool, kill_group: bool) -> io::Result<Self> {
        let state = Running::new(&child, kill_group)?.map_or(State::Lost(libc::ECHILD), State::Running);
        // From here on a failure drops the half-made child, which is to kill it: nobody will ever hold it.
        let mut made =
            Self { stdin: None, stdout: None, stderr: None, state, kill_on_drop: true };
        made.stdin = child.stdin.take().map(ChildStdin::from_std).transpose()?;
        made.stdout = child.stdout.take().map(ChildStdout::from_std).transpose()?;
        made.stderr = child.stderr.take().map(ChildStderr::from_std).transpose()?;
        made.kill_on_drop = kill_on_drop;
        Ok(made)
    }

    /// Its process id; `None` once it was waited for or is known to be lost, since then the number may be another's.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running) => Some(running.id()),
            _ => None,
        }
    }

    /// Waits for its exit and reaps it; after that gives the same status again. Closes [`stdin`](Self::stdin) first, so that
    /// a child which reads to the end of its input ends. Output that nobody reads may keep it from ending: see
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Cancellation
    /// **Strict.** The child is not touched, and can be waited for again; but its input stays closed.
    ///
    /// # Errors
    /// ECHILD if somebody else in this process has reaped it (`waitpid(-1)`, or SIGCHLD being ignored); and after the end of
    /// the runtime in which it was waited for.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::process::Command;
    /// let mut child = Command::new("false").spawn()?;
    /// assert_eq!(child.wait().await?.code(), Some(1));
    /// assert_eq!(child.wait().await?.code(), Some(1));
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn wait(&mut self) -> Wait<'_> {
        Wait { child: self, at: Location::caller() }
    }

    /// Looks whether it has exited, and reaps it if so.
    ///
    /// # Errors
    /// ECHILD as in [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &self.state {
            State::Running(running) => match running.try_reap().transpose() {
                Some(outcome) => self.settle(outcome).map(Some),
                None => Ok(None),
            },
            State::Done(status) => Ok(Some(*status)),
            State::Lost(errno) => Err(io::Error::from_raw_os_error(*errno)),
            State::Gone => unreachable!("only a drop leaves this behind"),
        }
    }

    /// Sends SIGKILL and does not wait. With [`kill_group`](super::Command::kill_group) the whole group gets it.
    ///
    /// # Errors
    /// `InvalidInput` if it was waited for already; what the system says.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &self.state {
            State::Running(running) => running.kill(),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the child has ended and was waited for already")),
        }
    }

    /// Sends SIGKILL at once, and waits for the end. See [`start_kill`](Self::start_kill).
    ///
    /// # Cancellation
    /// **Detached.** The child is killed whether or not anybody waits for that.
    ///
    /// # Errors
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Panics
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::process::Command;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill().await?;
    /// assert_eq!(child.wait().await?.signal(), Some(9));
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn kill(&mut self) -> Kill<'_> {
        let refused = self.start_kill().err();
        Kill { wait: self.wait(), refused }
    }

    /// Closes its input, reads what is piped to the end, and waits for its exit.
    ///
    /// Output ends when *everybody* has closed it: a grandchild that keeps the pipe open is waited for, too. Where that may be
    /// let the group end with the child ([`kill_group`](super::Command::kill_group)), or put a
    /// [`timeout`](crate::time::timeout()) around it.
    ///
    /// # Cancellation
    /// **Lossy.** What was read is lost, and the child is dropped.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and of reading.
    ///
    /// # Panics
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_with_output(self) -> WaitWithOutput {
        WaitWithOutput::of(Ok(self), Location::caller())
    }

    /// Does it run, and is everybody in its group killed when it ends?
    pub(super) fn ends_its_group(&self) -> bool {
        matches!(&self.state, State::Running(running) if running.kills_group())
    }

    pub(super) fn poll_wait(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ExitStatus>> {
        drop(self.stdin.take());
        let State::Running(running) = &self.state else {
            return Poll::Ready(self.try_wait().map(|status| status.expect("it does not run any more")));
        };
        let outcome = ready!(running.poll_exit(at, cx));
        Poll::Ready(self.settle(outcome))
    }

    /// Notes how it ended. An error that is not the child's end leaves it running.
    fn settle(&mut self, outcome: io::Result<ExitStatus>) -> io::Result<ExitStatus> {
        match &outcome {
            Ok(status) => self.state = State::Done(*status),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.state = State::Lost(libc::ECHILD),
            Err(_) => {}
        }
        outcome
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let State::Running(running) = std::mem::replace(&mut self.state, State::Gone) {
            running.abandon(self.kill_on_drop);
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("state", &self.state)
            .field("kill_on_drop", &self.kill_on_drop)
            .finish_non_exhaustive()
    }
}

/// Future of [`Child::wait`].
///
/// # Cancellation
/// **Strict.** The child can be waited for again.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    /// Whom to wait for.
    child: &'a mut Child,
    /// The user's line, for the wait reason.
    at: &'static Location<'static>,
}

impl Future for Wait<'_> {
    type Output = io::Result<ExitStatus>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { child, at } = self.get_mut();
        child.poll_wait(at, cx)
    }
}

/// Future of [`Child::kill`].
///
/// # Cancellation
/// **Detached.** The child was killed by the call.
#[derive(Debug)]
#[must_use = "the child is killed, but not reaped until this is awaited"]
pub struct Kill<'a> {
    /// For its end.
    wait: Wait<'a>,
    /// Why it could not be killed.
    refused: Option<io::Error>,
}

impl Future for Kill<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.refused.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.wait).poll(cx).map_ok(drop),
        }
    }
}
