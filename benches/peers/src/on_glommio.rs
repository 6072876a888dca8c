//! glommio, on io_uring.

#![allow(unsafe_code, reason = "its leaves are not `Send`")]

use crate::benches::common::case::Class;
use crate::benches::common::doors::Nobody;
use crate::doors_of_glommio::Doors;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Runtime};
use crate::kit::{self, Detach, Detached, Here, Sure};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, timer::Timer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// One thread.
pub(crate) struct Glommio(LocalExecutor);

impl Runtime for Glommio {
    const NAME: &'static str = "glommio";
    const CLASS: Class = Class::OneThread;
    const ENDS_ITS_TASKS: bool = false;
    type Leaves = Self;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Nobody;

    fn start(_: usize) -> Self {
        Self(LocalExecutorBuilder::new(Placement::Unbound).make().expect("glommio starts"))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.run(async { glommio::spawn_local(main).await })
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: this runtime has one thread, and a workload's handles stay in its tasks.
        unsafe { Here::new(Sure(Detached::new(glommio::spawn_local(future)))) }
    }
}

impl<T> Detach for glommio::Task<T> {
    fn detach(self) {
        drop(glommio::Task::detach(self));
    }
}

impl Leaves for Glommio {
    type JoinError = Infallible;
    type Join<T: Send + 'static> = Here<Sure<Detached<glommio::Task<T>>>>;
    type Listener = Here<TcpListener>;
    type Stream = Here<TcpStream>;
    type Buffer = [u8; BUFFER];

    fn yield_now() -> impl Future<Output = ()> + Send {
        kit::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: this runtime has one thread, and a workload uses its leaves in tasks only.
        unsafe { Here::new(Fired(Timer::new(duration))) }
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        // It has no call that takes a moment.
        Self::sleep(due.saturating_duration_since(Instant::now()))
    }

    async fn listen() -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        // SAFETY: as in `sleep`.
        Ok((unsafe { Here::new(listener) }, address))
    }

    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let accept = async {
            let stream = listener.get().accept().await?;
            // SAFETY: as in `sleep`.
            Ok(unsafe { Here::new(stream) })
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(accept) }
    }

    fn buffer() -> Self::Buffer {
        [0; BUFFER]
    }

    fn read<'a>(
        stream: &'a mut Self::Stream,
        into: &'a mut Self::Buffer,
    ) -> impl Future<Output = io::Result<usize>> + Send {
        let read = async { stream.get().read(into).await };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(read) }
    }

    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        from: &'a mut Self::Buffer,
        count: usize,
    ) -> impl Future<Output = io::Result<()>> + Send {
        let write_all = async move { stream.get().write_all(&from[..count]).await };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(write_all) }
    }
}

/// A timer that keeps to itself how long it took.
struct Fired(Timer);

impl Future for Fired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
