//! tokio in its three flavours: the yardstick.
//!
//! Built as its documentation says, with nothing tuned: whoever thinks a setting would change the picture can
//! change it here, in one place.

use super::doors_of_tokio::Doors;
use crate::benches::common::case::Class;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Outside, Runtime};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The multi-thread flavour.
pub(crate) struct MultiThread(tokio::runtime::Runtime);

/// The current-thread flavour with `spawn`.
pub(crate) struct CurrentThread(tokio::runtime::Runtime);

/// The current-thread flavour with a `LocalSet` and `spawn_local`.
pub(crate) struct Local {
    /// Where the tasks live.
    tasks: LocalSet,
    /// What drives them.
    runtime: tokio::runtime::Runtime,
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts")
}

impl Runtime for MultiThread {
    const NAME: &'static str = "tokio_mt";
    const CLASS: Class = Class::TwoWorkers;
    type Leaves = Tokio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(workers: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Self(builder.worker_threads(workers).enable_all().build().expect("tokio starts"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.block_on(async { Self::spawn(main).await.expect("a workload's main part does not panic") })
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }
}

impl Runtime for CurrentThread {
    const NAME: &'static str = "tokio_ct";
    const CLASS: Class = Class::OneThread;
    type Leaves = Tokio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self(current_thread())
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.block_on(async { Self::spawn(main).await.expect("a workload's main part does not panic") })
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }
}

impl Runtime for Local {
    const NAME: &'static str = "tokio_local";
    const CLASS: Class = Class::OneThread;
    type Leaves = Tokio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self { tasks: LocalSet::new(), runtime: current_thread() }
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let main = async { Self::spawn(main).await.expect("a workload's main part does not panic") };
        self.tasks.block_on(&self.runtime, main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::task::spawn_local(future)
    }
}

impl Outside for MultiThread {
    type Spawner = tokio::runtime::Handle;

    fn spawner(&self) -> Self::Spawner {
        self.0.handle().clone()
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }
}

impl Outside for CurrentThread {
    type Spawner = tokio::runtime::Handle;

    fn spawner(&self) -> Self::Spawner {
        self.0.handle().clone()
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }
}

/// What the three share.
pub(crate) struct Tokio;

impl Leaves for Tokio {
    type JoinError = tokio::task::JoinError;
    type Join<T: Send + 'static> = tokio::task::JoinHandle<T>;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Buffer = [u8; BUFFER];

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep_until(due.into())
    }

    const FORWARDS: bool = true;

    fn forward<'a>(from: &'a mut TcpStream, to: &'a mut TcpStream) -> impl Future<Output = io::Result<u64>> + Send {
        tokio::io::copy(from, to)
    }

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        Ok(stream)
    }

    fn buffer() -> Self::Buffer {
        [0; BUFFER]
    }

    fn read<'a>(
        stream: &'a mut TcpStream,
        into: &'a mut Self::Buffer,
    ) -> impl Future<Output = io::Result<usize>> + Send {
        stream.read(into)
    }

    fn write_all<'a>(
        stream: &'a mut TcpStream,
        from: &'a mut Self::Buffer,
        count: usize,
    ) -> impl Future<Output = io::Result<()>> + Send {
        stream.write_all(&from[..count])
    }
}
