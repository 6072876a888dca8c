//! What a workload may ask of a runtime: the one trait all of them are measured through.
//!
//! It comes in two halves, because a crate has several flavours that differ in where a task goes but share
//! their timers and sockets: [`Runtime`] is the flavour, [`Leaves`] what its crate's flavours have in common.
//! Every method is one call into the crate under test; nothing is boxed, counted or wrapped on the way,
//! because at 30 ns a task even one more allocation would be the result.
//!
//! All futures are `Send`, so that one text of a workload suits everybody. The timers and sockets of some crates
//! are not: their implementations vouch for them, each saying why no such task ever leaves its thread.

use super::case::Class;
use super::channels::Channels;
use super::doors::{Blocking, Children, Files};
use super::locks::Locks;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The handle a runtime's `spawn` gives.
pub(crate) type Join<R, T> = <<R as Runtime>::Leaves as Leaves>::Join<T>;

/// Bytes in a [`Leaves::Buffer`].
pub(crate) const BUFFER: usize = 1_024;

/// One flavour of one crate.
pub(crate) trait Runtime: Sized + 'static {
    /// The name in the table, and on the command line of a child process.
    const NAME: &'static str;
    /// With whom it is compared.
    const CLASS: Class;
    /// Whether dropping it drops the tasks it still has. One whose threads never end cannot.
    const ENDS_ITS_TASKS: bool = true;
    /// Whether a task that wakes itself while it is polled goes to the back of the queue.
    const YIELDS_TO_OTHERS: bool = true;
    /// Whether it is another flavour again but for its files, so that only questions about those are put to it.
    const FILES_ONLY: bool = false;
    /// What it shares with its crate's other flavours: leaves, locks and channels.
    type Leaves: Leaves + Locks + Channels;
    /// Its closures that block, or [`Nobody`](super::doors::Nobody).
    type Blocking: Blocking;
    /// Its files, or `Nobody`.
    type Files: Files;
    /// Its child processes, or `Nobody`.
    type Children: Children;

    /// Starts it. A flavour with one thread has one, whatever `workers` says.
    fn start(workers: usize) -> Self;

    /// Runs a workload's main part as a task (M4) that may use leaves, and waits for it.
    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns on the runtime that is running, as its crate says one should.
    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a task that uses timers or sockets. Another call than [`Runtime::spawn`] only where a crate with many
    /// threads wants such a task to stay on one.
    fn spawn_with_leaves<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::spawn(future)
    }
}

/// A flavour that also takes tasks from threads which are no part of it.
pub(crate) trait Outside: Runtime {
    /// What such a thread keeps in order to spawn.
    type Spawner: Send + 'static;

    /// One of them.
    fn spawner(&self) -> Self::Spawner;

    /// Spawns through it, from any thread.
    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
}

/// What the flavours of one crate share.
pub(crate) trait Leaves: 'static {
    /// Why a task gave no output.
    type JoinError: Debug + Send;
    /// A handle to a spawned task, which goes on without it.
    type Join<T: Send + 'static>: Future<Output = Result<T, Self::JoinError>> + Send;
    /// A listening socket.
    type Listener: Send + 'static;
    /// A connected socket.
    type Stream: Send + 'static;
    /// [`BUFFER`] bytes that belong to a task: an array, or a vector for those that lend it to the kernel.
    type Buffer: Send + 'static;

    /// Lets every other ready task run first.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits for at least `duration`.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Waits until `due`.
    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Whether [`forward`](Self::forward) is there.
    const FORWARDS: bool = false;

    /// Moves all that comes from one stream to another until its end, by the means that the crate has for that.
    fn forward<'a>(
        from: &'a mut Self::Stream,
        to: &'a mut Self::Stream,
    ) -> impl Future<Output = io::Result<u64>> + Send {
        let _ = (from, to);
        async { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Listens on a free port of the loopback interface.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// The next connection.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// An empty buffer.
    fn buffer() -> Self::Buffer;

    /// Reads what there is; 0 at the end of the stream. One lifetime for both, so that whoever can gives its crate's own future,
    /// as a user's `await` would have it: an `async` block around it holds the arguments a second time.
    fn read<'a>(
        stream: &'a mut Self::Stream,
        into: &'a mut Self::Buffer,
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes the first `count` bytes, all of them.
    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        from: &'a mut Self::Buffer,
        count: usize,
    ) -> impl Future<Output = io::Result<()>> + Send;
}
