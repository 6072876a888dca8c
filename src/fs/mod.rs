//! Files.
//!
//! No kernel call that reads a file is non-blocking in the way of a socket's: a file is always "ready", and then the
//! thread sleeps for the disk. What there is on Linux are calls that answer from memory or not at all:
//!
//! ```text
//!                    openat2(RESOLVE_CACHED), preadv2(RWF_NOWAIT)
//!   poll ───────────────────────┬─────────────────────────────> done, on the caller's thread
//!                               │ any error at all
//!                               └──> one job of the pool: the same call, and its answer is the true one
//! ```
//!
//! ext4, xfs and btrfs answer. tmpfs, overlayfs, FUSE, network file systems, /proc and devices refuse, and so does everything that
//! is no Linux; there a whole operation is one job. `OpenOptions::inline(false)` forces that way, too. Writes take it always
//! (`inline` says why).
//!
//! - **F1** No call here waits for a disk on a worker's thread.
//! - **F2** A poll copies 256 KiB on the worker at the most, and what it copies is charged to its budget.
//! - **F3** A job owns what it uses: descriptor, buffer, path. A future that is dropped takes nothing from under it.
//! - **F4** A write is done when its future is ready. There is no buffer of ours, so none is lost at a drop, and an error has
//!   somebody to go to: the future, or else the next write or sync.
//! - **F5** Errors are those of std's functions.
//!
//! In a simulation the files are the machine's own, not simulated ones. Everything is a job there, and jobs run as tasks, so
//! the order of events does not depend on what is in the machine's memory; what the files hold is for the test to see to.
//!
//! Cases of the catalogue: FSX-01 to FSX-04, FSX-06, FSX-07.
//!
//! Read in this order: the tries, the hop, turns at the cursor, the transfer that joins the three, what users call.

mod folders;
mod inline;

mod job;
mod line;
mod transfer;

mod ops;

mod dir;
mod file;
mod options;
mod polls;
mod whole;

pub use dir::{DirEntry, NextEntry, ReadDir, read_dir};
pub use file::File;
pub use job::Operation;
pub use ops::{Act, Read, ReadExact, ReadToEnd, ReadVectored, Write, WriteAll, WriteVectored};
pub use options::OpenOptions;
pub use whole::{
    ReadFile, ReadToString, batch, canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink, symlink_metadata,
    try_exists, write,
};
