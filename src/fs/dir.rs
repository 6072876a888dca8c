//! What is in a folder.
//!
//! Entries come in batches, one job each: the system gives them in batches, too, and a hop for each would cost ten times
//! the entry. A batch under way belongs to the `ReadDir`, not to the future that waits for it, so none is lost.

use super::job::Operation;
use crate::io::Job;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So many entries a job. With 64 the hop costs less than the entries; more would only hold memory.
const BATCH: usize = 64;

type Entries = VecDeque<io::Result<DirEntry>>;

/// Looks into a folder. The entries come in no order, without `.` and `..`.
///
/// # Cancellation
/// **Strict.** Nothing has changed.
///
/// # Errors
/// As [`std::fs::read_dir`].
///
/// # Examples
/// ```
/// use mainspring::fs;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let root = std::env::temp_dir().join(format!("mainspring-doc-dir-{}", std::process::id()));
/// # fs::create_dir(&root).await?;
/// fs::write(root.join("a"), "").await?;
/// let mut folder = fs::read_dir(&root).await?;
/// let mut names = Vec::new();
/// while let Some(entry) = folder.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert_eq!(names, ["a"]);
/// # fs::remove_dir_all(root).await
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> Operation<ReadDir> {
    let path = path.as_ref().to_owned();
    Operation::new(Location::caller(), move || {
        let mut rest = fs::read_dir(path)?;
        let (entries, more) = next_batch(&mut rest);
        Ok(ReadDir { entries, source: if more { Source::Idle(rest) } else { Source::Empty } })
    })
}

/// The entries of a folder, from [`read_dir`].
#[derive(Debug)]
pub struct ReadDir {
    /// Read, and not given out yet.
    entries: Entries,
    source: Source,
}

/// Where more come from.
#[derive(Debug)]
enum Source {
    Idle(fs::ReadDir),
    /// The next batch is being read.
    Busy(Job<(fs::ReadDir, Entries, bool)>),
    Empty,
}

fn next_batch(rest: &mut fs::ReadDir) -> (Entries, bool) {
    let entries: Entries = rest.by_ref().take(BATCH).map(|entry| entry.map(DirEntry::new)).collect();
    let more = entries.len() == BATCH;
    (entries, more)
}

impl ReadDir {
    /// The next entry; `None` after the last one.
    ///
    /// # Cancellation
    /// **Strict.** The entry comes with the next call.
    ///
    /// # Errors
    /// If the folder cannot be read on; another call may give more entries.
    #[track_caller]
    pub fn next_entry(&mut self) -> NextEntry<'_> {
        NextEntry { folder: self, at: Location::caller() }
    }
}

/// Future of [`ReadDir::next_entry`].
///
/// # Cancellation
/// **Strict.** The entry comes with the next call.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct NextEntry<'a> {
    folder: &'a mut ReadDir,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl Future for NextEntry<'_> {
    type Output = io::Result<Option<DirEntry>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        let folder = &mut *self.folder;
        loop {
            if let Some(entry) = folder.entries.pop_front() {
                return Poll::Ready(entry.map(Some));
            }
            if let Source::Busy(job) = &mut folder.source {
                let result = ready!(job.poll(cx));
                folder.source = Source::Empty;
                let (rest, entries, more) = result?;
                folder.entries = entries;
                if more {
                    folder.source = Source::Idle(rest);
                }
                continue;
            }
            let Source::Idle(mut rest) = std::mem::replace(&mut folder.source, Source::Empty) else {
                return Poll::Ready(Ok(None));
            };
            folder.source = Source::Busy(Job::start(at, move || {
                let (entries, more) = next_batch(&mut rest);
                (rest, entries, more)
            }));
        }
    }
}

/// One entry of a folder.
#[derive(Debug)]
pub struct DirEntry {
    std: fs::DirEntry,
    /// Looked up in the job: some file systems do not keep it in the folder. The number is that of the system's error.
    kind: Result<FileType, Option<i32>>,
}

impl DirEntry {
    fn new(std: fs::DirEntry) -> Self {
        let kind = std.file_type().map_err(|error| error.raw_os_error());
        Self { std, kind }
    }

    /// The folder's path, as it was given, with the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// The name.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// File, folder, symbolic link or something else. It is known already, so there is nothing to wait for.
    ///
    /// # Errors
    /// If it was asked for in vain when the entry was read.
    pub fn file_type(&self) -> io::Result<FileType> {
        let error = |number: Option<i32>| number.map_or(io::ErrorKind::Other.into(), io::Error::from_raw_os_error);
        self.kind.map_err(error)
    }

    /// What the system knows of it; of a symbolic link itself.
    ///
    /// # Cancellation
    /// **Strict.** Nothing has changed.
    ///
    /// # Errors
    /// As [`std::fs::DirEntry::metadata`].
    #[track_caller]
    pub fn metadata(&self) -> Operation<Metadata> {
        let path = self.std.path();
        Operation::new(Location::caller(), move || fs::symlink_metadata(path))
    }
}
