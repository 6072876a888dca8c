//! The group as its body and its children hold it.

use super::book::{Phase, Room};
use super::cancel::{CancellationToken, Cancelled, Place, SOFT};
use super::child::Child;
use super::child_builder::ChildBuilder;
use super::shared::{Label, Shared};
use crate::task::wait::{self, Wait, WaitKind};
use crate::time::Instant;
use std::convert::Infallible;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The inside of a [`scope`](super::scope): spawns children, and asks all of them to end. Clones are one group, and may be
/// given to children, which then spawn siblings.
///
/// A child's error is an `E`, as is the body's. Where nothing can fail, write `async |group: TaskGroup| ..`: that is a
/// `TaskGroup<Infallible>`.
///
/// It is *open* until somebody cancels or something fails, then *closing* until the last child has ended, then *closed*. One that
/// was not cancelled is closed when body and children have ended. What is spawned into a group that is not open is dropped at
/// once, and its [`Child`] says that it was cancelled.
pub struct TaskGroup<E = Infallible> {
    pub(super) shared: Arc<Shared<E>>,
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

// What a panic interrupts is the children's and the body's, and theirs alone.
impl<E> UnwindSafe for TaskGroup<E> {}
impl<E> RefUnwindSafe for TaskGroup<E> {}

impl<E> TaskGroup<E> {
    /// Spawns a child, which runs at once; if the group has a [limit](super::Builder::limit), when there is room for it. It stands in line from
    /// here on: who asks for room later gets it later.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{TaskGroup, scope};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let sum = runtime.block_on(scope(async |group: TaskGroup| {
    ///     let children: Vec<_> = (1..=10).map(|n| group.spawn(async move { Ok(n * n) })).collect();
    ///     let mut sum = 0;
    ///     for child in children {
    ///         sum += child.await.expect("nothing fails here");
    ///     }
    ///     Ok(sum)
    /// }));
    /// assert_eq!(sum.unwrap(), 385);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.spawn_at(future, Location::caller())
    }

    /// As `spawn`, for somebody whose line is known.
    pub(super) fn spawn_at<T, F>(&self, future: F, at: &'static Location<'static>) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.spawn_as(future, Label::at(at))
    }

    /// As `spawn`, of one that has a name.
    pub(super) fn spawn_as<T, F>(&self, future: F, label: Label) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.shared.spawn(future, Room::New, label)
    }

    /// Spawns a child with a name, which reports show.
    pub fn build_task(&self) -> ChildBuilder<'_, E> {
        ChildBuilder::new(self)
    }

    /// Runs a closure that blocks on a thread of the runtime's pool, as a child; see [`task::spawn_blocking`](crate::task::spawn_blocking()). With a
    /// [limit](super::Builder::limit) it waits for room like every child.
    ///
    /// **A job that has begun cannot be stopped**: neither by a cancel of the group nor by [`Child::abort`](super::Child::abort). The scope waits for it, grace or no grace,
    /// and says so after a while. One that takes long should look at [`group::token`](super::token()) from time to time, which is the scope's inside the
    /// closure. One that has not begun is dropped.
    ///
    /// # Cancellation
    /// **Detached.** Dropping the [`Child`] changes nothing for the job.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{TaskGroup, scope, token};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let sums = runtime.block_on(scope(async |group: TaskGroup| {
    ///     let sum = group.spawn_blocking(|| Ok((1..=1_000_000u64).sum::<u64>())).await.expect("it does not fail");
    ///     let polite = group.spawn_blocking(|| {
    ///         while !token().is_cancelled() {
    ///             std::thread::yield_now();
    ///         }
    ///         Ok(())
    ///     });
    ///     drop(polite);
    ///     group.cancel(); // and it is waited for
    ///     Ok(sum)
    /// }));
    /// assert_eq!(sums.unwrap(), 500_000_500_000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<T, J>(&self, job: J) -> Child<T>
    where
        J: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.shared.spawn_job(job, Label::at(Location::caller()))
    }

    /// Waits until there is room for one more child, then spawns it: so that who makes work goes no faster than it is done.
    /// Those who wait get room in the order in which they came, children that wait for it included: a child came when it was spawned, this
    /// future when it was first polled. A cancel ends the wait: the child is refused then.
    ///
    /// One that is leaked while it waits (`mem::forget`) keeps its place in the line: nobody behind it gets room until the group is cancelled.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future drops the child's, which was not spawned.
    ///
    /// # Examples
    /// ```
    /// use mainspring::{group::Builder, task::yield_now};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let running = Arc::new(AtomicUsize::new(0));
    /// let most = Arc::new(AtomicUsize::new(0));
    /// let done = runtime.block_on(Builder::new().limit(3).scope(async |group| {
    ///     for _ in 0..20 {
    ///         let (running, most) = (running.clone(), most.clone());
    ///         let child = group.spawn_wait(async move {
    ///             most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    ///             yield_now().await;
    ///             running.fetch_sub(1, Ordering::Relaxed);
    ///             Ok::<_, std::io::Error>(())
    ///         });
    ///         drop(child.await);
    ///     }
    ///     Ok(())
    /// }));
    /// assert!(done.is_ok() && most.load(Ordering::Relaxed) <= 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_wait<T, F>(&self, future: F) -> SpawnWait<'_, F, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.spawn_wait_as(future, Label::at(Location::caller()))
    }

    /// As `spawn_wait`, of one that has a name.
    pub(super) fn spawn_wait_as<F>(&self, future: F, label: Label) -> SpawnWait<'_, F, E> {
        SpawnWait { group: &self.shared, future: Some(future), room: Room::New, place: Place::new(), label }
    }

    /// Spawns a child if there is room for one more and nobody waits for it.
    ///
    /// # Errors
    /// Gives the future back if there is none, or if the group is not open.
    #[track_caller]
    pub fn try_spawn<T, F>(&self, future: F) -> Result<Child<T>, F>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        if !self.is_open() {
            return Err(future);
        }
        match self.shared.book.try_room() {
            Some(room) => Ok(self.shared.spawn(future, room, Label::at(Location::caller()))),
            None => Err(future),
        }
    }

    /// Asks body and children to end: [`cancelled`](Self::cancelled) resolves in each, and those who have not ended when the
    /// [grace](super::Builder::grace) is over are dropped. A body that still gives its value makes the scope give it, too: to
    /// stop what only helped is no failure.
    pub fn cancel(&self) {
        self.shared.ask(None);
    }

    /// As [`cancel`](Self::cancel), with a message for whoever reads the cause.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) {
        self.shared.ask(Some(message.into()));
    }

    /// Waits until the group is asked to end, and gives the cause: for a child that has something to clean up.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{Builder, TaskGroup};
    /// use mainspring::time::{Duration, sleep};
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// let scope = Builder::new().grace(Duration::from_secs(1)).scope(async |group: TaskGroup| {
    ///     let inside = group.clone();
    ///     let child = group.spawn(async move {
    ///         inside.cancelled().await;
    ///         sleep(Duration::from_millis(100)).await; // says good-bye
    ///         Ok("cleaned up")
    ///     });
    ///     group.cancel();
    ///     Ok(child.await.expect("it had the time"))
    /// });
    /// assert_eq!(runtime.block_on(scope).unwrap(), "cleaned up");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn cancelled(&self) -> Cancelled<'_> {
        self.shared.token.cancelled()
    }

    /// The group's token, to listen to elsewhere. To cancel it is to cancel the group.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.shared.token
    }

    /// When the group will be cancelled, by its own deadline or by one around it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.deadline
    }

    /// May children be spawned?
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.token.is_cancelled() && self.shared.book.phase() == Phase::Open
    }

    /// Have body and children ended?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.book.phase() == Phase::Closed
    }

    /// How many children are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.book.len()
    }

    /// Is no child alive?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.shared.book.phase() {
            Phase::Open if self.shared.token.is_cancelled() => Phase::Closing,
            phase => phase,
        };
        f.debug_struct("TaskGroup").field("phase", &phase).field("children", &self.len()).finish()
    }
}

/// The future of [`TaskGroup::spawn_wait`].
#[must_use = "a future does nothing until it is awaited"]
pub struct SpawnWait<'a, F, E> {
    group: &'a Arc<Shared<E>>,
    /// `None` once it is spawned.
    future: Option<F>,
    room: Room,
    /// Among those who hear of a cancel.
    place: Place,
    /// Its name, and the user's line.
    label: Label,
}

/// The child's future is not polled here.
impl<F, E> Unpin for SpawnWait<'_, F, E> {}

impl<F, T, E> Future for SpawnWait<'_, F, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Child<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Child<T>> {
        let this = &mut *self;
        let group = this.group;
        // After a cancel there is nothing to wait for: the child is refused.
        if group.has_limit
            && !group.token.is_cancelled()
            && !group.book.poll_room(&mut this.room, cx.waker())
            && this.place.poll(&group.token, SOFT, cx.waker()).is_pending()
        {
            wait::note(Wait { kind: WaitKind::Room, object: 0, at: this.label.at });
            return Poll::Pending;
        }
        let future = this.future.take().expect("this `SpawnWait` has spawned its child already");
        let room = std::mem::replace(&mut this.room, Room::New);
        let label = Label { name: this.label.name.take(), at: this.label.at };
        Poll::Ready(this.group.spawn(future, room, label))
    }
}

impl<F, E> Drop for SpawnWait<'_, F, E> {
    fn drop(&mut self) {
        self.place.leave(&self.group.token);
        self.group.book.give_room_back(std::mem::replace(&mut self.room, Room::New));
    }
}

impl<F, E> fmt::Debug for SpawnWait<'_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWait").field("room", &self.room).finish_non_exhaustive()
    }
}
