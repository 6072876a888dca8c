//! Which signal: a number, by name where it has one.

use std::fmt;

/// A kind of signal.
///
/// # Examples
/// ```
/// use mainspring::signal::SignalKind;
/// assert_eq!(SignalKind::from_raw(2), SignalKind::interrupt());
/// assert_eq!(SignalKind::terminate().as_raw_value(), 15);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// The kind with this number, for those without a name here: real-time signals, say. Whether one may listen to it,
    /// [`signal`](super::signal()) says.
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }

    /// SIGALRM: a timer of the process has run out.
    #[must_use]
    pub const fn alarm() -> Self {
        Self(libc::SIGALRM)
    }

    /// SIGCHLD: a child process has ended, stopped or gone on.
    #[must_use]
    pub const fn child() -> Self {
        Self(libc::SIGCHLD)
    }

    /// SIGHUP: the terminal is gone; by custom, "read your configuration again".
    #[must_use]
    pub const fn hangup() -> Self {
        Self(libc::SIGHUP)
    }

    /// SIGINT: ctrl-c at the terminal.
    #[must_use]
    pub const fn interrupt() -> Self {
        Self(libc::SIGINT)
    }

    /// SIGIO: a descriptor that was told to send it has news.
    #[must_use]
    pub const fn io() -> Self {
        Self(libc::SIGIO)
    }

    /// SIGPIPE: a write to a pipe that nobody reads. Rust programs ignore it from the start, and get an error instead.
    #[must_use]
    pub const fn pipe() -> Self {
        Self(libc::SIGPIPE)
    }

    /// SIGQUIT: ctrl-\ at the terminal.
    #[must_use]
    pub const fn quit() -> Self {
        Self(libc::SIGQUIT)
    }

    /// SIGTERM: "end, please", and what `kill` sends.
    #[must_use]
    pub const fn terminate() -> Self {
        Self(libc::SIGTERM)
    }

    /// SIGUSR1: whatever the program says.
    #[must_use]
    pub const fn user_defined1() -> Self {
        Self(libc::SIGUSR1)
    }

    /// SIGUSR2: whatever the program says.
    #[must_use]
    pub const fn user_defined2() -> Self {
        Self(libc::SIGUSR2)
    }

    /// SIGWINCH: the terminal's window has another size.
    #[must_use]
    pub const fn window_change() -> Self {
        Self(libc::SIGWINCH)
    }

    /// The kernel refuses handlers for the first two. The others tell a thread that its present instruction cannot be
    /// carried out: after a handler it would be tried again, for ever.
    pub(super) fn is_forbidden(self) -> bool {
        let forbidden = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGBUS];
        forbidden.contains(&self.0)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({})", self.0)
    }
}
