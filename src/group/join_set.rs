//! `JoinSet`: tasks of one kind, joined as they end. For those who come from tokio, with tokio's meaning; what is new is better
//! put into a [`scope`](super::scope), which cannot be left before its children have ended.
//!
//! Each future is wrapped in one that puts its number into a queue when it is dropped, so `join_next` looks at those alone who have
//! ended, and nothing is allocated beside the task's cell. A number comes a moment before the task is *done*; the handle then says
//! when.

use super::ready::Ready;
use crate::runtime::Handle;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{AbortHandle, Id, JoinError, JoinHandle, spawn, spawn_blocking, spawn_local};
use slab::{Slab, VacantEntry};
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Tasks that give the same type, joined in the order in which they end. Dropping the set aborts them all.
///
/// # Examples
/// ```
/// use mainspring::group::JoinSet;
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let mut squares = runtime.block_on(async {
///     let mut set: JoinSet<u32> = (1..=10).map(|n| async move { n * n }).collect();
///     let mut squares = Vec::new();
///     while let Some(square) = set.join_next().await {
///         squares.push(square.unwrap());
///     }
///     squares
/// });
/// squares.sort();
/// assert_eq!(squares[9], 100);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinSet<T> {
    tasks: Slab<JoinHandle<T>>,
    /// The numbers of those that have ended, or will have in a moment.
    ended: Arc<Ready>,
    /// The one of them whose handle was not ready yet.
    nearly: Option<usize>,
}

/// Puts a number into the queue when it is dropped, which is when the task's future is.
struct Report {
    number: usize,
    ended: Arc<Ready>,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.ended.put(self.number);
    }
}

/// A place in the set, for a task that is about to be spawned. If the spawn panics (outside a runtime, for one) it is dropped unfilled: then
/// the number that the report has put in must not be taken for that of who comes next to this place.
struct Opening<'a, T> {
    /// None once it is filled.
    place: Option<VacantEntry<'a, JoinHandle<T>>>,
    number: usize,
    ended: &'a Arc<Ready>,
}

impl<T> Opening<'_, T> {
    /// What the task will drop at its end.
    fn report(&self) -> Report {
        Report { number: self.number, ended: self.ended.clone() }
    }

    fn fill(mut self, task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        let place = self.place.take().expect("it is filled once, by value");
        place.insert(task);
        abort
    }
}

impl<T> Drop for Opening<'_, T> {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.ended.forget(self.number);
        }
    }
}

// What a panic interrupts is one of the tasks, which ends by it.
impl<T> UnwindSafe for JoinSet<T> {}
impl<T> RefUnwindSafe for JoinSet<T> {}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: Slab::new(), ended: Arc::new(Ready::new()), nearly: None }
    }

    /// How many tasks were not joined yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn open(&mut self) -> Opening<'_, T> {
        let place = self.tasks.vacant_entry();
        Opening { number: place.key(), place: Some(place), ended: &self.ended }
    }

    fn insert(&mut self, spawn: impl FnOnce(Report) -> JoinHandle<T>) -> AbortHandle {
        let opening = self.open();
        let task = spawn(opening.report());
        opening.fill(task)
    }

    /// Spawns a task of the set on the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        match Handle::try_current() {
            Ok(handle) => self.spawn_at(future, &handle, at),
            Err(_) => self.insert(|report| spawn(reporting(future, report))), // says what to do, and panics
        }
    }

    /// Spawns a task of the set on the runtime of this handle.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(future, handle, Location::caller())
    }

    fn spawn_at<F>(&mut self, future: F, handle: &Handle, at: &'static Location<'static>) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.insert(|report| handle.spawn_at(reporting(future, report), at))
    }

    /// Spawns a task of the set that stays on this thread; see [`spawn_local`](crate::spawn_local()).
    ///
    /// # Panics
    /// On a thread that is neither inside `block_on` nor a worker.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        let opening = self.open();
        let task = spawn_local(reporting(future, opening.report()));
        opening.fill(task)
    }

    /// Runs a closure of the set on the pool for what blocks; see [`spawn_blocking`](crate::task::spawn_blocking()). One that has
    /// begun cannot be aborted.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, job: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let opening = self.open();
        let report = opening.report();
        let task = spawn_blocking(move || {
            let _report = report;
            job()
        });
        opening.fill(task)
    }

    /// Waits for the next task to end; `None` if the set is empty.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future leaves every task in the set.
    ///
    /// # Errors
    /// A [`JoinError`] inside, if that task panicked or was cancelled.
    #[track_caller]
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext { set: self, at: Location::caller() }
    }

    /// As [`join_next`](Self::join_next), with the number of the task.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future leaves every task in the set.
    ///
    /// # Errors
    /// As [`join_next`](Self::join_next); the error knows its task, too.
    #[track_caller]
    pub fn join_next_with_id(&mut self) -> JoinNextWithId<'_, T> {
        JoinNextWithId { set: self, at: Location::caller() }
    }

    /// The next task that has ended, if there is one already.
    ///
    /// # Errors
    /// A [`JoinError`] inside, as for [`join_next`](Self::join_next).
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let mut looked = self.ended.len() + usize::from(self.nearly.is_some());
        while looked > 0 {
            looked -= 1;
            let number = self.nearly.take().or_else(|| self.ended.take())?;
            let Some(task) = self.tasks.get(number) else { continue };
            if !task.is_finished() {
                // The next moment.
                self.ended.put(number);
                continue;
            }
            let mut task = self.tasks.remove(number);
            match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => return Some(result),
                Poll::Pending => {
                    // The budget is used up: what was there in this poll is there in the next.
                    self.put_back(number, task);
                    return None;
                }
            }
        }
        None
    }

    /// A place that was just given back is the first to be given out.
    fn put_back(&mut self, number: usize, task: JoinHandle<T>) {
        let again = self.tasks.insert(task);
        debug_assert!(again == number, "a slab gives the place again that was left last");
        self.ended.put(again);
    }

    /// Polls for the next task to end; see [`join_next`](Self::join_next).
    ///
    /// # Errors
    /// A [`JoinError`] inside, as there.
    #[track_caller]
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_next(cx, Location::caller()).map(|next| next.map(|(_, result)| result))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Option<(Id, Result<T, JoinError>)>> {
        loop {
            if self.tasks.is_empty() {
                return Poll::Ready(None);
            }
            let Some(number) = self.nearly.take().or_else(|| self.ended.take_or_listen(cx.waker())) else {
                wait::note(Wait { kind: WaitKind::Children, object: self.tasks.len() as u64, at });
                return Poll::Pending;
            };
            // One that was detached or taken meanwhile is not there any more.
            let Some(task) = self.tasks.get_mut(number) else { continue };
            let id = task.id();
            self.nearly = Some(number);
            let result = ready!(Pin::new(task).poll(cx));
            self.nearly = None;
            drop(self.tasks.remove(number));
            return Poll::Ready(Some((id, result)));
        }
    }

    /// Asks every task to stop. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.tasks.iter().for_each(|(_, task)| task.abort());
    }

    /// Takes every task out of the set; they run on.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
        // Numbers of those who are gone must not be taken for those of who comes after them.
        self.ended = Arc::new(Ready::new());
        self.nearly = None;
    }

    /// Aborts every task and waits for their ends.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future leaves those that have not ended in the set, aborted.
    #[track_caller]
    pub fn shutdown(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        self.abort_all();
        std::future::poll_fn(move |cx| {
            while ready!(self.poll_next(cx, at)).is_some() {}
            Poll::Ready(())
        })
    }

    /// Waits for every task; gives the outputs in the order in which they came.
    ///
    /// # Cancellation
    /// **Lossy.** Dropping this future drops the set, which aborts what is left of it, and the outputs that it had.
    ///
    /// # Panics
    /// If a task panicked, with its payload; if one was cancelled.
    #[track_caller]
    pub fn join_all(mut self) -> impl Future<Output = Vec<T>> {
        let at = Location::caller();
        let mut outputs = Vec::with_capacity(self.len());
        std::future::poll_fn(move |cx| {
            while let Some((_, result)) = ready!(self.poll_next(cx, at)) {
                match result {
                    Ok(output) => outputs.push(output),
                    Err(error) if error.is_panic() => error.resume(),
                    Err(error) => panic!("{error}"),
                }
            }
            Poll::Ready(std::mem::take(&mut outputs))
        })
    }
}

/// The task's future, and its report behind it: a field that is dropped after it.
async fn reporting<F: Future>(future: F, report: Report) -> F::Output {
    let _report = report;
    future.await
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    /// Spawns each on the current runtime.
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        futures.into_iter().for_each(|future| drop(set.spawn(future)));
        set
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).field("ended", &self.ended.len()).finish()
    }
}

/// The future of [`JoinSet::join_next`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

/// The future of [`JoinSet::join_next_with_id`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct JoinNextWithId<'a, T> {
    set: &'a mut JoinSet<T>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl<T> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        self.set.poll_next(cx, at).map(|next| next.map(|(_, result)| result))
    }
}

impl<T> Future for JoinNextWithId<'_, T> {
    type Output = Option<Result<(Id, T), JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        self.set.poll_next(cx, at).map(|next| next.map(|(id, result)| result.map(|value| (id, value))))
    }
}
