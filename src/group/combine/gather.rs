//! `gather` and `gather_all`: all of them, in order.

use super::combined::{Combined, Plan};
use super::crew::Crew;
use crate::task::CancelCause;
use crate::task::wait::WaitKind;
use std::ops::ControlFlow;
use std::panic::Location;
use std::{fmt, vec};

/// Runs several futures and gives their values in the order of the futures; or, with the first error, cancels the others and gives
/// that error when they are gone.
///
/// They run in turn within this task, may borrow what is around, and make this future [`Send`] if they are. What shall run in
/// parallel is [`spawned`](super::super::spawned): `gather(urls.map(|url| spawned(fetch(url))))`. A [`limit`](Combined::limit)
/// says how many run at once. All futures are made at the beginning, and begun as there is room; what comes from an endless source is
/// for [`map_on`](super::super::map_on()).
///
/// What the others say after the first error, if they are given a [`grace`](Combined::grace), is dropped. To keep every result
/// there is [`gather_all`]; to have them as they come, [`as_completed`](super::super::as_completed()).
///
/// # Cancellation
/// That of the futures: dropping this drops them all, and the values that are there already.
///
/// # Errors
/// The first error of one of them.
///
/// # Panics
/// If one of them panics: the others are cancelled, and when they are gone the panic goes on.
///
/// # Examples
/// ```
/// use mainspring::group::gather;
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let lengths = runtime.block_on(async {
///     let length = async |path| Ok::<_, std::io::Error>(mainspring::fs::read(path).await?.len());
///     let (paths, missing) = (["Cargo.toml", "README.md"], ["Cargo.toml", "not/there"]);
///     assert!(gather(missing.map(&length)).await.is_err());
///     gather(paths.map(&length)).limit(2).await
/// });
/// assert!(lengths?.iter().all(|length| *length > 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn gather<I, F, T, E>(futures: I) -> Combined<Gather<F, T>>
where
    I: IntoIterator<Item = F>,
    F: Future<Output = Result<T, E>>,
{
    let feed = Feed::of(futures);
    let values = places(feed.len());
    Combined::new(Gather { feed, values }, WaitKind::Gather, Location::caller())
}

/// Runs several futures and gives every output in the order of the futures, errors in their places: none of them stops the others.
/// All else is as for [`gather`].
///
/// # Cancellation
/// That of the futures: dropping this drops them all, and the outputs that are there already.
///
/// # Panics
/// If one of them panics: the others are cancelled, and when they are gone the panic goes on.
///
/// # Examples
/// ```
/// use mainspring::group::gather_all;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let numbers = runtime.block_on(gather_all(["1", "two", "3"].map(async |text| text.parse::<u8>().ok())));
/// assert_eq!(numbers, [Some(1), None, Some(3)]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn gather_all<I>(futures: I) -> Combined<GatherAll<I::Item>>
where
    I: IntoIterator<Item: Future>,
{
    let feed = Feed::of(futures);
    let outputs = places(feed.len());
    Combined::new(GatherAll { feed, outputs }, WaitKind::Gather, Location::caller())
}

/// The plan of [`gather`].
pub struct Gather<F, T> {
    feed: Feed<F>,
    /// The values so far, by number.
    values: Vec<Option<T>>,
}

/// The plan of [`gather_all`].
pub struct GatherAll<F: Future> {
    feed: Feed<F>,
    /// The outputs so far, by number.
    outputs: Vec<Option<F::Output>>,
}

/// Those who have not begun.
///
/// INSTEAD OF the iterator, asked for the next one when there is room: what awaits an iterator with a closure that borrows is not
/// `Send` to today's compiler, so that no such `gather` could stand in a spawned task.
struct Feed<F> {
    waiting: vec::IntoIter<F>,
    /// So many run at once.
    running_max: usize,
    /// The number of the next one.
    next: usize,
}

impl<F: Future> Feed<F> {
    fn of(futures: impl IntoIterator<Item = F>) -> Self {
        let futures: Vec<F> = futures.into_iter().collect();
        Self { waiting: futures.into_iter(), running_max: usize::MAX, next: 0 }
    }

    fn len(&self) -> usize {
        self.next + self.waiting.len()
    }

    /// As many as there is room for.
    fn fill(&mut self, crew: &mut Crew<F>) {
        while crew.len() < self.running_max {
            let Some(future) = self.waiting.next() else { return };
            crew.add(self.next, future);
            self.next += 1;
        }
    }

    #[track_caller]
    fn limit(&mut self, running_max: usize) {
        assert!(running_max > 0, "a limit of 0 lets none run: it must be at least 1");
        self.running_max = running_max;
    }
}

/// A place for each.
fn places<T>(count: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(count).collect()
}

fn in_order<T>(results: &mut Vec<Option<T>>) -> Vec<T> {
    results.drain(..).map(|result| result.expect("all have ended, each with its result")).collect()
}

impl<F, T, E> Combined<Gather<F, T>>
where
    F: Future<Output = Result<T, E>>,
{
    /// So many run at once, at most.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn limit(mut self, futures: usize) -> Self {
        self.plan.feed.limit(futures);
        self
    }
}

impl<F: Future> Combined<GatherAll<F>> {
    /// So many run at once, at most.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn limit(mut self, futures: usize) -> Self {
        self.plan.feed.limit(futures);
        self
    }
}

impl<F, T, E> Plan for Gather<F, T>
where
    F: Future<Output = Result<T, E>>,
{
    type Part = F;
    type Output = Result<Vec<T>, E>;

    fn begin(&mut self, crew: &mut Crew<F>) {
        self.feed.fill(crew);
    }

    fn ended(
        &mut self,
        crew: &mut Crew<F>,
        number: usize,
        result: Result<T, E>,
    ) -> ControlFlow<(Self::Output, CancelCause)> {
        match result {
            Ok(value) => self.values[number] = Some(value),
            Err(error) => return ControlFlow::Break((Err(error), CancelCause::OtherFailed { number, at: crew.at })),
        }
        self.feed.fill(crew);
        ControlFlow::Continue(())
    }

    fn exhausted(&mut self) -> Self::Output {
        Ok(in_order(&mut self.values))
    }
}

impl<F: Future> Plan for GatherAll<F> {
    type Part = F;
    type Output = Vec<F::Output>;

    fn begin(&mut self, crew: &mut Crew<F>) {
        self.feed.fill(crew);
    }

    fn ended(
        &mut self,
        crew: &mut Crew<F>,
        number: usize,
        output: F::Output,
    ) -> ControlFlow<(Self::Output, CancelCause)> {
        self.outputs[number] = Some(output);
        self.feed.fill(crew);
        ControlFlow::Continue(())
    }

    fn exhausted(&mut self) -> Self::Output {
        in_order(&mut self.outputs)
    }
}

impl<F, T> fmt::Debug for Gather<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("begun", &self.feed.next).finish_non_exhaustive()
    }
}

impl<F: Future> fmt::Debug for GatherAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherAll").field("begun", &self.feed.next).finish_non_exhaustive()
    }
}
