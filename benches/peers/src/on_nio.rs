//! nio, with workers and with one thread.
//!
//! Its timers and sockets belong to the worker they were made on, so a task that uses them is spawned with
//! `spawn_pinned`, as its documentation shows; `spawn` is for the others. `nio::sleep` counts from when the worker last
//! looked at its clock, so it may end early by as much. Its workers never end: a runtime that is
//! dropped leaves its threads and tasks behind.

#![allow(unsafe_code, reason = "its leaves are not `Send`")]

use crate::benches::common::case::Class;
use crate::benches::common::doors::Nobody;
use crate::doors_of_nio::Doors;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Outside, Runtime};
use crate::kit::{self, Here};
use nio::RuntimeContext;
use nio::net::{TcpConnection, TcpListener, TcpStream};
use std::cell::RefCell;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Workers that each have a loop of their own.
pub(crate) struct MultiThread(nio::Runtime);

impl Runtime for MultiThread {
    const NAME: &'static str = "nio_mt";
    const CLASS: Class = Class::TwoWorkers;
    const ENDS_ITS_TASKS: bool = false;
    type Leaves = Nio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Nobody;

    fn start(workers: usize) -> Self {
        let workers = u8::try_from(workers).expect("a workload asks for few");
        Self(nio::RuntimeBuilder::new().worker_threads(workers).rt().expect("nio starts"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // It makes a task of it, pinned to the first worker.
        self.0.block_on(move || main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        nio::spawn(future)
    }

    fn spawn_with_leaves<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        nio::spawn_pinned(move || future)
    }
}

impl Outside for MultiThread {
    type Spawner = Arc<RuntimeContext>;

    fn spawner(&self) -> Self::Spawner {
        self.0.context()
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }
}

/// The calling thread is the only worker.
///
/// It is never dropped: it ends its loop before its queue, and then panics about the pinned tasks in there.
pub(crate) struct Local(ManuallyDrop<RefCell<nio::LocalRuntime>>);

impl Runtime for Local {
    const NAME: &'static str = "nio_local";
    const CLASS: Class = Class::OneThread;
    const ENDS_ITS_TASKS: bool = false;
    type Leaves = Nio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Nobody;

    fn start(_: usize) -> Self {
        let runtime = nio::RuntimeBuilder::new().worker_threads(1).build().expect("nio starts");
        Self(ManuallyDrop::new(RefCell::new(runtime)))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.borrow_mut().block_on(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        nio::spawn_local(future)
    }
}

impl Outside for Local {
    type Spawner = Arc<RuntimeContext>;

    fn spawner(&self) -> Self::Spawner {
        self.0.borrow().runtime_context()
    }

    fn spawn_through<F>(spawner: &Self::Spawner, future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawner.spawn(future)
    }
}

/// What the two share.
pub(crate) struct Nio;

/// A connection becomes a stream of the worker that first reads from it, which is that of its task.
pub(crate) enum Stream {
    Accepted(Option<TcpConnection>),
    Open(Here<TcpStream>),
}

impl Stream {
    async fn open(&mut self) -> io::Result<&mut TcpStream> {
        if let Self::Accepted(connection) = self {
            let connection = connection.take().ok_or(io::ErrorKind::NotConnected)?;
            // SAFETY: the task that reads was spawned by `spawn_with_leaves`, so it stays on this thread.
            *self = Self::Open(unsafe { Here::new(connection.connect().await?) });
        }
        match self {
            Self::Open(stream) => Ok(stream.get()),
            Self::Accepted(_) => unreachable!("it was opened just above"),
        }
    }
}

impl Leaves for Nio {
    type JoinError = nio::JoinError;
    type Join<T: Send + 'static> = nio::JoinHandle<T>;
    type Listener = Here<TcpListener>;
    type Stream = Stream;
    type Buffer = [u8; BUFFER];

    fn yield_now() -> impl Future<Output = ()> + Send {
        kit::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: a workload sleeps in its main part, which is pinned, and in tasks spawned by `spawn_with_leaves`.
        unsafe { Here::new(nio::sleep(duration)) }
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: as in `sleep`.
        unsafe { Here::new(nio::Sleep::at(due)) }
    }

    const FORWARDS: bool = true;

    /// It has nothing for that: what its user would write, with a buffer that suits bulk.
    fn forward<'a>(from: &'a mut Stream, to: &'a mut Stream) -> impl Future<Output = io::Result<u64>> + Send {
        let forward = async {
            let (from, to) = (from.open().await?, to.open().await?);
            let (mut buffer, mut sum) = (vec![0; 64 << 10], 0);
            loop {
                let count = from.read(&mut buffer).await?;
                let mut left = &buffer[..count];
                while !left.is_empty() {
                    let written = to.write(left).await?;
                    left = &left[written..];
                }
                sum += count as u64;
                if count == 0 {
                    return Ok(sum);
                }
            }
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(forward) }
    }

    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send {
        let listen = async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            // SAFETY: as in `sleep`.
            Ok((unsafe { Here::new(listener) }, address))
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(listen) }
    }

    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Stream>> + Send {
        let accept = async { Ok(Stream::Accepted(Some(listener.get().accept().await?))) };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(accept) }
    }

    fn buffer() -> Self::Buffer {
        [0; BUFFER]
    }

    fn read<'a>(
        stream: &'a mut Stream,
        into: &'a mut Self::Buffer,
    ) -> impl Future<Output = io::Result<usize>> + Send {
        let read = async { stream.open().await?.read(into).await };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(read) }
    }

    fn write_all<'a>(
        stream: &'a mut Stream,
        from: &'a mut Self::Buffer,
        count: usize,
    ) -> impl Future<Output = io::Result<()>> + Send {
        let write_all = async move {
            let stream = stream.open().await?;
            let mut left = &from[..count];
            while !left.is_empty() {
                let written = stream.write(left).await?;
                left = &left[written..];
            }
            Ok(())
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(write_all) }
    }
}
