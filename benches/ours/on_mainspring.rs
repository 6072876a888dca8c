//! mainspring in its three flavours: what is being measured.

use super::doors_of_mainspring::Doors;
use crate::benches::common::case::Class;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Outside, Runtime};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Builder;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The multi-thread flavour.
pub(crate) struct MultiThread(mainspring::runtime::Runtime);

/// The current-thread flavour with `spawn`.
pub(crate) struct CurrentThread(mainspring::runtime::Runtime);

/// The current-thread flavour with `spawn_local`.
pub(crate) struct Local(mainspring::runtime::Runtime);

impl Runtime for MultiThread {
    const NAME: &'static str = "mainspring_mt";
    const CLASS: Class = Class::TwoWorkers;
    type Leaves = Mainspring;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(workers: usize) -> Self {
        Self(Builder::new_multi_thread().workers(workers).build().expect("mainspring starts"))
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
        mainspring::task::spawn(future)
    }
}

impl Runtime for CurrentThread {
    const NAME: &'static str = "mainspring_ct";
    const CLASS: Class = Class::OneThread;
    type Leaves = Mainspring;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self(Builder::new_current_thread().build().expect("mainspring starts"))
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
        mainspring::task::spawn(future)
    }
}

impl Runtime for Local {
    const NAME: &'static str = "mainspring_local";
    const CLASS: Class = Class::OneThread;
    type Leaves = Mainspring;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self(Builder::new_current_thread().build().expect("mainspring starts"))
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
        mainspring::task::spawn_local(future)
    }
}

impl Outside for MultiThread {
    type Spawner = mainspring::runtime::Handle;

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
    type Spawner = mainspring::runtime::Handle;

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
pub(crate) struct Mainspring;

impl Leaves for Mainspring {
    type JoinError = mainspring::task::JoinError;
    type Join<T: Send + 'static> = mainspring::task::JoinHandle<T>;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Buffer = [u8; BUFFER];

    fn yield_now() -> impl Future<Output = ()> + Send {
        mainspring::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        mainspring::time::sleep(duration)
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        mainspring::time::sleep_until(due.into())
    }

    const FORWARDS: bool = true;

    fn forward<'a>(from: &'a mut TcpStream, to: &'a mut TcpStream) -> impl Future<Output = io::Result<u64>> + Send {
        mainspring::io::splice(from, to)
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
