//! What only some crates have: closures that block, files, child processes.
//!
//! Each is a trait of which a [`Runtime`](super::runtime::Runtime) names an implementor; one whose crate has no such thing
//! names [`Nobody`], and is not asked.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::Path;

/// Closures on threads of the runtime's own.
pub(crate) trait Blocking: 'static {
    /// Whether there is such a thing.
    const OFFERED: bool = true;

    /// Hands the closure over at once; the future is for its result.
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Makes an output for each of `0..count` on so many threads and gives them to `take` in order, while the next ones are made.
    /// As most crates' users would: so many closures under way, and the oldest is waited for.
    fn in_order<M, T>(
        threads: usize,
        count: usize,
        make: M,
        mut take: impl FnMut(T) + Send,
    ) -> impl Future<Output = ()> + Send
    where
        M: Fn(usize) -> T + Copy + Send + Sync + 'static,
        T: Send + 'static,
    {
        async move {
            let start = |key| Self::start(move || make(key));
            let mut under_way: VecDeque<_> = (0..threads.min(count)).map(start).collect();
            let mut next = under_way.len();
            while let Some(oldest) = under_way.pop_front() {
                let made = oldest.await;
                if next < count {
                    under_way.push_back(start(next));
                    next += 1;
                }
                take(made);
            }
        }
    }
}

/// Files, as the crate says one should use them.
pub(crate) trait Files: 'static {
    /// Whether there is such a thing.
    const OFFERED: bool = true;
    /// Whether a file can be open, and not only be read as a whole.
    const OPENS: bool = true;
    /// An open file.
    type File: Send + 'static;

    /// A whole file, in the shortest way.
    fn read_whole(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// A whole file: opened, then read to its end.
    fn open_and_read(path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Opens for reading.
    fn open(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// Makes a file, or empties it, for writing.
    fn create(path: &Path) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// Reads into the buffer, which is full afterwards but at the end of the file. `place` is where the cursor stands, for
    /// those that have none.
    fn read(file: &mut Self::File, into: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes the whole buffer. `place` as in `read`.
    fn write(file: &mut Self::File, from: &mut Vec<u8>, place: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// Everything that was written is on the disk when this is ready.
    fn sync(file: &mut Self::File) -> impl Future<Output = io::Result<()>> + Send;
}

/// Child processes.
pub(crate) trait Children: 'static {
    /// Whether there is such a thing.
    const OFFERED: bool = true;

    /// Starts the program, without arguments, and waits for its end: has it succeeded?
    fn run(program: &'static str) -> impl Future<Output = io::Result<bool>> + Send;
}

/// Who has no such thing, and so is never called.
pub(crate) struct Nobody;

impl Blocking for Nobody {
    const OFFERED: bool = false;

    async fn start<F, T>(_: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        unreachable!("it is not offered")
    }
}

impl Files for Nobody {
    const OFFERED: bool = false;
    const OPENS: bool = false;
    type File = ();

    async fn read_whole(_: &Path) -> io::Result<Vec<u8>> {
        unreachable!("it is not offered")
    }

    async fn open_and_read(_: &Path) -> io::Result<Vec<u8>> {
        unreachable!("it is not offered")
    }

    async fn open(_: &Path) -> io::Result<()> {
        unreachable!("it is not offered")
    }

    async fn create(_: &Path) -> io::Result<()> {
        unreachable!("it is not offered")
    }

    async fn read((): &mut (), _: &mut Vec<u8>, _: u64) -> io::Result<usize> {
        unreachable!("it is not offered")
    }

    async fn write((): &mut (), _: &mut Vec<u8>, _: u64) -> io::Result<()> {
        unreachable!("it is not offered")
    }

    async fn sync((): &mut ()) -> io::Result<()> {
        unreachable!("it is not offered")
    }
}

impl Children for Nobody {
    const OFFERED: bool = false;

    async fn run(_: &'static str) -> io::Result<bool> {
        unreachable!("it is not offered")
    }
}
