//! A stream in memory: what is written at one end is read at the other, in both directions.
//!
//! ```text
//!     DuplexStream ──── Pipe: at most so many bytes ───> DuplexStream
//!                  <─── Pipe ───────────────────────────
//! ```
//!
//! - **D1** A pipe holds at most as many bytes as it was made for: a writer that finds no room waits (NET-14).
//! - **D2** Wakers are cloned before a pipe's lock is taken, woken and dropped after it is released.
//! - **D3** Each direction ends by itself: by `close`, or when its writer is dropped. What was written before is read first.
//!
//! Each direction of an end has one place for a waker, since reading and writing take `&mut`: who polled last is woken.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};

/// Two ends of a stream in memory; each direction holds at most `max_buf_size` bytes (1 at least).
///
/// For testing code that talks to a stream without a socket, and for parts of one program that talk as if over one. It works in
/// every flavour of runtime, and without any.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncReadExt, AsyncWriteExt};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut client, mut server) = mainspring::io::duplex(64);
/// client.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// server.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
///
/// drop(server);
/// assert_eq!(client.read(&mut buf).await?, 0, "the other end is gone");
/// assert!(client.write_all(b"pong").await.is_err());
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let (there, back) = (Arc::new(Pipe::new(max_buf_size)), Arc::new(Pipe::new(max_buf_size)));
    (DuplexStream { incoming: back.clone(), outgoing: there.clone() }, DuplexStream { incoming: there, outgoing: back })
}

/// One end of a [`duplex`]. Dropping it ends both directions: the peer reads what was written, then the end; and what it writes is
/// an error (`BrokenPipe`).
pub struct DuplexStream {
    /// What the peer writes.
    incoming: Arc<Pipe>,
    /// What the peer reads.
    outgoing: Arc<Pipe>,
}

/// One direction.
struct Pipe {
    locked: Mutex<State>,
}

struct State {
    /// What was written and not read yet.
    bytes: VecDeque<u8>,
    /// So many at most (D1).
    bytes_max: usize,
    /// Nobody will write any more.
    ended: bool,
    /// Nobody will read any more.
    deserted: bool,
    /// The reader's, while there is nothing to read.
    reader: Option<Waker>,
    /// The writer's, while there is no room.
    writer: Option<Waker>,
    /// In wait reasons.
    number: u64,
}

/// What a try found.
enum Tried<R> {
    /// It is done; whoever waited at the other end is woken.
    Done(R, Option<Waker>),
    /// It has to wait, and the waker has taken its place; the old one is to be dropped.
    Waits(Option<Waker>, u64),
}

impl Pipe {
    fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(1);
        let (bytes, number) = (VecDeque::new(), wait::next_object());
        Self {
            locked: Mutex::new(State {
                bytes,
                bytes_max,
                ended: false,
                deserted: false,
                reader: None,
                writer: None,
                number,
            }),
        }
    }

    /// Runs a try under the lock, and does outside of it what it leads to.
    fn poll<R>(&self, kind: WaitKind, at: &'static Location<'static>, cx: &mut Context<'_>, attempt: impl FnOnce(&mut State, &mut Option<Waker>) -> Tried<R>) -> Poll<R> {
        ready!(budget::poll_proceed(cx));
        let mut waker = Some(cx.waker().clone());
        let tried = attempt(&mut self.locked.lock(), &mut waker);
        drop_quietly(waker); // if it was not wanted; after the lock (D2)
        match tried {
            Tried::Done(outcome, woken) => {
                wake(woken);
                Poll::Ready(outcome)
            }
            Tried::Waits(old, object) => {
                drop_quietly(old);
                budget::refund();
                wait::note(Wait { kind, object, at });
                Poll::Pending
            }
        }
    }

    /// Nobody will write any more.
    fn end(&self) {
        let woken = {
            let mut state = self.locked.lock();
            state.ended = true;
            state.reader.take()
        };
        wake(woken);
    }

    /// Nobody will read any more: what is there goes, and so does the writer's hope.
    fn desert(&self) {
        let (woken, bytes) = {
            let mut state = self.locked.lock();
            state.deserted = true;
            (state.writer.take(), std::mem::take(&mut state.bytes))
        };
        drop(bytes);
        wake(woken);
    }
}

fn wake(woken: Option<Waker>) {
    if let Some(waker) = woken {
        quietly(|| waker.wake());
    }
}

impl State {
    /// Takes what there is, as far as there is room for it.
    fn read(&mut self, waker: &mut Option<Waker>, bufs: &mut [IoSliceMut<'_>]) -> Tried<io::Result<usize>> {
        if self.bytes.is_empty() && !self.ended {
            return Tried::Waits(mem::replace(&mut self.reader, waker.take()), self.number);
        }
        let before = self.bytes.len();
        for buf in bufs {
            let (mut left, mut more) = (&mut buf[..], true);
            // A queue's own `read` gives one of its two pieces at a time.
            while !left.is_empty() && more {
                let count = self.bytes.read(left).expect("reading from memory does not fail");
                (left, more) = (&mut left[count..], count > 0);
            }
        }
        Tried::Done(Ok(before - self.bytes.len()), self.writer.take())
    }

    /// Adds as much as there is room for.
    fn write(&mut self, waker: &mut Option<Waker>, bufs: &[IoSlice<'_>]) -> Tried<io::Result<usize>> {
        if self.deserted || self.ended {
            return Tried::Done(Err(io::ErrorKind::BrokenPipe.into()), None);
        }
        let mut room = self.bytes_max - self.bytes.len();
        if room == 0 {
            return Tried::Waits(mem::replace(&mut self.writer, waker.take()), self.number);
        }
        let mut count = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room)];
            self.bytes.extend(part);
            room -= part.len();
            count += part.len();
        }
        Tried::Done(Ok(count), self.reader.take())
    }
}

impl AsyncRead for DuplexStream {
    #[track_caller]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_vectored(cx, &mut [IoSliceMut::new(buf)])
    }

    #[track_caller]
    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.incoming.poll(WaitKind::Receive, Location::caller(), cx, |state, waker| state.read(waker, bufs))
    }
}

impl AsyncWrite for DuplexStream {
    #[track_caller]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    #[track_caller]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.outgoing.poll(WaitKind::Send, Location::caller(), cx, |state, waker| state.write(waker, bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the direction to the peer; reading goes on.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.outgoing.end();
        self.incoming.desert();
    }
}

/// Shows how much stands in each direction.
impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = |pipe: &Pipe| {
            let state = pipe.locked.lock();
            (state.bytes.len(), state.bytes_max, state.ended || state.deserted)
        };
        let ((to_read, _, read_ended), (written, max, write_ended)) = (direction(&self.incoming), direction(&self.outgoing));
        f.debug_struct("DuplexStream")
            .field("to_read", &to_read)
            .field("read_ended", &read_ended)
            .field("written", &format_args!("{written} of {max}"))
            .field("write_ended", &write_ended)
            .finish()
    }
}
