//! monoio on its epoll driver, which answered small messages sooner here than its io_uring one.
//!
//! A task that wakes itself goes to the front of monoio's queue and not to its back, so a yield lets nobody pass: it is
//! left out of the row about yields, which would show one task running alone.

#![allow(unsafe_code, reason = "its leaves are not `Send`")]

use crate::benches::common::case::Class;
use crate::benches::common::doors::Nobody;
use crate::doors_of_monoio::Doors;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Runtime};
use crate::kit::{self, Here, Sure};
use monoio::blocking::DefaultThreadPool;
use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::TimeDriver;
use monoio::{LegacyDriver, RuntimeBuilder};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One thread.
pub(crate) struct Epoll(RefCell<monoio::Runtime<TimeDriver<LegacyDriver>>>);

impl Runtime for Epoll {
    const NAME: &'static str = "monoio";
    const CLASS: Class = Class::OneThread;
    const ENDS_ITS_TASKS: bool = false;
    const YIELDS_TO_OTHERS: bool = false;
    type Leaves = Monoio;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Nobody;

    fn start(_: usize) -> Self {
        // As many threads as it has in its own example; without a pool closures that block are refused.
        let pool = Box::new(DefaultThreadPool::new(4));
        let builder = RuntimeBuilder::<LegacyDriver>::new().attach_thread_pool(pool).enable_timer();
        Self(RefCell::new(builder.build().expect("monoio starts")))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.borrow_mut().block_on(async { monoio::spawn(main).await })
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Sure(monoio::spawn(future))
    }
}

/// Its timers and sockets.
pub(crate) struct Monoio;

impl Leaves for Monoio {
    type JoinError = Infallible;
    type Join<T: Send + 'static> = Sure<monoio::task::JoinHandle<T>>;
    type Listener = Here<TcpListener>;
    type Stream = Here<TcpStream>;
    type Buffer = Vec<u8>;

    fn yield_now() -> impl Future<Output = ()> + Send {
        kit::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: this runtime has one thread, and a workload uses its leaves in tasks only.
        unsafe { Here::new(monoio::time::sleep(duration)) }
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: as in `sleep`.
        unsafe { Here::new(monoio::time::sleep_until(due.into())) }
    }

    async fn listen() -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        // SAFETY: as in `sleep`.
        Ok((unsafe { Here::new(listener) }, address))
    }

    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let accept = async {
            let (stream, _) = listener.get().accept().await?;
            // SAFETY: as in `sleep`.
            Ok(unsafe { Here::new(stream) })
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(accept) }
    }

    fn buffer() -> Vec<u8> {
        Vec::with_capacity(BUFFER)
    }

    fn read<'a>(
        stream: &'a mut Self::Stream,
        into: &'a mut Vec<u8>,
    ) -> impl Future<Output = io::Result<usize>> + Send {
        let read = async {
            let (result, buffer) = stream.get().read(mem::take(into)).await;
            *into = buffer;
            result
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(read) }
    }

    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        from: &'a mut Vec<u8>,
        count: usize,
    ) -> impl Future<Output = io::Result<()>> + Send {
        let write_all = async move {
            from.truncate(count);
            let (result, buffer) = stream.get().write_all(mem::take(from)).await;
            *from = buffer;
            result.map(drop)
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(write_all) }
    }
}
