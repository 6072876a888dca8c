//! Operations on whatever can be read or written through the futures-io traits, as futures.
//!
//! Our sockets, pipes and files have these operations themselves, on `&self`, and those are the ones a call finds first. The traits
//! here serve what has none of its own: [`duplex`](super::duplex()), [`BufReader`](super::BufReader), a library's stream. Each future
//! remembers the user's line, which takes the place of that of the innermost leaf in a report.
//!
//! A reader may be a stranger's, and wrong: one that says to have read more than there was room for is a panic here, before
//! anything is counted by it (FSX-05).

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::task::{budget, wait};

/// Where the user called, for reports.
pub(super) type Caller = &'static Location<'static>;

/// The reader's answer, if it can be true.
#[inline]
pub(super) fn believed(count: usize, room: usize) -> usize {
    assert!(count <= room, "a reader said that it has put {count} bytes into a buffer of {room}: its `poll_read` is wrong");
    count
}

/// The writer's answer, if it can be true.
#[inline]
pub(super) fn taken(count: usize, given: usize) -> usize {
    assert!(count <= given, "a writer said that it has taken {count} of {given} bytes: its `poll_write` is wrong");
    count
}

/// A poll that waits is said to wait at the user's line.
#[inline]
pub(super) fn at<R>(at: Caller, poll: Poll<R>) -> Poll<R> {
    if poll.is_pending() {
        wait::place(at);
    }
    poll
}

/// Reading, for everything that is [`AsyncRead`].
pub trait AsyncReadExt: AsyncRead {
    /// Reads what is there, at least one byte; 0 means that the stream has ended, or that `buf` is empty.
    ///
    /// # Cancellation
    /// **Strict**, if the reader takes data only when it says so; all of ours do.
    #[track_caller]
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buf, at: Location::caller() }
    }

    /// Fills the buffer, and returns its length.
    ///
    /// # Cancellation
    /// **Lossy.** How much was read before is lost.
    #[track_caller]
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact { reader: self, buf, filled: 0, at: Location::caller() }
    }

    /// Appends all there is until the end of the stream, and says how much it was.
    ///
    /// # Cancellation
    /// **Strict.** What was read is in the vector, and a new call goes on from there.
    #[track_caller]
    fn read_to_end<'a>(&'a mut self, into: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        let before = into.len();
        ReadToEnd { reader: self, into, before, at: Location::caller() }
    }

    /// As [`read_to_end`](Self::read_to_end), of text. Text that is not UTF-8 is an error, and nothing is appended.
    ///
    /// # Cancellation
    /// **Lossy.** What was read is lost.
    #[track_caller]
    fn read_to_string<'a>(&'a mut self, into: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString { reader: self, read: Vec::new(), into, at: Location::caller() }
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// Writing, for everything that is [`AsyncWrite`].
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes a part of the buffer, at least one byte unless it is empty, and says how much.
    ///
    /// # Cancellation
    /// **Strict**, if the writer takes data only when it says so; all of ours but files do.
    #[track_caller]
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, buf, at: Location::caller() }
    }

    /// Writes all of it.
    ///
    /// # Cancellation
    /// **Lossy.** A part may have been written, and nobody says how much.
    #[track_caller]
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { writer: self, left: buf, at: Location::caller() }
    }

    /// Hands on what the writer keeps back.
    ///
    /// # Cancellation
    /// **Strict.** A new call goes on.
    #[track_caller]
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self, at: Location::caller() }
    }

    /// Flushes, and ends the stream: the reader at the other end finds it.
    ///
    /// # Cancellation
    /// **Strict.** A new call goes on.
    #[track_caller]
    fn close(&mut self) -> Close<'_, Self>
    where
        Self: Unpin,
    {
        Close { writer: self, at: Location::caller() }
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// Reading text and records, for everything that is [`AsyncBufRead`].
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends all there is up to and with the next `end`, or up to the end of the stream; says how much it was.
    ///
    /// # Cancellation
    /// **Strict.** What was read is in the vector, and a new call goes on from there.
    #[track_caller]
    fn read_until<'a>(&'a mut self, end: u8, into: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntil { reader: self, end, into, count: 0, at: Location::caller() }
    }

    /// Appends the next line with its end, and says how many bytes it has; 0 at the end of the stream. Text that is not UTF-8 is
    /// an error, and nothing is appended; the line is gone.
    ///
    /// # Cancellation
    /// **Lossy.** The part of a line that was read is lost. [`lines`](Self::lines) loses nothing.
    #[track_caller]
    fn read_line<'a>(&'a mut self, into: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        ReadLine { reader: self, read: Vec::new(), into, at: Location::caller() }
    }

    /// The lines, one after the other, without their ends.
    fn lines(self) -> Lines<Self>
    where
        Self: Unpin + Sized,
    {
        Lines { reader: self, part: Vec::new() }
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// Future of [`AsyncReadExt::read`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, R: ?Sized> {
    reader: &'a mut R,
    /// Where to put it.
    buf: &'a mut [u8],
    /// The user's line.
    at: Caller,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, buf, at: here } = self.get_mut();
        let count = ready!(at(here, Pin::new(&mut **reader).poll_read(cx, buf)))?;
        Poll::Ready(Ok(believed(count, buf.len())))
    }
}

/// Future of [`AsyncReadExt::read_exact`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a, R: ?Sized> {
    reader: &'a mut R,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, buf, filled, at: here } = self.get_mut();
        while *filled < buf.len() {
            let room = &mut buf[*filled..];
            match believed(ready!(at(here, Pin::new(&mut **reader).poll_read(cx, room)))?, room.len()) {
                0 => {
                    let text = format!("the stream ended after {filled} of {} bytes", buf.len());
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                count => *filled += count,
            }
        }
        Poll::Ready(Ok(*filled))
    }
}

/// How much is read at once by what reads to the end, at first; it doubles with the vector.
const GULP_MIN: usize = 1 << 10;
/// And at most.
const GULP_MAX: usize = 64 << 10;

/// Appends to a vector until the end of the stream.
fn poll_to_end<R: AsyncRead + Unpin + ?Sized>(
    reader: &mut R,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(budget::poll_proceed(cx));
        let start = into.len();
        let gulp = start.clamp(GULP_MIN, GULP_MAX);
        // Written with zeros first, since a reader gets only memory that is. It is taken back on every way out.
        into.resize(start + gulp, 0);
        let mut room = Room { into, end: start };
        let read = Pin::new(&mut *reader).poll_read(cx, &mut room.into[start..]);
        if let Poll::Ready(Ok(count)) = read {
            room.end = start + believed(count, gulp);
        }
        drop(room);
        if read.is_pending() {
            budget::refund();
        }
        if ready!(read)? == 0 {
            return Poll::Ready(Ok(()));
        }
    }
}

/// A vector with room for more than it will keep: a reader's panic must not leave zeros behind in it.
struct Room<'a> {
    into: &'a mut Vec<u8>,
    /// What it keeps.
    end: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.into.truncate(self.end);
    }
}

/// Future of [`AsyncReadExt::read_to_end`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a, R: ?Sized> {
    reader: &'a mut R,
    /// Where to append it.
    into: &'a mut Vec<u8>,
    /// How long that was before.
    before: usize,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, into, before, at: here } = self.get_mut();
        ready!(at(here, poll_to_end(&mut **reader, cx, into)))?;
        Poll::Ready(Ok(into.len() - *before))
    }
}

/// Future of [`AsyncReadExt::read_to_string`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToString<'a, R: ?Sized> {
    reader: &'a mut R,
    /// What was read so far.
    read: Vec<u8>,
    /// Where to append it, when it is known to be text.
    into: &'a mut String,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, read, into, at: here } = self.get_mut();
        let outcome = ready!(at(here, poll_to_end(&mut **reader, cx, read)));
        Poll::Ready(append_text(outcome, read, into))
    }
}

/// Appends bytes to a text, if they are text; says how many. After an error, too, as in std: what was read is not lost by it.
fn append_text(outcome: io::Result<()>, bytes: &mut Vec<u8>, into: &mut String) -> io::Result<usize> {
    let text = text_of(std::mem::take(bytes));
    into.push_str(text.as_deref().unwrap_or(""));
    outcome.and(text).map(|text| text.len())
}

fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("what was read is no text: {}", error.utf8_error())))
}

/// Future of [`AsyncWriteExt::write`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, W: ?Sized> {
    writer: &'a mut W,
    /// What to write.
    buf: &'a [u8],
    /// The user's line.
    at: Caller,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, buf, at: here } = self.get_mut();
        let count = ready!(at(here, Pin::new(&mut **writer).poll_write(cx, buf)))?;
        Poll::Ready(Ok(taken(count, buf.len())))
    }
}

/// Future of [`AsyncWriteExt::write_all`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a, W: ?Sized> {
    writer: &'a mut W,
    /// What is left to write.
    left: &'a [u8],
    /// The user's line.
    at: Caller,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, left, at: here } = self.get_mut();
        while !left.is_empty() {
            match ready!(at(here, Pin::new(&mut **writer).poll_write(cx, left)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *left = &left[taken(count, left.len())..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`AsyncWriteExt::flush`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a mut W,
    /// The user's line.
    at: Caller,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, at: here } = self.get_mut();
        at(here, Pin::new(&mut **writer).poll_flush(cx))
    }
}

/// Future of [`AsyncWriteExt::close`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Close<'a, W: ?Sized> {
    writer: &'a mut W,
    /// The user's line.
    at: Caller,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Close<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, at: here } = self.get_mut();
        at(here, Pin::new(&mut **writer).poll_close(cx))
    }
}

/// Appends up to and with the next `end`; ready with true if it was found, with false at the end of the stream.
fn poll_until<R: AsyncBufRead + Unpin + ?Sized>(
    reader: &mut R,
    cx: &mut Context<'_>,
    end: u8,
    into: &mut Vec<u8>,
) -> Poll<io::Result<bool>> {
    loop {
        ready!(budget::poll_proceed(cx));
        let Poll::Ready(there) = Pin::new(&mut *reader).poll_fill_buf(cx)? else {
            budget::refund();
            return Poll::Pending;
        };
        let found = there.iter().position(|&byte| byte == end);
        let count = found.map_or(there.len(), |place| place + 1);
        into.extend_from_slice(&there[..count]);
        Pin::new(&mut *reader).consume(count);
        if found.is_some() || count == 0 {
            return Poll::Ready(Ok(found.is_some()));
        }
    }
}

/// Future of [`AsyncBufReadExt::read_until`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    /// The last byte to read.
    end: u8,
    /// Where to append it.
    into: &'a mut Vec<u8>,
    /// How much it was in earlier polls.
    count: usize,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, end, into, count, at: here } = self.get_mut();
        let before = into.len();
        let polled = poll_until(&mut **reader, cx, *end, into);
        *count += into.len() - before;
        ready!(at(here, polled))?;
        Poll::Ready(Ok(*count))
    }
}

/// Future of [`AsyncBufReadExt::read_line`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLine<'a, R: ?Sized> {
    reader: &'a mut R,
    /// What was read so far.
    read: Vec<u8>,
    /// Where to append it, when it is known to be text.
    into: &'a mut String,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, read, into, at: here } = self.get_mut();
        let outcome = ready!(at(here, poll_until(&mut **reader, cx, b'\n', read)));
        Poll::Ready(append_text(outcome.map(drop), read, into))
    }
}

/// Lines of text, one after the other, without their ends (`\n` or `\r\n`). Made by [`AsyncBufReadExt::lines`].
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut here, there) = mainspring::io::duplex(64);
/// here.write_all(b"one\r\ntwo").await?;
/// drop(here);
/// let mut lines = BufReader::new(there).lines();
/// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
/// assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
/// assert_eq!(lines.next_line().await?, None);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    /// The beginning of a line whose end was not there yet.
    part: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The next line; none at the end of the stream. Of a line that is no text nothing is left but the error.
    ///
    /// # Cancellation
    /// **Strict.** The part of a line that was read is kept for the next call.
    ///
    /// # Errors
    /// `InvalidData` for a line that is not UTF-8; otherwise as the reader says.
    #[track_caller]
    pub fn next_line(&mut self) -> NextLine<'_, R> {
        NextLine { lines: self, at: Location::caller() }
    }

    /// What the lines are read from.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The same, to change it.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Gives it back; the part of a line that was read is dropped.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

/// Future of [`Lines::next_line`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct NextLine<'a, R> {
    lines: &'a mut Lines<R>,
    /// The user's line.
    at: Caller,
}

impl<R: AsyncBufRead + Unpin> Future for NextLine<'_, R> {
    type Output = io::Result<Option<String>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lines: Lines { reader, part }, at: here } = self.get_mut();
        let ended = ready!(at(here, poll_until(reader, cx, b'\n', part)))?;
        if !ended && part.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut line = std::mem::take(part);
        if ended {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        Poll::Ready(text_of(line).map(Some))
    }
}
