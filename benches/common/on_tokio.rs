//! tokio in its three flavours: the yardstick.
//!
//! Built as its documentation says, with nothing tuned: whoever thinks a setting would change the picture can
//! change it here, in one place.

use super::runtime::{Join, Leaves, Runtime};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
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
    const YARDSTICK: &'static str = Self::NAME;
    type Leaves = Tokio;

    fn start(workers: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Self(builder.worker_threads(workers).enable_all().build().expect("tokio starts"))
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
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
    const YARDSTICK: &'static str = Self::NAME;
    type Leaves = Tokio;

    fn start(_: usize) -> Self {
        Self(current_thread())
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
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
    const YARDSTICK: &'static str = CurrentThread::NAME;
    type Leaves = Tokio;

    fn start(_: usize) -> Self {
        Self { tasks: LocalSet::new(), runtime: current_thread() }
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
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

/// What the three share.
pub(crate) struct Tokio;

impl Leaves for Tokio {
    type JoinError = tokio::task::JoinError;
    type Join<T: Send + 'static> = tokio::task::JoinHandle<T>;
    type Sleep = tokio::time::Sleep;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        Ok(stream)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }
}
