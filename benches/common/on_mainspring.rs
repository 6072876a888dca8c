//! mainspring in its three flavours: what is being measured.

use super::on_tokio;
use super::runtime::{Join, Leaves, Runtime};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Builder;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The multi-thread flavour.
pub(crate) struct MultiThread(mainspring::runtime::Runtime);

/// The current-thread flavour with `spawn`.
pub(crate) struct CurrentThread(mainspring::runtime::Runtime);

/// The current-thread flavour with `spawn_local`.
pub(crate) struct Local(mainspring::runtime::Runtime);

impl Runtime for MultiThread {
    const NAME: &'static str = "mainspring_mt";
    const YARDSTICK: &'static str = on_tokio::MultiThread::NAME;
    type Leaves = Mainspring;

    fn start(workers: usize) -> Self {
        Self(Builder::new_multi_thread().workers(workers).build().expect("mainspring starts"))
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        mainspring::task::spawn(future)
    }
}

impl Runtime for CurrentThread {
    const NAME: &'static str = "mainspring_ct";
    const YARDSTICK: &'static str = on_tokio::CurrentThread::NAME;
    type Leaves = Mainspring;

    fn start(_: usize) -> Self {
        Self(Builder::new_current_thread().build().expect("mainspring starts"))
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        mainspring::task::spawn(future)
    }
}

impl Runtime for Local {
    const NAME: &'static str = "mainspring_local";
    const YARDSTICK: &'static str = on_tokio::CurrentThread::NAME;
    type Leaves = Mainspring;

    fn start(_: usize) -> Self {
        Self(Builder::new_current_thread().build().expect("mainspring starts"))
    }

    fn block_on<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        mainspring::task::spawn_local(future)
    }
}

/// What the three share.
pub(crate) struct Mainspring;

impl Leaves for Mainspring {
    type JoinError = mainspring::task::JoinError;
    type Join<T: Send + 'static> = mainspring::task::JoinHandle<T>;
    type Sleep = mainspring::time::Sleep;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn yield_now() -> impl Future<Output = ()> + Send {
        mainspring::task::yield_now()
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        mainspring::time::sleep(duration)
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
