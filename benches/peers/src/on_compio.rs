//! compio, on io_uring.

#![allow(unsafe_code, reason = "its leaves are not `Send`")]

use crate::benches::common::case::Class;
use crate::doors_of_compio::Doors;
use crate::benches::common::runtime::{BUFFER, Join, Leaves, Runtime};
use crate::kit::{self, Detach, Detached, Here};
use compio::BufResult;
use compio::io::{AsyncRead as _, AsyncWriteExt as _};
use compio::net::{TcpListener, TcpStream};
use std::future::Future;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One thread.
pub(crate) struct Compio(compio::runtime::Runtime);

impl Runtime for Compio {
    const NAME: &'static str = "compio";
    const CLASS: Class = Class::OneThread;
    type Leaves = Self;
    type Blocking = Doors;
    type Files = Doors;
    type Children = Doors;

    fn start(_: usize) -> Self {
        Self(compio::runtime::Runtime::new().expect("compio starts"))
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
        Detached::new(compio::runtime::spawn(future))
    }
}

impl<T> Detach for compio::runtime::JoinHandle<T> {
    fn detach(self) {
        compio::runtime::JoinHandle::detach(self);
    }
}

impl Leaves for Compio {
    type JoinError = compio::runtime::JoinError;
    type Join<T: Send + 'static> = Detached<compio::runtime::JoinHandle<T>>;
    type Listener = Here<TcpListener>;
    type Stream = Here<TcpStream>;
    type Buffer = Vec<u8>;

    fn yield_now() -> impl Future<Output = ()> + Send {
        kit::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: this runtime has one thread, and a workload uses its leaves in tasks only.
        unsafe { Here::new(compio::time::sleep(duration)) }
    }

    fn sleep_until(due: Instant) -> impl Future<Output = ()> + Send + 'static {
        // SAFETY: as in `sleep`.
        unsafe { Here::new(compio::time::sleep_until(due)) }
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
            into.clear();
            let BufResult(result, buffer) = stream.get().read(mem::take(into)).await;
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
            let BufResult(result, buffer) = stream.get().write_all(mem::take(from)).await;
            *from = buffer;
            result
        };
        // SAFETY: as in `sleep`.
        unsafe { Here::new(write_all) }
    }
}
