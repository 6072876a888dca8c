//! What is done to a file or a folder by its path.
//!
//! Each is one job of the pool, and std's function of the same name in it, so errors are std's, too. `read` and
//! `read_to_string` are tried on the caller's thread first.

use super::inline::{self, Whole};
use super::job::Operation;
use crate::base::sys;
use crate::io::uninterrupted;
use crate::task::budget::{self, BYTES_PER_POLL};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _};
use std::mem;
use std::os::fd::AsFd as _;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Reads a whole file. It is read from memory on this thread as far as it is there, 256 KiB a poll, and the rest in one job.
///
/// # Cancellation
/// **Strict.** Nothing has changed; but if it is a pipe, it may have been opened and is closed then, which its writer notices.
///
/// # Errors
/// As [`std::fs::read`].
///
/// # Examples
/// ```
/// use mainspring::fs;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let path = std::env::temp_dir().join(format!("mainspring-doc-read-{}", std::process::id()));
/// fs::write(&path, vec![7; 100]).await?;
/// assert_eq!(fs::read(&path).await?, [7; 100]);
/// # fs::remove_file(&path).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> ReadFile {
    ReadFile { stage: Stage::New(path.as_ref().to_owned()), at: Location::caller() }
}

/// Reads a whole file of text.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::read_to_string`]: `InvalidData` if it is not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> ReadToString {
    ReadToString(read(path))
}

/// Writes a whole file, which is made if it is not there and emptied if it is. A `Vec` or a `String` goes to the job as it
/// is; a slice is copied first, since the job may outlive this future.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::write`].
#[track_caller]
pub fn write(path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Operation<()> {
    let contents = contents.into();
    on_path(path, move |path| fs::write(path, contents))
}

/// Copies a file with its permissions, and says how many bytes that were. The system copies by itself where it can.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::copy`].
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<u64> {
    on_paths(from, to, |from, to| fs::copy(from, to))
}

/// Gives a file or folder another name; what has that name already is replaced.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::rename`].
#[track_caller]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Operation<()> {
    on_paths(from, to, |from, to| fs::rename(from, to))
}

/// Removes a file.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::remove_file`].
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> Operation<()> {
    on_path(path, |path| fs::remove_file(path))
}

/// Removes an empty folder.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::remove_dir`].
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> Operation<()> {
    on_path(path, |path| fs::remove_dir(path))
}

/// Removes a folder with all that is in it. It follows no symbolic link.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::remove_dir_all`].
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on_path(path, |path| fs::remove_dir_all(path))
}

/// Makes a folder.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::create_dir`].
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> Operation<()> {
    on_path(path, |path| fs::create_dir(path))
}

/// Makes a folder, and those on the way to it that are not there.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::create_dir_all`].
///
/// # Examples
/// ```
/// use mainspring::fs;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let root = std::env::temp_dir().join(format!("mainspring-doc-dirs-{}", std::process::id()));
/// fs::create_dir_all(root.join("a/b")).await?;
/// assert!(fs::metadata(root.join("a/b")).await?.is_dir());
/// fs::remove_dir_all(&root).await?;
/// assert!(!fs::try_exists(&root).await?);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> Operation<()> {
    on_path(path, |path| fs::create_dir_all(path))
}

/// What the system knows of what a path leads to.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::metadata`].
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on_path(path, |path| fs::metadata(path))
}

/// What the system knows of a path itself, which may be a symbolic link.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::symlink_metadata`].
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Operation<Metadata> {
    on_path(path, |path| fs::symlink_metadata(path))
}

/// Makes a symbolic link at `link`, which says `original`, whether or not that is there.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::os::unix::fs::symlink`].
#[track_caller]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    on_paths(original, link, |original, link| std::os::unix::fs::symlink(original, link))
}

/// Gives a file a second name.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::hard_link`].
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Operation<()> {
    on_paths(original, link, |original, link| fs::hard_link(original, link))
}

/// What a symbolic link says.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::read_link`].
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on_path(path, |path| fs::read_link(path))
}

/// The whole path without symbolic links, `.` and `..`.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::canonicalize`].
#[track_caller]
pub fn canonicalize(path: impl AsRef<Path>) -> Operation<PathBuf> {
    on_path(path, |path| fs::canonicalize(path))
}

/// Changes who may do what with a file.
///
/// # Cancellation
/// **Detached.**
///
/// # Errors
/// As [`std::fs::set_permissions`].
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Operation<()> {
    on_path(path, move |path| fs::set_permissions(path, permissions))
}

/// Is there anything at the end of this path?
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::exists`]: if nobody can say.
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> Operation<bool> {
    on_path(path, |path| fs::exists(path))
}

/// Does many small things with files in one job, with std's functions.
///
/// A job costs two changes of threads, more than many an operation on a file itself does. This is
/// [`spawn_blocking`](crate::task::spawn_blocking), but for three things: the error is the closure's own `io::Error`, a panic
/// goes on here, and a job that has not begun goes away with this future.
///
/// # Cancellation
/// **Detached.** A closure that has begun runs to its end.
///
/// # Errors
/// Those of the closure.
///
/// # Examples
/// ```
/// use mainspring::fs;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let root = std::env::temp_dir().join(format!("mainspring-doc-batch-{}", std::process::id()));
/// let folder = root.clone();
/// let made = fs::batch(move || {
///     std::fs::create_dir(&folder)?;
///     for n in 0..100 {
///         std::fs::write(folder.join(n.to_string()), "x")?;
///     }
///     std::fs::read_dir(&folder).map(Iterator::count)
/// });
/// assert_eq!(made.await?, 100);
/// # fs::remove_dir_all(root).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn batch<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Operation<T> {
    Operation::new(Location::caller(), work)
}

#[track_caller]
fn on_path<T: Send + 'static>(
    path: impl AsRef<Path>,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let path = path.as_ref().to_owned();
    Operation::new(Location::caller(), move || work(&path))
}

#[track_caller]
fn on_paths<T: Send + 'static>(
    one: impl AsRef<Path>,
    other: impl AsRef<Path>,
    work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> Operation<T> {
    let (one, other) = (one.as_ref().to_owned(), other.as_ref().to_owned());
    Operation::new(Location::caller(), move || work(&one, &other))
}

/// Future of [`read`].
///
/// # Cancellation
/// **Strict.** Nothing has changed.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadFile {
    stage: Stage,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    New(PathBuf),
    /// From memory, into this buffer.
    Reading(Found, Vec<u8>),
    /// The rest, or the whole.
    Pool(Operation<Vec<u8>>),
    Over,
}

/// A file that is read from memory.
#[derive(Debug)]
struct Found {
    file: File,
    /// How long it was when it was looked at.
    len: u64,
    /// It was looked at while it was open, so this is no other's length.
    is_its_own: bool,
}

impl Found {
    /// The last read of `count` bytes has stopped, with room for more, behind as many as were seen. Is this all?
    fn is_whole(&self, count: usize) -> bool {
        self.is_its_own || inline::is_whole(&self.file, self.len, count)
    }
}

impl Future for ReadFile {
    type Output = io::Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut copied = 0;
        loop {
            if let Stage::Pool(operation) = &mut self.stage {
                return Pin::new(operation).poll(cx);
            }
            ready!(budget::poll_proceed(cx));
            if copied >= BYTES_PER_POLL {
                cx.waker().wake_by_ref(); // an executor of somebody else's has no budget
                return Poll::Pending;
            }
            match mem::replace(&mut self.stage, Stage::Over) {
                Stage::New(path) => self.stage = begin(path, self.at)?,
                Stage::Reading(found, mut buf) => match inline::append(&found.file, &mut buf) {
                    Some(0) => return Poll::Ready(Ok(buf)),
                    Some(count) => {
                        copied += count;
                        budget::charge_bytes(count);
                        // Seen here, it takes one read less, and for most files no call at all.
                        if buf.len() < buf.capacity() && buf.len() as u64 == found.len && found.is_whole(count) {
                            return Poll::Ready(Ok(buf));
                        }
                        // The file has grown since its length was seen.
                        if buf.len() == buf.capacity() {
                            buf.try_reserve(buf.len().max(32))?;
                        }
                        self.stage = Stage::Reading(found, buf);
                    }
                    None => self.stage = Stage::Pool(Operation::new(self.at, move || go_on(&found.file, buf))),
                },
                Stage::Pool(_) | Stage::Over => panic!("a file operation was polled after it was ready"),
            }
        }
    }
}

/// Opens the file from memory, or leaves all of it to the pool.
fn begin(path: PathBuf, at: &'static Location<'static>) -> io::Result<Stage> {
    let found = match inline::open_whole(&path) {
        Some(Whole::Looked(file, len)) => Found { file, len, is_its_own: false },
        Some(Whole::Open(file, len)) => Found { file, len, is_its_own: true },
        Some(Whole::Pipe(pipe)) => return Ok(Stage::Pool(Operation::new(at, move || go_on_with_pipe(&pipe)))),
        None => {
            return Ok(Stage::Pool(Operation::new(at, move || {
                let file = File::open(path)?;
                inline::learn(&file);
                go_on(&file, Vec::new())
            })));
        }
    };
    let mut buf = Vec::new();
    // One more, so that the end is seen without growing.
    buf.try_reserve_exact(usize::try_from(found.len).unwrap_or(usize::MAX).saturating_add(1))?;
    Ok(Stage::Reading(found, buf))
}

/// A pipe that was opened without waiting for its other end: until that has come there is nothing to read, and no end either.
fn go_on_with_pipe(pipe: &File) -> io::Result<Vec<u8>> {
    sys::make_blocking(pipe)?;
    uninterrupted(|| sys::await_bytes(pipe.as_fd()))?;
    go_on(pipe, Vec::new())
}

/// All that is left, by the pool. std looks at the file's length itself.
fn go_on(mut file: &File, mut buf: Vec<u8>) -> io::Result<Vec<u8>> {
    file.read_to_end(&mut buf)?;
    Ok(buf)
}

/// Future of [`read_to_string`].
///
/// # Cancellation
/// **Strict.** Nothing has changed.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToString(ReadFile);

impl Future for ReadToString {
    type Output = io::Result<String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let bytes = ready!(Pin::new(&mut self.0).poll(cx))?;
        let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
        Poll::Ready(String::from_utf8(bytes).map_err(no_text))
    }
}
