//! nio's closures that block, and its files. It has no open files yet, only operations on a path, and no child processes.

use crate::benches::common::doors::{Blocking, Files};
use std::future::Future;
use std::io;
use std::path::Path;

/// Both, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = nio::spawn_blocking(job);
        async move { job.await.expect("the closure does not panic") }
    }
}

impl Files for Doors {
    const OPENS: bool = false;
    type File = ();

    async fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
        nio::fs::read(path).await
    }

    async fn open_and_read(_: &Path) -> io::Result<Vec<u8>> {
        unreachable!("nothing is opened")
    }

    async fn open(_: &Path) -> io::Result<()> {
        unreachable!("nothing is opened")
    }

    async fn create(_: &Path) -> io::Result<()> {
        unreachable!("nothing is opened")
    }

    async fn read((): &mut (), _: &mut Vec<u8>, _: u64) -> io::Result<usize> {
        unreachable!("nothing is opened")
    }

    async fn write((): &mut (), _: &mut Vec<u8>, _: u64) -> io::Result<()> {
        unreachable!("nothing is opened")
    }

    async fn sync((): &mut ()) -> io::Result<()> {
        unreachable!("nothing is opened")
    }
}
