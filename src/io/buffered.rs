//! Fewer and larger reads and writes: a buffer before a reader, and one behind a writer.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

use super::ext::{believed, taken};

/// As std's.
const CAPACITY: usize = 8 * 1024;

/// Reads ahead, so that small reads and lines cost no system call each. What it has read ahead goes with it when it is dropped.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, duplex};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut here, there) = duplex(64);
/// here.write_all(b"name: value\nrest").await?;
/// drop(here);
/// let mut reader = BufReader::new(there);
/// let mut line = String::new();
/// assert_eq!(reader.read_line(&mut line).await?, 12);
/// let mut rest = Vec::new();
/// reader.read_to_end(&mut rest).await?;
/// assert_eq!((line.as_str(), rest.as_slice()), ("name: value\n", &b"rest"[..]));
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BufReader<R> {
    reader: R,
    buffer: Box<[u8]>,
    /// What was read ahead and not taken: from here,
    start: usize,
    /// to here.
    end: usize,
    /// A move of the cursor is under way: if it is given up, what was read ahead is worth nothing.
    is_moving: bool,
}

impl<R: AsyncRead> BufReader<R> {
    /// With a buffer of 8 KiB.
    pub fn new(reader: R) -> Self {
        Self::with_capacity(CAPACITY, reader)
    }

    /// With a buffer of so many bytes (1 at least).
    pub fn with_capacity(capacity: usize, reader: R) -> Self {
        Self { reader, buffer: vec![0; capacity.max(1)].into_boxed_slice(), start: 0, end: 0, is_moving: false }
    }
}

impl<R> BufReader<R> {
    /// What it reads from.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The same, to change it. What is read from it directly is missing here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Gives it back; what was read ahead is dropped, so look at [`buffer`](Self::buffer) first.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// What was read ahead and not taken.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// A read after a move that was given up: the cursor may be anywhere, but not behind what was read ahead.
    fn forget_if_moving(&mut self) {
        if std::mem::take(&mut self.is_moving) {
            self.start = self.end;
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for BufReader<R> {
    #[track_caller]
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        this.forget_if_moving();
        if this.start == this.end {
            (this.start, this.end) = (0, 0);
            let count = ready!(Pin::new(&mut this.reader).poll_read(cx, &mut this.buffer))?;
            this.end = believed(count, this.buffer.len());
        }
        Poll::Ready(Ok(&this.buffer[this.start..this.end]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        this.start += count.min(this.end - this.start);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for BufReader<R> {
    #[track_caller]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_vectored(cx, &mut [IoSliceMut::new(buf)])
    }

    #[track_caller]
    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        self.forget_if_moving();
        // A read as large as the buffer gains nothing by it.
        if self.start == self.end && wanted >= self.buffer.len() {
            let count = ready!(Pin::new(&mut self.reader).poll_read_vectored(cx, bufs))?;
            return Poll::Ready(Ok(believed(count, wanted)));
        }
        let mut there = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = io::Read::read_vectored(&mut there, bufs)?;
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}

/// Writing goes past the buffer, so that a stream read through one can be answered.
impl<R: AsyncWrite + Unpin> AsyncWrite for BufReader<R> {
    #[track_caller]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_write(cx, buf)
    }

    #[track_caller]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_write_vectored(cx, bufs)
    }

    #[track_caller]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_flush(cx)
    }

    #[track_caller]
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_close(cx)
    }
}

/// Collects small writes and hands them on together: when the buffer is full, at `flush`, and at `close`.
///
/// Dropping it does not write: there is no waiting in a drop. What is in the buffer then is lost, so flush or close it first.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncReadExt, AsyncWriteExt, BufWriter, duplex};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (here, mut there) = duplex(64);
/// let mut writer = BufWriter::new(here);
/// writer.write_all(b"a").await?;
/// writer.write_all(b"b").await?;
/// assert_eq!(writer.buffer(), b"ab");
/// writer.close().await?;
/// let mut text = String::new();
/// there.read_to_string(&mut text).await?;
/// assert_eq!(text, "ab");
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BufWriter<W> {
    writer: W,
    /// What was collected; never grows beyond the capacity it was made with.
    buffer: Vec<u8>,
    /// So much of it was handed on already.
    written: usize,
}

impl<W: AsyncWrite> BufWriter<W> {
    /// With a buffer of 8 KiB.
    pub fn new(writer: W) -> Self {
        Self::with_capacity(CAPACITY, writer)
    }

    /// With a buffer of so many bytes.
    pub fn with_capacity(capacity: usize, writer: W) -> Self {
        Self { writer, buffer: Vec::with_capacity(capacity), written: 0 }
    }
}

impl<W> BufWriter<W> {
    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The same, to change it. What is written to it directly comes before what is in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Gives it back; what is in the buffer is dropped.
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// What was collected and not handed on.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.written..]
    }
}

impl<W: AsyncWrite + Unpin> BufWriter<W> {
    /// Hands on all that was collected. What has gone stays gone if it is dropped half way: a new call goes on.
    #[track_caller]
    fn poll_hand_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, &self.buffer[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += taken(count, self.buffer.len() - self.written),
            }
        }
        self.buffer.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for BufWriter<W> {
    #[track_caller]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.buffer.len() + buf.len() > this.buffer.capacity() {
            ready!(this.poll_hand_on(cx))?;
        }
        if buf.len() >= this.buffer.capacity() {
            let count = ready!(Pin::new(&mut this.writer).poll_write(cx, buf))?;
            return Poll::Ready(Ok(taken(count, buf.len())));
        }
        this.buffer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    #[track_caller]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(cx))?;
        Pin::new(&mut this.writer).poll_flush(cx)
    }

    #[track_caller]
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(cx))?;
        Pin::new(&mut this.writer).poll_close(cx)
    }
}

/// Reading goes past the buffer.
impl<W: AsyncRead + Unpin> AsyncRead for BufWriter<W> {
    #[track_caller]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_read(cx, buf)
    }

    #[track_caller]
    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_read_vectored(cx, bufs)
    }
}

/// What is in the buffer is handed on before the cursor moves.
impl<W: AsyncWrite + AsyncSeek + Unpin> AsyncSeek for BufWriter<W> {
    #[track_caller]
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, to: io::SeekFrom) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(cx))?;
        Pin::new(&mut this.writer).poll_seek(cx, to)
    }
}

/// What was read ahead is dropped when the cursor moves; a move from where the reader is counts it in. After a move that was given up
/// while it was under way the cursor may have moved or not: a read goes on from there, so move again first.
impl<R: AsyncRead + AsyncSeek + Unpin> AsyncSeek for BufReader<R> {
    #[track_caller]
    fn poll_seek(self: Pin<&mut Self>, cx: &mut Context<'_>, to: io::SeekFrom) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        let ahead = i64::try_from(this.end - this.start).expect("a buffer is smaller than that");
        let to = match to {
            io::SeekFrom::Current(by) => io::SeekFrom::Current(
                by.checked_sub(ahead).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?,
            ),
            other => other,
        };
        this.is_moving = true;
        let place = ready!(Pin::new(&mut this.reader).poll_seek(cx, to));
        this.is_moving = false;
        let place = place?;
        this.start = this.end;
        Poll::Ready(Ok(place))
    }
}
