//! The two directions of any stream as two values.
//!
//! Our sockets have a `split` of their own, which costs nothing. This one is for streams that must be `&mut` to be used, of whatever
//! library: each half takes the stream out of the place that both share, uses it, and puts it back. So no lock is held while the
//! stream's own code runs, and a half that finds the place empty, because the other is at it on another thread at that moment,
//! waits for it to come back.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};

use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};

/// Takes a stream apart, into a half to read from and one to write to.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (here, mut there) = duplex(64);
/// let (mut read, mut write) = split(here);
/// let writer = mainspring::spawn(async move { write.write_all(b"from a task").await.map(|()| write) });
/// let mut text = [0; 11];
/// there.read_exact(&mut text).await?;
/// there.write_all(b"ok").await?;
/// read.read_exact(&mut text[..2]).await?;
/// let write = writer.await.expect("no panic")?;
/// assert!(read.is_pair_of(&write));
/// let whole = read.unsplit(write);
/// drop(whole);
/// assert_eq!(there.read(&mut text).await?, 0);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn split<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let shared = Arc::new(Shared { place: Mutex::new(Place { stream: Some(Box::new(stream)), waits: None }) });
    (ReadHalf { shared: shared.clone() }, WriteHalf { shared })
}

/// The half of a [`split`] stream to read from.
pub struct ReadHalf<S> {
    shared: Arc<Shared<S>>,
}

/// The half of a [`split`] stream to write to. Dropping it does not end the stream: close it for that.
pub struct WriteHalf<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    place: Mutex<Place<S>>,
}

struct Place<S> {
    /// None while a half uses it. Boxed, so that it is a pointer that goes to and fro.
    stream: Option<Box<S>>,
    /// The half that came meanwhile. There are two halves and one of them has the stream, so one place is enough.
    waits: Option<Waker>,
}

impl<S> Shared<S> {
    /// Uses the stream, as soon as the other half does not.
    fn poll<R>(&self, cx: &mut Context<'_>, using: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<R>) -> Poll<R>
    where
        S: Unpin,
    {
        let mut stream = self.place.lock().stream.take();
        if stream.is_none() {
            let waker = cx.waker().clone();
            let mut place = self.place.lock();
            stream = place.stream.take();
            if stream.is_none() {
                let old = place.waits.replace(waker);
                drop(place);
                drop_quietly(old);
                return Poll::Pending;
            }
        }
        let mut lent = Lent { shared: self, stream };
        let stream = lent.stream.as_mut().expect("taken out just now");
        using(Pin::new(&mut **stream), cx)
    }
}

/// The stream while a half has it: it goes back on every way out, unwinding included.
struct Lent<'a, S> {
    shared: &'a Shared<S>,
    stream: Option<Box<S>>,
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let waits = {
            let mut place = self.shared.place.lock();
            place.stream = self.stream.take();
            place.waits.take()
        };
        if let Some(waker) = waits {
            quietly(|| waker.wake());
        }
    }
}

impl<S> ReadHalf<S> {
    /// Are these two halves of one stream?
    pub fn is_pair_of(&self, other: &WriteHalf<S>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Puts the stream together again.
    ///
    /// # Panics
    /// If these are halves of two streams; [`is_pair_of`](Self::is_pair_of) tells.
    #[track_caller]
    pub fn unsplit(self, other: WriteHalf<S>) -> S {
        assert!(self.is_pair_of(&other), "`unsplit` wants the two halves of one stream: ask `is_pair_of` first");
        drop(other);
        let shared = Arc::into_inner(self.shared).expect("the halves hold the only two references, and one is gone");
        *shared.place.into_inner().stream.expect("nobody uses it: both halves are here")
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadHalf<S> {
    #[track_caller]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.shared.poll(cx, |stream, cx| stream.poll_read(cx, buf))
    }

    #[track_caller]
    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll(cx, |stream, cx| stream.poll_read_vectored(cx, bufs))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteHalf<S> {
    #[track_caller]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.poll(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    #[track_caller]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    #[track_caller]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll(cx, |stream, cx| stream.poll_flush(cx))
    }

    #[track_caller]
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll(cx, |stream, cx| stream.poll_close(cx))
    }
}

impl<S> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").field("in_use", &self.shared.place.lock().stream.is_none()).finish()
    }
}

impl<S> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").field("in_use", &self.shared.place.lock().stream.is_none()).finish()
    }
}
