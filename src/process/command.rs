//! What to start, and how.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::Path;
use std::process::Stdio;

use super::orphans::reap_orphans;
use super::{Child, Status, WaitWithOutput};
use crate::driver;

/// A process to be started: std's [`Command`](std::process::Command), with a [`Child`] that can be awaited.
///
/// The setters are std's and mean the same. [`as_std_mut`](Self::as_std_mut) reaches those that are not here (`pre_exec`),
/// and a `Command` of std can be turned into this one.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::process::Command;
///
/// let output = Command::new("sh").args(["-c", "echo $GREETING"]).env("GREETING", "hello").output().await?;
/// assert_eq!(output.stdout, b"hello\n");
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Command {
    /// What std needs to know.
    std: std::process::Command,
    /// Dropping the child kills it.
    kill_on_drop: bool,
    /// The child leads a group, which ends with it.
    kill_group: bool,
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Self { std, kill_on_drop: false, kill_group: false }
    }
}

impl Command {
    /// Starts this program, which is looked for in `PATH` if it is a bare name; with no arguments, our environment, our
    /// folder and our standard streams, until told otherwise.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        std::process::Command::new(program).into()
    }

    /// Std's view of it.
    #[must_use]
    pub fn as_std(&self) -> &std::process::Command {
        &self.std
    }

    /// Std's view of it, for the setters that are not here.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// One more argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.std.args(args);
        self
    }

    /// What the program is told as its own name.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg0(name);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(key, value);
        self
    }

    /// Sets variables of its environment.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, vars: impl IntoIterator<Item = (K, V)>) -> &mut Self {
        self.std.envs(vars);
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(key);
        self
    }

    /// Starts from an empty environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// The folder in which it starts.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(folder);
        self
    }

    /// Its input; ours, unless set.
    pub fn stdin(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.std.stdin(stdio);
        self
    }

    /// Its output; ours, unless set.
    pub fn stdout(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.std.stdout(stdio);
        self
    }

    /// Its error stream; ours, unless set.
    pub fn stderr(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.std.stderr(stdio);
        self
    }

    /// The user as whom it runs.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std.uid(id);
        self
    }

    /// The group of users as which it runs.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std.gid(id);
        self
    }

    /// The process group it joins; 0 makes one that it leads.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std.process_group(group);
        self
    }

    /// Dropping the [`Child`] before it was waited for kills it. It is reaped in any case.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::process::Command;
    /// use mainspring::time::{Duration, timeout};
    ///
    /// let run = Command::new("sleep").arg("1000").kill_on_drop(true).output();
    /// assert!(timeout(Duration::from_millis(20), run).await.is_err()); // and it is no more
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// The child leads a process group of its own, and the group ends with it: whoever of its descendants is still in the
    /// group is sent SIGKILL just before the child is reaped, however it ended; and [`start_kill`](Child::start_kill) and
    /// `kill_on_drop` kill all of them.
    ///
    /// A descendant that has left the group (by `setsid`, or as a job of an interactive shell) is out of reach. A group of its
    /// own does not hear the terminal's ctrl-c.
    ///
    /// Where SIGCHLD is ignored, the system may have forgotten the leader before anybody could look: then its group is not ours to
    /// kill any more, and is left alone.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::process::Command;
    ///
    /// // The shell ends at once, and leaves a job behind that holds the output open.
    /// let output = Command::new("sh").args(["-c", "sleep 1000 & echo $!"]).kill_group(true).spawn()?.wait().await?;
    /// assert!(output.success()); // and the job is no more
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_group(&mut self, kill: bool) -> &mut Self {
        if kill {
            self.std.process_group(0);
        }
        self.kill_group = kill;
        self
    }

    /// Starts it. May be called anywhere; where there is a runtime, that is the one which reaps the child if it is dropped.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `ArgumentListTooLong` and what else the system says; then there is no child, and its
    /// pipes are closed. `Unsupported` in a simulation.
    pub fn spawn(&mut self) -> io::Result<Child> {
        if driver::with_current(|driver| driver.is_some_and(|driver| driver.is_simulated())) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated runtime starts no real processes"));
        }
        reap_orphans();
        Child::new(self.std.spawn()?, self.kill_on_drop, self.kill_group)
    }

    /// Starts it now, and waits for its end. Pipes that were asked for are closed at once.
    ///
    /// # Cancellation
    /// **Lossy.** The child is dropped: it runs on, or is killed if that was asked for.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    /// As [`Child::wait`].
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::process::Command;
    /// assert!(Command::new("true").status().await?.success());
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> Status {
        Status::of(self.spawn(), Location::caller())
    }

    /// Starts it now, with pipes for its output and error stream, and gives all it has written when it ends. See
    /// [`Child::wait_with_output`].
    ///
    /// # Cancellation
    /// **Lossy.** What was read is lost, and the child is dropped.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    /// As [`Child::wait`].
    #[track_caller]
    pub fn output(&mut self) -> WaitWithOutput {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        WaitWithOutput::of(self.spawn(), Location::caller())
    }
}
