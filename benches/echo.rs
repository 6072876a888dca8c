//! What a server spends on a message: a TCP echo of 64 bytes at 1, 64, 1,000 and 10,000 connections.
//!
//! The figure is the server's cpu time and not its throughput, which would be the load's as much as its own.
//! All of the server's threads share cpu 0; the load has a process and a cpu to itself (see `common::load`).

use super::common::case::{Case, Field, Figures, Size, Workload};
use super::common::load::{self, MESSAGE};
use super::common::machine;
use super::common::oneshot;
use super::common::runtime::{BUFFER, Leaves, Runtime};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread;

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    [F::cases::<Echo<1>>(), F::cases::<Echo<64>>(), F::cases::<Echo<1_000>>(), F::cases::<Echo<10_000>>()].concat()
}

/// A server with so many connections.
struct Echo<const CONNECTIONS: usize>;

impl<const CONNECTIONS: usize> Workload for Echo<CONNECTIONS> {
    const NAME: &'static str = match CONNECTIONS {
        1 => "echo_1",
        64 => "echo_64",
        1_000 => "echo_1000",
        10_000 => "echo_10000",
        _ => panic!("a row needs a name"),
    };

    const LONG: bool = CONNECTIONS > 1_000;
    const FLOOR: Option<fn(Size) -> Figures> = Some(by_hand::<CONNECTIONS>);

    fn run<R: Runtime>(size: Size) -> Figures {
        let (connections, messages) = scale::<CONNECTIONS>(size);
        R::start(2).run(async move {
            let (bound, address) = oneshot::channel();
            drop(R::spawn_with_leaves(serve::<R>(bound)));
            let address = address.await.expect("the server tells its address");
            let (done, over) = oneshot::channel();
            let load = thread::spawn(move || done.send(load::drive(address, connections, messages)));
            let figures = over.await.expect("the load reports").expect("the load runs");
            load.join().expect("it has nothing left to do");
            figures
        })
    }
}

/// How many connections, and how many messages: about two seconds each. One connection waits for every answer, a
/// thousand hide the way.
fn scale<const CONNECTIONS: usize>(size: Size) -> (usize, usize) {
    machine::raise_descriptor_limit().expect("a limit can be raised to its maximum");
    let connections = if size == Size::Tiny { CONNECTIONS.min(8) } else { CONNECTIONS };
    (connections, size.of(if CONNECTIONS == 1 { 50_000 } else { 300_000 }))
}

async fn serve<R: Runtime>(bound: oneshot::Sender<SocketAddr>) {
    let (mut listener, address) = <R::Leaves>::listen().await.expect("a free port of the loopback interface");
    bound.send(address);
    loop {
        let stream = <R::Leaves>::accept(&mut listener).await.expect("a connection");
        drop(R::spawn_with_leaves(echo::<R>(stream)));
    }
}

async fn echo<R: Runtime>(mut stream: <R::Leaves as Leaves>::Stream) {
    let mut buffer = <R::Leaves>::buffer();
    loop {
        match <R::Leaves>::read(&mut stream, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                debug_assert!(count <= MESSAGE, "one message at a time");
                if <R::Leaves>::write_all(&mut stream, &mut buffer, count).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The server as one would write it with epoll and nothing else.
fn by_hand<const CONNECTIONS: usize>(size: Size) -> Figures {
    let (connections, messages) = scale::<CONNECTIONS>(size);
    let server = Server::start().expect("a free port of the loopback interface");
    let address = server.listener.local_addr().expect("it is bound");
    thread::scope(|scope| {
        let load = scope.spawn(move || load::drive(address, connections, messages));
        server.serve(connections).expect("the load behaves");
        load.join().expect("it ran to its end").expect("the load runs")
    })
}

/// One epoll, one thread: each socket is registered once, and each event is one read and one write.
struct Server {
    poll: Poll,
    listener: TcpListener,
    /// By token, the listener's not counted. A connection that has ended leaves its place empty.
    streams: Vec<Option<TcpStream>>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&listener.as_raw_fd()), Token(0), Interest::READABLE)?;
        Ok(Self { poll, listener, streams: Vec::new() })
    }

    /// Until so many connections have come and gone.
    fn serve(mut self, mut left: usize) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        while left > 0 {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                match event.token().0.checked_sub(1) {
                    None => self.accept_all()?,
                    Some(index) if echo_once(&self.streams[index])? => {}
                    Some(index) => left -= usize::from(self.streams[index].take().is_some()),
                }
            }
        }
        Ok(())
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let token = Token(self.streams.len() + 1);
            self.poll.registry().register(&mut SourceFd(&stream.as_raw_fd()), token, Interest::READABLE)?;
            self.streams.push(Some(stream));
        }
    }
}

/// False at the end of the stream. The read came back short, so the socket is empty: the next byte is a new edge.
fn echo_once(stream: &Option<TcpStream>) -> io::Result<bool> {
    let Some(mut stream) = stream.as_ref() else { return Ok(false) };
    let mut buffer = [0; BUFFER];
    match stream.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => stream.write_all(&buffer[..count]).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        // The load leaves without ceremony.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
        Err(error) => Err(error),
    }
}
