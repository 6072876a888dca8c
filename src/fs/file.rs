//! An open file.

use super::inline;
use crate::base::sys;
use super::line::{Line, Place, Turn};
use super::options::OpenOptions;
use super::polls::Polled;
use super::ops::{Act, Read, ReadExact, ReadToEnd, ReadVectored, Where, Write, WriteAll, WriteVectored};
use super::job::Operation;
use crate::io::{HasFile, Stored};
use std::fs::{Metadata, Permissions};
use std::io::{self, IoSlice, IoSliceMut, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// An open file. All operations take `&self`.
///
/// **The cursor** is the kernel's, one for the descriptor. Operations at it take turns, in the order in which they were first
/// polled: each finds the cursor where the one before has left it, and two `write_all` never mix. A future that
/// has its turn and is not polled any more holds up the others, like a guard of a lock that is kept; dropping it lets
/// them go on. [`read_at`](Self::read_at) and [`write_at`](Self::write_at) have no cursor, wait for nobody, and may run at once.
///
/// **Nothing is buffered.** A write is with the kernel when its future is ready, so dropping a file loses nothing, and there is
/// no `flush`. What is with the kernel survives this process, but a power failure only after [`sync_all`](Self::sync_all).
/// Small writes cost a job each: collect them. A write that was given up after it had begun goes on by itself; if it
/// fails, the next write or sync of this file says so.
///
/// **Dropping it** closes the descriptor, on this thread or on that of the last job. On a file of this machine that takes a
/// microsecond; a network file system may take its time, so close a file there in [`batch`](super::batch).
///
/// Each file keeps the buffer of its last job, 256 KiB at most.
///
/// It is also [`AsyncRead`](crate::io::AsyncRead), [`AsyncWrite`](crate::io::AsyncWrite) and [`AsyncSeek`](crate::io::AsyncSeek), for
/// code that is written against these: a library's, or [`BufReader`](crate::io::BufReader) and [`BufWriter`](crate::io::BufWriter). There,
/// too, a write that is ready is with the kernel, and `flush` and `close` say whether one that was given up has failed.
///
/// # Examples
/// ```
/// use mainspring::fs::File;
/// use std::io::SeekFrom;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let path = std::env::temp_dir().join(format!("mainspring-doc-file-{}", std::process::id()));
/// let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await?;
/// file.write_all(b"hello, file").await?;
/// file.seek(SeekFrom::Start(7)).await?;
/// let mut word = [0; 4];
/// file.read_exact(&mut word).await?;
/// assert_eq!(&word, b"file");
/// # mainspring::fs::remove_file(&path).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct File {
    /// Shared with its jobs.
    inner: Arc<Inner>,
    /// What the polls of the traits have under way; made when one has to wait.
    polled: Option<Box<Polled>>,
}

/// What a file shares with its jobs.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) std: std::fs::File,
    /// Reading may be tried on the caller's thread.
    pub(super) inline: bool,
    /// It was opened without waiting, so `O_NONBLOCK` is on, which means nothing to a regular file; whoever gets it from us
    /// as std's finds it off. (To take it off at every open was one of ten calls.)
    nonblocking: bool,
    /// How long a file was that was looked at before it was opened from memory.
    pub(super) seen_len: Option<u64>,
    /// Shared with the clones, since they share the cursor.
    pub(super) line: Arc<Line>,
}

impl Stored for Inner {
    fn std(&self) -> &std::fs::File {
        &self.std
    }

    fn is_tried(&self) -> bool {
        self.inline && inline::may_try()
    }
}

impl HasFile for File {
    fn stored(&self) -> Arc<dyn Stored> {
        self.inner.clone()
    }
}

/// Where a file comes from, and how it goes.
impl File {
    pub(super) fn of(std: std::fs::File, inline: bool) -> Self {
        Self::with(Inner { std, inline, nonblocking: false, seen_len: None, line: Line::new() })
    }

    /// One that was opened from memory, and had this length when it was looked at before.
    pub(super) fn of_cached(std: std::fs::File, len: u64) -> Self {
        Self::with(Inner { std, inline: true, nonblocking: true, seen_len: Some(len), line: Line::new() })
    }

    fn with(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), polled: None }
    }

    /// The file, and what the polls of the traits have under way.
    pub(super) fn parts(&mut self) -> (&Arc<Inner>, &mut Option<Box<Polled>>) {
        (&self.inner, &mut self.polled)
    }

    /// Opens a file for reading.
    ///
    /// # Cancellation
    /// **Detached.** If a job opens the file, it is closed again.
    ///
    /// # Errors
    /// As [`std::fs::File::open`].
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Operation<Self> {
        Self::options().read(true).open(path)
    }

    /// Opens a file for writing, makes it if it is not there, and empties it if it is.
    ///
    /// # Cancellation
    /// **Detached.** A file that was made stays.
    ///
    /// # Errors
    /// As [`std::fs::File::create`].
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Operation<Self> {
        Self::options().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file that must not be there yet, and opens it for reading and writing.
    ///
    /// # Cancellation
    /// **Detached.** A file that was made stays.
    ///
    /// # Errors
    /// As [`std::fs::File::create_new`].
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> Operation<Self> {
        Self::options().read(true).write(true).create_new(true).open(path)
    }

    /// Options for opening a file in another way.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file from std, with its cursor where it is.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let file = mainspring::fs::File::from_std(std::fs::File::open("/dev/zero")?);
    /// assert_eq!(file.read(&mut [1; 8]).await?, 8);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn from_std(file: std::fs::File) -> Self {
        let inline = inline::learn(&file);
        Self::of(file, inline)
    }

    /// Gives std's file, once the operations under way at the cursor are over. The cursor is where they have left it.
    ///
    /// # Cancellation
    /// **Lossy.** The file is closed.
    ///
    /// # Errors
    /// That of an earlier write which nobody waited for; the file is closed then. And if there are no descriptors left, in
    /// the case that a job given up, or a future of `read_at`, still uses the file.
    #[track_caller]
    pub fn into_std(self) -> impl Future<Output = io::Result<std::fs::File>> + Send {
        let at = Location::caller();
        async move {
            self.inner.settle(&TakeTurn(Place::new(&self.inner.line, at)).await);
            self.inner.line.tell_missed()?;
            if self.inner.nonblocking {
                sys::make_blocking(&self.inner.std)?;
            }
            Arc::try_unwrap(self.inner).map_or_else(|shared| shared.std.try_clone(), |inner| Ok(inner.std))
        }
    }

    /// Another file with the same cursor, which takes turns with this one.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let Inner { std, inline, nonblocking, seen_len, line } = &*self.inner;
        let (std, line) = (std.try_clone()?, line.clone());
        Ok(Self::with(Inner { std, inline: *inline, nonblocking: *nonblocking, seen_len: *seen_len, line }))
    }

    /// The descriptor, for a system call that is not here. `None` for a file that has none, as a simulated one will.
    /// `O_NONBLOCK` may be on, which means nothing to a regular file; after [`into_std`](Self::into_std) it is off.
    #[must_use]
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inner.std.as_fd())
    }
}

/// Reading and writing.
impl File {
    /// Reads what there is, 256 KiB at most, into the buffer; 0 is the end of the file.
    ///
    /// # Cancellation
    /// **Strict**, but on a pipe or a terminal: see [`Read`].
    ///
    /// # Errors
    /// As [`std::io::Read::read`], but it is never interrupted.
    #[track_caller]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
        Read::new(&self.inner, buf, None, Location::caller())
    }

    /// Reads into several buffers, the first one first.
    ///
    /// # Cancellation
    /// **Strict**, but on a pipe or a terminal: see [`Read`].
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[track_caller]
    pub fn read_vectored<'a, 'b>(&'a self, bufs: &'a mut [IoSliceMut<'b>]) -> ReadVectored<'a, 'b> {
        ReadVectored::new(&self.inner, bufs, Location::caller())
    }

    /// Fills the buffer, and gives its length.
    ///
    /// # Cancellation
    /// **Lossy**: see [`ReadExact`].
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before.
    #[track_caller]
    pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
        ReadExact::new(&self.inner, buf, Location::caller())
    }

    /// Reads from the cursor to the end of the file, behind what is in the vector, and says how much it was.
    ///
    /// # Cancellation
    /// **Lossy**: see [`ReadToEnd`].
    ///
    /// # Errors
    /// As [`read`](Self::read); what the job has read before the error is lost.
    #[track_caller]
    pub fn read_to_end<'a>(&'a self, to: &'a mut Vec<u8>) -> ReadToEnd<'a> {
        ReadToEnd::new(&self.inner, to, Location::caller())
    }

    /// Reads from a place in the file, without the cursor.
    ///
    /// # Cancellation
    /// **Strict.**
    ///
    /// # Errors
    /// As [`std::os::unix::fs::FileExt::read_at`].
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("mainspring-doc-read-at-{}", std::process::id()));
    /// mainspring::fs::write(&path, "0123456789").await?;
    /// let file = mainspring::fs::File::open(&path).await?;
    /// let mut buf = [0; 8];
    /// assert_eq!(file.read_at(&mut buf, 7).await?, 3);
    /// assert_eq!(&buf[..3], b"789");
    /// assert_eq!(file.stream_position().await?, 0);
    /// # mainspring::fs::remove_file(&path).await
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn read_at<'a>(&'a self, buf: &'a mut [u8], offset: u64) -> Read<'a> {
        Read::new(&self.inner, buf, Some(offset), Location::caller())
    }

    /// Writes some of the buffer, 256 KiB at most, and says how much.
    ///
    /// # Cancellation
    /// **Detached**: see [`Write`].
    ///
    /// # Errors
    /// As [`std::io::Write::write`], but it is never interrupted; or that of an earlier write which nobody waited for.
    #[track_caller]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
        Write::new(&self.inner, buf, None, Location::caller())
    }

    /// Writes several buffers, the first one first, 256 KiB at most, and says how much.
    ///
    /// # Cancellation
    /// **Detached**: see [`Write`].
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[track_caller]
    pub fn write_vectored<'a, 'b>(&'a self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b> {
        WriteVectored::new(&self.inner, bufs, Location::caller())
    }

    /// Writes the whole buffer, with nothing of anybody else in between.
    ///
    /// # Cancellation
    /// **Detached**: see [`WriteAll`].
    ///
    /// # Errors
    /// As [`write`](Self::write); nobody says how much was written before.
    #[track_caller]
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
        WriteAll::new(&self.inner, buf, None, Location::caller())
    }

    /// Writes some of the buffer to a place in the file, without the cursor.
    ///
    /// # Cancellation
    /// **Detached**: see [`Write`].
    ///
    /// # Errors
    /// As [`std::os::unix::fs::FileExt::write_at`].
    #[track_caller]
    pub fn write_at<'a>(&'a self, buf: &'a [u8], offset: u64) -> Write<'a> {
        Write::new(&self.inner, buf, Some(offset), Location::caller())
    }

    /// Writes the whole buffer to a place in the file, without the cursor.
    ///
    /// # Cancellation
    /// **Detached**: see [`WriteAll`].
    ///
    /// # Errors
    /// As [`std::os::unix::fs::FileExt::write_all_at`].
    #[track_caller]
    pub fn write_all_at<'a>(&'a self, buf: &'a [u8], offset: u64) -> WriteAll<'a> {
        WriteAll::new(&self.inner, buf, Some(offset), Location::caller())
    }
}

/// The file as a whole. These take their turn at the cursor.
impl File {
    /// Moves the cursor, and says where it is now.
    ///
    /// # Cancellation
    /// **Detached**: see [`Act`].
    ///
    /// # Errors
    /// As [`std::io::Seek::seek`].
    #[track_caller]
    pub fn seek(&self, to: SeekFrom) -> Act<'_, u64> {
        Act::new(&self.inner, Location::caller(), Where::Here, move |file| (&file.std).seek(to))
    }

    /// Where the cursor is.
    ///
    /// # Cancellation
    /// **Strict.**
    ///
    /// # Errors
    /// As [`std::io::Seek::stream_position`].
    #[track_caller]
    pub fn stream_position(&self) -> Act<'_, u64> {
        Act::new(&self.inner, Location::caller(), Where::Here, |file| (&file.std).stream_position())
    }

    /// Cuts the file, or lengthens it with zeroes. The cursor stays.
    ///
    /// # Cancellation
    /// **Detached**: see [`Act`].
    ///
    /// # Errors
    /// As [`std::fs::File::set_len`].
    #[track_caller]
    pub fn set_len(&self, len: u64) -> Act<'_, ()> {
        Act::new(&self.inner, Location::caller(), Where::Pool, move |file| file.std.set_len(len))
    }

    /// Waits until everything written is on the disk, with the file's metadata.
    ///
    /// # Cancellation
    /// **Detached**: see [`Act`].
    ///
    /// # Errors
    /// As [`std::fs::File::sync_all`]; or that of an earlier write which nobody waited for. The system tells of a disk's error
    /// once: do not try again and believe the second answer.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("mainspring-doc-sync-{}", std::process::id()));
    /// let file = mainspring::fs::File::create(&path).await?;
    /// file.write_all(b"kept").await?;
    /// file.sync_all().await?;
    /// assert_eq!(file.metadata().await?.len(), 4);
    /// # mainspring::fs::remove_file(&path).await
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn sync_all(&self) -> Act<'_, ()> {
        Act::new(&self.inner, Location::caller(), Where::Sync, |file| {
            file.std.sync_all().unwrap_or_else(|error| file.line.miss(error));
            Ok(())
        })
    }

    /// As [`sync_all`](Self::sync_all), but without metadata that reading it does not need.
    ///
    /// # Cancellation
    /// **Detached**: see [`Act`].
    ///
    /// # Errors
    /// As [`sync_all`](Self::sync_all).
    #[track_caller]
    pub fn sync_data(&self) -> Act<'_, ()> {
        Act::new(&self.inner, Location::caller(), Where::Sync, |file| {
            file.std.sync_data().unwrap_or_else(|error| file.line.miss(error));
            Ok(())
        })
    }

    /// What the system knows of the file.
    ///
    /// # Cancellation
    /// **Strict.**
    ///
    /// # Errors
    /// As [`std::fs::File::metadata`].
    #[track_caller]
    pub fn metadata(&self) -> Act<'_, Metadata> {
        Act::new(&self.inner, Location::caller(), Where::Here, |file| file.std.metadata())
    }

    /// Changes who may do what with the file.
    ///
    /// # Cancellation
    /// **Detached**: see [`Act`].
    ///
    /// # Errors
    /// As [`std::fs::File::set_permissions`].
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> Act<'_, ()> {
        Act::new(&self.inner, Location::caller(), Where::Pool, move |file| file.std.set_permissions(permissions))
    }
}

/// The turn as a future.
struct TakeTurn<'a>(Place<'a>);

impl Future for TakeTurn<'_> {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        Poll::Ready(ready!(self.0.poll(cx)))
    }
}
