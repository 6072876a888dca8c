//! mainspring's closures that block, files and child processes.

use super::on_mainspring::{CurrentThread, Mainspring, MultiThread};
use crate::benches::common::case::Class;
use crate::benches::common::doors::{Blocking, Children, Files, Nobody};
use crate::benches::common::runtime::{Join, Runtime};
use mainspring::fs::{self, File, OpenOptions};
use mainspring::group::{On, map_on};
use mainspring::process::{Command, Stdio};
use std::future::Future;
use std::io;
use std::path::Path;

/// All three, as users find them.
pub(crate) struct Doors;

impl Blocking for Doors {
    fn start<F, T>(job: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = mainspring::task::spawn_blocking(job);
        async move { job.await.expect("the closure does not panic") }
    }

    async fn in_order<M, T>(threads: usize, count: usize, make: M, mut take: impl FnMut(T) + Send)
    where
        M: Fn(usize) -> T + Copy + Send + Sync + 'static,
        T: Send + 'static,
    {
        let on = On::threads(threads).window(4 * threads);
        let mut made = map_on(on, 0..count, move |key| async move { make(key) });
        while let Some(one) = made.next().await {
            take(one);
        }
    }
}

impl Children for Doors {
    async fn run(program: &'static str) -> io::Result<bool> {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().await?.success())
    }
}

impl Files for Doors {
    type File = File;

    async fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path).await
    }

    async fn open_and_read(path: &Path) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        File::open(path).await?.read_to_end(&mut buf).await?;
        Ok(buf)
    }

    async fn open(path: &Path) -> io::Result<File> {
        File::open(path).await
    }

    async fn create(path: &Path) -> io::Result<File> {
        File::create(path).await
    }

    async fn read(file: &mut File, into: &mut Vec<u8>, _: u64) -> io::Result<usize> {
        file.read(into).await
    }

    async fn write(file: &mut File, from: &mut Vec<u8>, _: u64) -> io::Result<()> {
        file.write_all(from).await
    }

    async fn sync(file: &mut File) -> io::Result<()> {
        file.sync_all().await
    }
}

/// The same files, with every operation forced to go to the pool.
pub(crate) struct ByThePool;

impl Files for ByThePool {
    type File = File;

    async fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
        Self::open_and_read(path).await
    }

    async fn open_and_read(path: &Path) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        Self::open(path).await?.read_to_end(&mut buf).await?;
        Ok(buf)
    }

    async fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).inline(false).open(path).await
    }

    async fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).inline(false).open(path).await
    }

    async fn read(file: &mut File, into: &mut Vec<u8>, place: u64) -> io::Result<usize> {
        Doors::read(file, into, place).await
    }

    async fn write(file: &mut File, from: &mut Vec<u8>, place: u64) -> io::Result<()> {
        Doors::write(file, from, place).await
    }

    async fn sync(file: &mut File) -> io::Result<()> {
        Doors::sync(file).await
    }
}

/// The multi-thread flavour with files by the pool alone.
pub(crate) struct MultiThreadPool(MultiThread);

/// The current-thread flavour with files by the pool alone.
pub(crate) struct CurrentThreadPool(CurrentThread);

impl Runtime for MultiThreadPool {
    const NAME: &'static str = "mainspring_mt_pool";
    const CLASS: Class = Class::TwoWorkers;
    const FILES_ONLY: bool = true;
    type Leaves = Mainspring;
    type Blocking = Nobody;
    type Files = ByThePool;
    type Children = Nobody;

    fn start(workers: usize) -> Self {
        Self(MultiThread::start(workers))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.run(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        MultiThread::spawn(future)
    }
}

impl Runtime for CurrentThreadPool {
    const NAME: &'static str = "mainspring_ct_pool";
    const CLASS: Class = Class::OneThread;
    const FILES_ONLY: bool = true;
    type Leaves = Mainspring;
    type Blocking = Nobody;
    type Files = ByThePool;
    type Children = Nobody;

    fn start(workers: usize) -> Self {
        Self(CurrentThread::start(workers))
    }

    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.run(main)
    }

    fn spawn<F>(future: F) -> Join<Self, F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        CurrentThread::spawn(future)
    }
}
