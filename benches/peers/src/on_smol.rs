//! smol, with as many threads as asked for, and with one.
//!
//! `smol::spawn` has one executor for the whole process, whose threads come from an environment variable. These two
//! are put together from its parts as its documentation shows, so that a workload can have two runtimes.

use crate::benches::common::case::Class;
use crate::doors_of_smol::Doors;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Outside, Runtime};
use crate::kit::{Detach, Detached, Sure};
use smol::channel::{Sender, bounded};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, LocalExecutor};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

thread_local! {
    /// Whose worker this thread is.
    static SHARED: RefCell<Option<Arc<Executor<'static>>>> = const { RefCell::new(None) };
    /// The executor of this thread.
    static LOCAL: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

/// One executor that several threads run.
pub(crate) struct MultiThread {
    executor: Arc<Executor<'static>>,
    /// The threads end when this is dropped.
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Runtime for MultiThread {
    const NAME: &'static str = "smol_mt";
    const CLASS: Class = Class::TwoWorkers;
    type Leaves = Smol;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(workers: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = bounded::<()>(1);
        let work = |_| {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            thread::spawn(move || {
                SHARED.set(Some(Arc::clone(&executor)));
                let end = smol::block_on(executor.run(stopped.recv()));
                assert!(end.is_err(), "nothing is ever sent: the sender goes away");
                SHARED.set(None);
            })
        };
        let threads = (0..workers).map(work).collect();
        Self { executor, stop: Some(stop), threads }
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Not `smol::block_on`, which would make this thread a third that looks after the sockets.
        smol::future::block_on(self.executor.spawn(main))
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = SHARED.with_borrow(|executor| executor.as_ref().expect("a worker calls this").spawn(future));
        Sure(Detached::new(task))
    }
}

impl Drop for MultiThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            thread.join().expect("a worker does not panic");
        }
    }
}

impl Outside for MultiThread {
    type Spawner = Arc<Executor<'static>>;

    fn spawner(&self) -> Self::Spawner {
        Arc::clone(&self.executor)
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Sure(Detached::new(spawner.spawn(future)))
    }
}

/// The executor for several threads, run by the calling thread alone: the one thread of smol's that takes tasks from
/// others.
pub(crate) struct OneThread(Arc<Executor<'static>>);

impl Runtime for OneThread {
    const NAME: &'static str = "smol_ct";
    const CLASS: Class = Class::OneThread;
    type Leaves = Smol;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self(Arc::new(Executor::new()))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        SHARED.set(Some(Arc::clone(&self.0)));
        let output = smol::block_on(self.0.run(self.0.spawn(main)));
        SHARED.set(None);
        output
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        MultiThread::spawn(future)
    }
}

impl Outside for OneThread {
    type Spawner = Arc<Executor<'static>>;

    fn spawner(&self) -> Self::Spawner {
        Arc::clone(&self.0)
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        MultiThread::spawn_through(spawner, future)
    }
}

/// One executor on the calling thread.
pub(crate) struct Local(Rc<LocalExecutor<'static>>);

impl Runtime for Local {
    const NAME: &'static str = "smol_local";
    const CLASS: Class = Class::OneThread;
    type Leaves = Smol;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        let executor = Rc::new(LocalExecutor::new());
        LOCAL.set(Some(Rc::clone(&executor)));
        Self(executor)
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::block_on(self.0.run(self.0.spawn(main)))
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = LOCAL.with_borrow(|executor| executor.as_ref().expect("its thread calls this").spawn(future));
        Sure(Detached::new(task))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        LOCAL.set(None);
    }
}

impl<T> Detach for smol::Task<T> {
    fn detach(self) {
        smol::Task::detach(self);
    }
}

/// What the two share.
pub(crate) struct Smol;

impl Leaves for Smol {
    type JoinError = Infallible;
    type Join<T: Send + 'static> = Sure<Detached<smol::Task<T>>>;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Buffer = [u8; BUFFER];

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        Fired(smol::Timer::after(duration))
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        Fired(smol::Timer::at(due))
    }

    const FORWARDS: bool = true;

    fn forward<'a>(from: &'a mut TcpStream, to: &'a mut TcpStream) -> impl Future<Output = io::Result<u64>> + Send {
        smol::io::copy(from, to)
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

/// A timer that keeps the moment to itself.
struct Fired(smol::Timer);

impl Future for Fired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}
