//! Tries on the caller's thread, and what is remembered of them.
//!
//! A try answers with a success, a short count or the end of the file, and nothing else: any error means "ask the
//! pool", which makes the same call again and gives the real answer. So a try can be wrong in one way only, by being
//! slow, and that is what the rest of this file is about:
//!
//! ```text
//!   find (O_PATH) ──> glance ──> is it a regular file, on a file system that is known to answer?
//!                                    │ yes: open, and read from memory        no: one job for the whole
//!
//!   a whole file, in a folder where the last one was such a file:
//!   open without waiting ──> glance ──> is it?
//!                                    │ yes: read from memory     a pipe: a job goes on with it     else: one job, and look again
//! ```
//!
//! - **I1** What is not known to be a regular file is not opened here. Opening a pipe waits for its other end (and opening it without
//!   waiting lets the writer on the other side believe that somebody reads); opening a device may do anything. `O_PATH` touches
//!   neither.
//! - **I2** No file system is opened on that has not been seen to answer, by a job of the pool: `RESOLVE_CACHED` speaks of the
//!   path alone, and the open itself may ask a server.
//! - **I3** What is remembered makes things slow if it is wrong, never false. The number of a file system is used again after
//!   it was unmounted.
//! - **I4** A folder in which a file was found so is taken to have more of them, if a whole file is wanted: then the look is made at
//!   what is open, which saves three calls of seven. The first surprise ends that for the folder (see `folders`). It costs no more than a
//!   wait, for a file that a server is asked for; a device is opened twice; and a pipe is not let go: the job waits for its other
//!   end's first byte, or its end, and reads it all, as if it had opened it.
//!
//! What is left: the kernel notes the time of an access also when it was told not to wait, once a day for a file under
//! `relatime`, and with a full journal that note waits. Only the owner of a file may ask for none.
//!
//! INSTEAD OF: no look at all before the open, anywhere: I1 and I2 would be broken at every file, and not once a folder; and where a
//! `File` is wanted, a pipe that is open already is no longer what the user's open would wait for. No flag of 6.18 opens regular files
//! alone. And `statx` by path, one call where the look is three, has no `RESOLVE_CACHED`: it would wait for a disk, or for a
//! server that is gone.
//!
//! INSTEAD OF: writing here, too. ext4 refuses `RWF_NOWAIT` for writes into the cache altogether, and a write may always
//! have to wait for dirty pages to be written back.

use crate::base::atomic::{AtomicU32, Mutex, Ordering};
use crate::base::sys::{self, Glance, PerProcess, Refusal};
use crate::driver;
use crate::task::budget::BYTES_PER_POLL;
use super::folders::{Folder, Folders};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSliceMut, Seek as _, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// So many file systems are remembered. A machine has a handful; one with thousands of mounts asks again for some.
const SYSTEMS_MAX: usize = 64;

/// A path on the stack is shorter than this, which almost every path is.
const PATH_MAX: usize = 512;

/// A cached read stops at the end of the file or between two blocks, and no block is smaller than this.
const BLOCK: u64 = 512;

/// What this process has learned.
struct Memory {
    /// 1 once `openat2` was refused for good.
    no_opens: AtomicU32,
    /// 1 once `preadv2` was refused for good.
    no_reads: AtomicU32,
    /// Which file systems answer, oldest first. Looked at once an open.
    systems: Mutex<Vec<(u64, bool)>>,
    /// Where the look can be left out (I4).
    folders: Folders,
}

/// A forked process learns anew.
static MEMORY: PerProcess<Memory> = PerProcess::new();

#[inline]
fn memory() -> &'static Memory {
    MEMORY.get_or_make(Memory::new)
}

impl Memory {
    fn new() -> Self {
        let flag = || AtomicU32::new(0);
        Self { no_opens: flag(), no_reads: flag(), systems: Mutex::new(Vec::new()), folders: Folders::new() }
    }

    /// Does this file system answer? `None` if nobody knows.
    fn answers(&self, system: u64) -> Option<bool> {
        self.systems.lock().iter().find(|(known, _)| *known == system).map(|(_, answers)| *answers)
    }

    fn remember(&self, system: u64, answers: bool) {
        let mut systems = self.systems.lock();
        systems.retain(|(known, _)| *known != system);
        if systems.len() == SYSTEMS_MAX {
            systems.remove(0);
        }
        systems.push((system, answers));
    }
}

fn is_set(flag: &AtomicU32) -> bool {
    // ORDER: Relaxed, with `set`: it guards no data, and who sees it late asks the kernel once more.
    flag.load(Ordering::Relaxed) != 0
}

fn set(flag: &AtomicU32) {
    // ORDER: Relaxed, with `is_set`, as said there.
    flag.store(1, Ordering::Relaxed);
}

/// May anything be tried on this thread? Not in a simulation: what is in the cache would decide who runs next.
pub(super) fn may_try() -> bool {
    !is_set(&memory().no_reads) && !driver::with_current(|driver| driver.is_some_and(|driver| driver.is_simulated()))
}

/// Opens a regular file for reading if that needs no waiting, and says how long it was a moment ago: the file that was looked at
/// need not be the one that is open. The descriptor is non-blocking.
pub(super) fn open(path: &Path) -> Option<(File, u64)> {
    if !may_try() || is_set(&memory().no_opens) {
        return None;
    }
    with_c_str(path, look_and_open)
}

fn look_and_open(path: &CStr) -> Option<(File, u64)> {
    let place = sys::find_cached(path).inspect_err(note_open).ok()?;
    let seen = sys::glance(place.as_fd()).inspect_err(note_open).ok()?;
    if !is_such_a_file(&seen) {
        return None; // I1, I2
    }
    let file = sys::open_cached(path).ok()?; // the call as such was not refused, a moment ago
    Some((file, seen.len))
}

/// A regular file, of a file system that answers.
fn is_such_a_file(seen: &Glance) -> bool {
    seen.is_file && memory().answers(seen.system) == Some(true)
}

/// What [`open_whole`] has found.
pub(super) enum Whole {
    /// A file of this length, as it was seen before it was opened: it may have been another.
    Looked(File, u64),
    /// A file of this length.
    Open(File, u64),
    /// A pipe, open, of which nothing has been read; and the folder will be looked at from now on.
    Pipe(File),
}

/// As [`open`], for whoever wants all of it (I4).
pub(super) fn open_whole(path: &Path) -> Option<Whole> {
    if !may_try() || is_set(&memory().no_opens) {
        return None;
    }
    let folder = Folder::of(path);
    with_c_str(path, |path| {
        if !memory().folders.has_files(folder) {
            let (file, len) = look_and_open(path)?;
            memory().folders.note_file(folder);
            return Some(Whole::Looked(file, len));
        }
        let refused = |error: &io::Error| {
            if sys::refusal(error) == Refusal::Process {
                memory().folders.note_surprise(folder); // this file, or every call: the next look tells
            }
        };
        let file = sys::open_cached(path).inspect_err(refused).ok()?;
        let seen = sys::glance(file.as_fd()).inspect_err(note_open).ok()?;
        if is_such_a_file(&seen) {
            return Some(Whole::Open(file, seen.len));
        }
        memory().folders.note_surprise(folder);
        seen.is_pipe.then_some(Whole::Pipe(file))
    })
}

/// The path as the kernel wants it, on the stack; a long one is left to the pool.
fn with_c_str<R>(path: &Path, body: impl FnOnce(&CStr) -> Option<R>) -> Option<R> {
    let (path, mut space) = (path.as_os_str().as_bytes(), [0; PATH_MAX]);
    let end = path.len();
    if end >= PATH_MAX {
        return None;
    }
    space[..end].copy_from_slice(path);
    body(CStr::from_bytes_with_nul(&space[..=end]).ok()?)
}

fn note_open(error: &io::Error) {
    if sys::refusal(error) == Refusal::Process {
        set(&memory().no_opens);
    }
}

/// Can this file be read on the caller's thread? If its file system is a new one, it is asked for one byte, which costs no
/// waiting either; a file that is open for writing alone cannot be asked, and teaches nothing.
pub(super) fn learn(file: &File) -> bool {
    let Ok(seen) = sys::glance(file.as_fd()) else { return false };
    if !seen.is_file || is_set(&memory().no_reads) {
        return false;
    }
    if let Some(answers) = memory().answers(seen.system) {
        return answers;
    }
    let answers = match sys::read_cached(file.as_fd(), &mut [IoSliceMut::new(&mut [0])], Some(0)) {
        Ok(_) => true,
        Err(error) if sys::would_wait(&error) => true,
        Err(error) if sys::refusal(&error) == Refusal::Once => return false,
        Err(error) => {
            note_read(file, &error);
            false
        }
    };
    memory().remember(seen.system, answers);
    answers
}

/// Reads what is in memory, from a place or at the cursor. `None`: the pool must be asked.
pub(super) fn read(file: &File, bufs: &mut [IoSliceMut<'_>], at: Option<u64>) -> Option<usize> {
    if !may_try() {
        return None;
    }
    let first = bufs.first_mut()?;
    let tried = if first.len() >= BYTES_PER_POLL {
        sys::read_cached(file.as_fd(), &mut [IoSliceMut::new(&mut first[..BYTES_PER_POLL])], at)
    } else {
        let count = fitting(bufs);
        sys::read_cached(file.as_fd(), &mut bufs[..count], at)
    };
    let count = tried.inspect_err(|error| note_read(file, error)).ok()?;
    (count > 0 || bufs.iter().all(|buf| buf.is_empty()) || is_at_end(file, at)).then_some(count)
}

/// The last read, of `count` bytes from memory into a buffer with room for more, has stopped behind as many bytes as the file had
/// before it was opened. Is that its end? What was seen then may have been another file, and what follows may not be in memory,
/// which stops a read as well. But not within a block; and else the kernel is asked for the end, at a third of the cost of asking
/// for all that it knows of the file.
pub(super) fn is_whole(mut file: &File, len: u64, count: usize) -> bool {
    if count == BYTES_PER_POLL {
        return false; // it has stopped because nobody asked for more
    }
    let is_end = !len.is_multiple_of(BLOCK) || file.seek(SeekFrom::End(0)).is_ok_and(|end| end == len);
    if !is_end {
        let _ = file.seek(SeekFrom::Start(len)); // there is more behind it
    }
    is_end
}

/// As [`is_whole`], of a file whose cursor may have been anywhere before.
pub(super) fn is_whole_from_anywhere(mut file: &File, len: u64, count: usize) -> bool {
    file.stream_position().is_ok_and(|place| place == len) && is_whole(file, len, count)
}

/// How much there is between the cursor and the end of the file, as far as anybody can say.
pub(super) fn left(file: &File) -> Option<u64> {
    let mut cursor = file;
    let place = cursor.stream_position().ok()?;
    Some(file.metadata().ok()?.len().saturating_sub(place))
}

/// Is there really nothing behind this place? Linux 5.9 and 5.10 answer a non-blocking read with "nothing" where they should
/// have said "not now", and a file that seems to end too early is data lost.
fn is_at_end(file: &File, at: Option<u64>) -> bool {
    let place = at.map_or_else(|| {
        let mut cursor = file;
        cursor.stream_position()
    }, Ok);
    matches!((place, file.metadata()), (Ok(place), Ok(about)) if about.is_file() && place >= about.len())
}

/// How many of the buffers may be filled in one go.
fn fitting(bufs: &[IoSliceMut<'_>]) -> usize {
    let mut room = BYTES_PER_POLL;
    let fits = |buf: &&IoSliceMut<'_>| {
        let left = room.checked_sub(buf.len());
        room = left.unwrap_or(0);
        left.is_some()
    };
    bufs.iter().take_while(fits).count()
}

/// Reads what is in memory at the cursor, behind what is in the vector, which has room. `None`: the pool must be asked.
pub(super) fn append(file: &File, to: &mut Vec<u8>) -> Option<usize> {
    if !may_try() {
        return None;
    }
    let tried = sys::append_cached(file.as_fd(), to, BYTES_PER_POLL);
    let count = tried.inspect_err(|error| note_read(file, error)).ok()?;
    (count > 0 || is_at_end(file, None)).then_some(count)
}

/// I3: a file system that answered once may be gone, and another have its number.
fn note_read(file: &File, error: &io::Error) {
    match sys::refusal(error) {
        Refusal::Once => {}
        Refusal::Process => set(&memory().no_reads),
        Refusal::System => {
            if let Ok(seen) = sys::glance(file.as_fd()) {
                memory().remember(seen.system, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_the_last_word_counts() {
        let memory = Memory::new();
        assert_eq!(memory.answers(7), None);
        memory.remember(7, true);
        memory.remember(7, false);
        assert_eq!((memory.answers(7), memory.systems.lock().len()), (Some(false), 1));
        (100..100 + SYSTEMS_MAX as u64).for_each(|system| memory.remember(system, true));
        assert_eq!((memory.answers(7), memory.answers(100), memory.systems.lock().len()), (None, Some(true), 64));
    }

    #[test]
    fn buffers_are_taken_as_long_as_a_poll_may_copy() {
        let mut space = [vec![0; BYTES_PER_POLL / 2], vec![0; BYTES_PER_POLL / 2], vec![], vec![0; 1]];
        let bufs: Vec<_> = space.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
        assert_eq!((fitting(&bufs), fitting(&bufs[..1]), fitting(&[])), (3, 1, 0));
    }

    #[test]
    fn only_regular_files_are_opened_without_waiting() {
        for path in ["/", "/dev/null", "/proc/self/status", "/nowhere/at/all"] {
            assert!(open(Path::new(path)).is_none(), "{path}");
        }
    }
}
