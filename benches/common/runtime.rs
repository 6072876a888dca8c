//! What a workload may ask of a runtime: the one trait all of them are measured through.
//!
//! It comes in two halves, because a crate has several flavours that differ in where a task goes but share
//! their timers and sockets: [`Runtime`] is the flavour, [`Leaves`] what its crate's flavours have in common.
//! Every method is one call into the crate under test; nothing is boxed, counted or wrapped on the way,
//! because at 30 ns a task even one more allocation would be the result.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The handle a runtime's `spawn` gives.
pub(crate) type Join<R, T> = <<R as Runtime>::Leaves as Leaves>::Join<T>;

/// One flavour of one crate.
pub(crate) trait Runtime: Sized + 'static {
    /// The name in the table, and on the command line of a child process.
    const NAME: &'static str;
    /// The runtime whose figure is 1.00 in the last column: tokio with as many threads.
    const YARDSTICK: &'static str;
    /// What it shares with its crate's other flavours.
    type Leaves: Leaves;

    /// Starts it. A flavour with one thread has one, whatever `workers` says.
    fn start(workers: usize) -> Self;

    /// Drives `main` to its end.
    fn block_on<F: Future>(&self, main: F) -> F::Output;

    /// Spawns on the runtime that is running. The bound is `Send` even where a flavour would not ask for it,
    /// since the same workload has to suit them all.
    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Runs a workload's main part as a task (M4).
    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(async { Self::spawn(main).await.expect("a workload's main part does not panic") })
    }
}

/// What the flavours of one crate share.
pub(crate) trait Leaves: 'static {
    /// Why a task gave no output.
    type JoinError: Debug + Send;
    /// A handle to a spawned task.
    type Join<T: Send + 'static>: Future<Output = Result<T, Self::JoinError>> + Send + Unpin;
    /// A timer, inert until it is polled.
    type Sleep: Future<Output = ()> + Send + 'static;
    /// A listening socket.
    type Listener: Send + Sync + 'static;
    /// A connected socket.
    type Stream: Send + 'static;

    /// Lets every other ready task run first.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits for at least `duration`.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Listens on a free port of the loopback interface.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// The next connection.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what there is; 0 at the end of the stream.
    fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of it.
    fn write_all(stream: &mut Self::Stream, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}
