//! Where the work is done, and how it is begun.

use super::book::Line;
use super::consume::MapOn;
use super::work::{Lookout, Member, Worker, live_on_thread};
use crate::base::atomic::Mutex;
use crate::driver;
use crate::runtime::TaskBuilder;
use futures_core::Stream;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where a [`map_on`] does its work, and how far ahead. [`tasks`](On::tasks) is for what waits, [`threads`](On::threads) for what computes
/// or blocks: a task that computes long keeps a thread of the runtime from all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it only says where: give it to `map_on`"]
pub struct On {
    place: Place,
    workers: usize,
    window: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Inline,
    Tasks,
    Threads,
}

/// 2^20 tasks take some hundred megabytes: beyond that it is an oversight, and wants a word instead of the memory.
const WORKERS_MAX: usize = 1 << 20;

impl On {
    /// In [`next`](MapOn::next), one item at a time, when it is asked for: nothing is done ahead. To compare with, and to debug.
    pub fn inline() -> Self {
        Self { place: Place::Inline, workers: 1, window: 1 }
    }

    /// In so many tasks: for what waits, as requests do. Up to twice as many items are begun and not taken, see
    /// [`window`](Self::window). All of them are spawned at the beginning, as far as the window has use for them; so there is no "as many as
    /// it takes".
    ///
    /// # Panics
    /// If it is 0, or more than 2^20.
    #[track_caller]
    pub fn tasks(workers: usize) -> Self {
        assert!(workers > 0, "`On::tasks(0)` would work on nothing: it takes at least 1");
        assert!(workers <= WORKERS_MAX, "`On::tasks({workers})` would spawn so many tasks at once: it takes 2^20 at most");
        Self { place: Place::Tasks, workers, window: 2 * workers }
    }

    /// On so many threads of the pool for [blocking](crate::task::spawn_blocking) jobs: for what computes or blocks. In a
    /// simulation they are tasks.
    ///
    /// Each worker keeps its thread until the source has ended or the [`MapOn`] is dropped, also while it waits. So there must be fewer of them
    /// than [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads) if the closure, or what takes its outputs, needs that
    /// pool for something else: files are read there, and names looked up.
    ///
    /// # Panics
    /// If it is 0, or more than 2^20.
    #[track_caller]
    pub fn threads(workers: usize) -> Self {
        assert!(workers > 0, "`On::threads(0)` would work on nothing: it takes at least 1");
        assert!(workers <= WORKERS_MAX, "`On::threads({workers})` would ask for so many threads: it takes 2^20 at most");
        Self { place: Place::Threads, workers, window: 2 * workers }
    }

    /// So many items at most are begun and not taken by the consumer: what is worked on, and what waits done. It bounds the memory,
    /// which is taken as it is used, and how far ahead of the consumer the source is read. Inline it stays at 1.
    ///
    /// # Panics
    /// If it is 0, or more than 2^24.
    #[track_caller]
    pub fn window(mut self, items: usize) -> Self {
        assert!((1..=1 << 24).contains(&items), "a window has room for 1 to 2^24 items");
        if self.place != Place::Inline {
            self.window = items;
        }
        self
    }

    pub(super) fn slots(&self) -> usize {
        self.window
    }
}

/// Maps what an iterator gives, in order, ahead of whoever takes the outputs: while that computes, the next ones are made.
///
/// The closure is called with one item at a time by several workers, [`On`] tasks or threads, and what its future gives comes out
/// of [`MapOn::next`] in the order of the iterator. An error is an output like any other, in its place. When the
/// [window](On::window) is full the workers wait; the iterator is asked for an item only when there is room for its output.
/// [`map_stream_on`] takes a stream, and [`fill_on`](super::fill_on) recycles what it fills.
///
/// The work begins at once. The iterator is used by the workers, never by two at a time.
///
/// # Cancellation
/// **Detached**, for a moment: dropping the [`MapOn`] asks the workers to end, which they do at the next `.await` of the closure's
/// future, or when its item is done; [`MapOn::close`] waits for that. Outputs that nobody has taken are dropped.
///
/// # Panics
/// Outside a runtime, unless it is [inline](On::inline).
///
/// # Examples
/// ```
/// use mainspring::group::{On, map_on};
///
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let lengths = runtime.block_on(async {
///     let names = ["Cargo.toml", "not/there", "README.md"];
///     let mut files = map_on(On::tasks(2), names, |name| mainspring::fs::read(name));
///     let mut lengths = Vec::new();
///     while let Some(file) = files.next().await {
///         lengths.push(file.map(|bytes| bytes.len()).ok());
///     }
///     lengths
/// });
/// assert!(matches!(lengths[..], [Some(1..), None, Some(1..)]), "in order, the error in its place");
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn map_on<I, F, G>(on: On, items: I, work: F) -> MapOn<G::Output>
where
    I: IntoIterator<IntoIter: Send + 'static>,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> G + Send + Sync + 'static,
    G: Future<Output: Send + 'static> + Send + 'static,
{
    map_stream_on(on, Items(items.into_iter()), work)
}

/// As [`map_on`], of what a stream gives.
///
/// # Cancellation
/// As [`map_on`].
///
/// # Panics
/// As [`map_on`].
///
/// # Examples
/// ```
/// use mainspring::group::{On, map_on, map_stream_on};
///
/// // What a `map_on` gives is a stream: so one stage can feed another.
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let sum = runtime.block_on(async {
///     let squares = map_on(On::tasks(3), 1..=4, async |n| n * n);
///     let mut text = map_stream_on(On::threads(2), squares, async |n| n.to_string());
///     let mut all = String::new();
///     while let Some(one) = text.next().await {
///         all += &one;
///     }
///     all
/// });
/// assert_eq!(sum, "14916");
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn map_stream_on<S, F, G>(on: On, stream: S, work: F) -> MapOn<G::Output>
where
    S: Stream<Item: Send + 'static> + Send + 'static,
    F: Fn(S::Item) -> G + Send + Sync + 'static,
    G: Future<Output: Send + 'static> + Send + 'static,
{
    // One of more than there are slots would never have anything to do.
    let workers = on.workers.min(on.slots());
    let line = Arc::new(Line::new(on.slots(), workers));
    let (source, work) = (Arc::new(Mutex::new(Some(Box::pin(stream)))), Arc::new(work));
    let at = Location::caller();
    let mut mapped = MapOn::new(line.clone());
    for _ in 0..workers {
        let worker =
            Worker { source: source.clone(), work: work.clone(), line: Member::new(line.clone()), at };
        let builder = TaskBuilder::new().name("map_on").daemon(true);
        match on.place {
            Place::Inline => mapped.drive(Box::pin(worker.live())),
            Place::Threads if !is_simulated() => {
                let line = line.clone();
                mapped.keep(builder.spawn_blocking(move || live_on_thread(&line, worker.live())));
            }
            Place::Tasks | Place::Threads => mapped.keep(builder.spawn(worker.live())),
        }
    }
    if on.place == Place::Threads && !is_simulated() {
        let lookout = TaskBuilder::new().name("map_on").daemon(true).spawn(Lookout { line, at });
        mapped.watch(lookout.abort_handle());
    }
    mapped
}

fn is_simulated() -> bool {
    driver::with_current(|driver| driver.is_some_and(|driver| driver.is_simulated()))
}

/// An iterator as a stream that is always ready.
struct Items<I>(I);

impl<I> Unpin for Items<I> {}

impl<I: Iterator> Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
