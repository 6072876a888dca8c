//! From a file to a socket, by the kernel alone where it can.
//!
//! `sendfile(2)` moves pages from the cache to the socket, and copies nothing. But it waits for the disk when a page is not there, and
//! no flag forbids that. So it is asked only for pieces that are in memory; the others are read as files are read here, and sent:
//!
//! ```text
//!   is all of the next piece in memory (cachestat, 6.5) ── yes ──> sendfile
//!       │ no, or nobody may know
//!       ├── preadv2(RWF_NOWAIT) has some ──> send
//!       └── a job of the pool reads it ────> send
//! ```
//!
//! What is left: the cache also counts a page that is on its way from the disk. A byte of each [`STRIDE`] is read to see that it has
//! come, which finds pages that are read ahead; a single one that comes later than those behind it is waited for.
//!
//! Kernels of 6.14 and later tell about the cache only to a file's owner and to whoever may write to it. For others the bytes are copied.

#![allow(private_bounds, reason = "which files and streams there are is for this crate to say")]

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::ops::{Bound, RangeBounds};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Job, uninterrupted};
use super::stream::{Writes, Writing};
use crate::base::sys;
use crate::task::budget::{self, BYTES_PER_POLL};

/// From one look for a page to the next: what the kernel reads from a disk at once is seldom less.
const STRIDE: u64 = 64 << 10;

/// A file that a job can keep open.
pub(crate) trait Stored: Send + Sync {
    fn std(&self) -> &File;
    /// May it be read on the caller's thread?
    fn is_tried(&self) -> bool;
}

/// What has such a file.
pub(crate) trait HasFile {
    fn stored(&self) -> Arc<dyn Stored>;
}

/// Sends a part of a file, or all of it (`..`), to a socket, and says how many bytes it was: fewer than asked for if the file ends
/// before.
///
/// For servers of files: the bytes go from the system's cache to the socket without passing through this process, where both allow it.
/// The file's cursor is neither used nor moved.
///
/// # Cancellation
/// **Lossy.** A part may have been sent, and nobody says how much.
///
/// # Errors
/// What reading the file or writing to the stream gives, as [`read_at`](crate::fs::File::read_at) and
/// [`write_all`](crate::net::TcpStream::write_all) do. Where the peer is gone the system raises SIGPIPE as well, which Rust programs
/// ignore from their start; one that has restored the default dies of it.
///
/// # Panics
/// The future panics if it has to wait and there is no runtime.
///
/// # Examples
/// ```
/// use mainspring::{fs, io, net::{TcpListener, TcpStream}};
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let path = std::env::temp_dir().join(format!("mainspring-doc-send-{}", std::process::id()));
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let server = TcpStream::connect(listener.local_addr()?).await?;
/// # let (client, _) = listener.accept().await?;
/// fs::write(&path, "a page of a book").await?;
/// let file = fs::File::open(&path).await?;
/// assert_eq!(io::send_file(&file, 2..6, &server).await?, 4);
/// let mut buf = [0; 4];
/// client.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"page");
/// # fs::remove_file(&path).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn send_file<'a, W: Writes>(
    file: &impl HasFile,
    range: impl RangeBounds<u64>,
    to: &'a W,
) -> SendFile<'a, W> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    let (file, at) = (file.stored(), Location::caller());
    let source = Source { file, at, next: start, end: end.max(start), copies: false, spare: Vec::new(), job: None };
    SendFile { waiter: Writing::new(to, at), source, piece: Piece::Unknown, start }
}

/// Future of [`send_file`].
///
/// # Cancellation
/// **Lossy.** A part may have been sent, and nobody says how much.
#[must_use = "futures do nothing unless awaited"]
pub struct SendFile<'a, W: Writes> {
    /// The place in line for room, for one piece after the other.
    waiter: Writing<'a, W>,
    source: Source,
    /// What is to be sent next.
    piece: Piece,
    /// Where in the file it began.
    start: u64,
}

/// The next bytes to be sent.
enum Piece {
    /// Nobody has looked where they are.
    Unknown,
    /// In the system's memory, up to here.
    Cached(u64),
    /// In ours; and how many of them are sent.
    Copied(Vec<u8>, usize),
}

/// Where the bytes come from.
struct Source {
    file: Arc<dyn Stored>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
    /// The next byte to send.
    next: u64,
    /// The byte behind the last, as far as is known.
    end: u64,
    /// The kernel does not send this file to this socket by itself.
    copies: bool,
    /// The buffer of the last piece.
    spare: Vec<u8>,
    /// Reads the next piece.
    job: Option<Job<io::Result<Vec<u8>>>>,
}

impl<W: Writes> Future for SendFile<'_, W> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while this.source.next < this.source.end {
            this.source.copies |= this.waiter.stream().sink().is_none();
            match this.piece {
                Piece::Unknown => this.piece = ready!(this.source.poll_piece(cx))?,
                Piece::Cached(until) => ready!(this.poll_cached(cx, until))?,
                Piece::Copied(..) => ready!(this.poll_copied(cx))?,
            }
        }
        Poll::Ready(Ok(this.source.next - this.start))
    }
}

impl<W: Writes> SendFile<'_, W> {
    fn poll_cached(&mut self, cx: &mut Context<'_>, until: u64) -> Poll<io::Result<()>> {
        let Self { waiter, source, piece, .. } = self;
        let (file, next) = (source.file.std(), source.next);
        let count = usize::try_from(until - next).expect("a piece is small");
        let sent = ready!(waiter.poll(cx, |stream, _| {
            let to = stream.sink().expect("it had one just now");
            sys::send_file(to, file.as_fd(), next, count)
        }));
        match sent {
            // The file is shorter than it was.
            Ok(0) => source.end = next,
            Ok(count) => {
                budget::charge_bytes(count);
                source.next += count as u64;
                if source.next == until {
                    *piece = Piece::Unknown;
                }
            }
            Err(error) if sys::is_no_way_to_send(&error) => {
                source.copies = true;
                *piece = Piece::Unknown;
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_copied(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { waiter, source, piece, .. } = self;
        let Piece::Copied(bytes, sent) = piece else { unreachable!("the caller has looked") };
        let count = ready!(waiter.poll(cx, |stream, seen| stream.send(&bytes[*sent..], seen)))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *sent += count;
        source.next += count as u64;
        if *sent == bytes.len() {
            source.spare = std::mem::take(bytes);
            *piece = Piece::Unknown;
        }
        Poll::Ready(Ok(()))
    }
}

impl Source {
    /// Finds the next bytes; at the end of the file there are none.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        if self.job.is_none() {
            let wanted = (self.end - self.next).min(BYTES_PER_POLL as u64);
            if !self.copies && self.file.is_tried() && self.is_in_memory(wanted) {
                return Poll::Ready(Ok(Piece::Cached(self.next + wanted)));
            }
            let mut buf = std::mem::take(&mut self.spare);
            let wanted = usize::try_from(wanted).expect("it is at most 256 KiB");
            if let Some(count) = self.read_from_memory(&mut buf, wanted) {
                buf.truncate(count);
                budget::charge_bytes(count);
                return Poll::Ready(Ok(Piece::Copied(buf, 0)));
            }
            let (file, next) = (self.file.clone(), self.next);
            self.job = Some(Job::start(self.at, move || {
                buf.resize(wanted, 0);
                let count = uninterrupted(|| file.std().read_at(&mut buf, next))?;
                buf.truncate(count);
                Ok(buf)
            }));
        }
        let job = self.job.as_mut().expect("started just now, or before");
        let read = ready!(job.poll(cx));
        self.job = None;
        let bytes = read??;
        if bytes.is_empty() {
            self.end = self.next;
        }
        budget::charge_bytes(bytes.len());
        Poll::Ready(Ok(Piece::Copied(bytes, 0)))
    }

    /// Would sending this many bytes wait for no disk? See the chapter for how sure that is.
    fn is_in_memory(&self, count: u64) -> bool {
        let file = self.file.std().as_fd();
        let has_come = |at| matches!(sys::read_cached(file, &mut [IoSliceMut::new(&mut [0])], Some(at)), Ok(1));
        let (first, last) = (self.next, self.next + count - 1);
        sys::is_in_memory(file, first, count).unwrap_or(false)
            && (first..last).step_by(STRIDE as usize).skip(1).map(|next| next - 1).chain([last]).all(has_come)
    }

    fn read_from_memory(&self, buf: &mut Vec<u8>, wanted: usize) -> Option<usize> {
        if !self.file.is_tried() {
            return None;
        }
        buf.resize(wanted, 0);
        let read = sys::read_cached(self.file.std().as_fd(), &mut [IoSliceMut::new(buf)], Some(self.next));
        // The end of the file is for the pool to find: some kernels say "nothing" where they mean "not now".
        read.ok().filter(|&count| count > 0)
    }
}

impl<W: Writes> fmt::Debug for SendFile<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { next, end, copies, .. } = &self.source;
        f.debug_struct("SendFile").field("next", next).field("end", end).field("copies", copies).finish_non_exhaustive()
    }
}
