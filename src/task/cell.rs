#![allow(unsafe_code, reason = "erases the future's type and hands out plain pointers to cells")]
//! The cell: header and future in one allocation, and the four tokens through which everybody else handles it.
//!
//! ```text
//!    spawn ──> Queued ──run──> Idle                         (T1: nobody owes anything)
//!                 ^    ├─────> Again(Queued)                (push it at the back)
//!                 │    └─────> Finished ──complete──> done, or Dead ──bury──> done
//!    wake ────────┘
//! ```
//!
//! The tokens cannot be copied, so safe code can neither run a task twice nor finish it twice. `Finished` exists because
//! the registry must be left before the last reference goes, and only the caller knows whether it stands on the home
//! worker's thread (then it unlinks and completes in one step) or elsewhere (then it sends a [`Dead`] home).

use super::birth::Birth;
use super::error::{CancelCause, JoinError};
use super::header::{CURRENT, Flags, Header, Links};
use super::join::JoinHandle;
use super::state::{AfterDrop, AfterPoll, AfterWake, Completion, StartPoll, State};
use super::{Id, budget, pool, wait, waker};
use crate::base::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell};
use crate::base::context;
use crate::base::quiet::{bury, drop_quietly, quietly};
use std::alloc::Layout;
use std::any::Any;
use std::cell::Cell as StdCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

/// The scheduler part that a task belongs to: where its wakes go, and who is told of its end.
///
/// # Safety
/// An implementor stays where it is, alive, until `cell_freed` was called once for each `cell_born` (T7).
pub(crate) unsafe trait Schedule: Sized + 'static {
    /// The task was woken; run it soon.
    fn schedule(&self, task: Queued);
    /// A panic that no join handle will ever see.
    fn unhandled_panic(&self, task: &Header, payload: &(dyn Any + Send));
    /// One more cell points here.
    fn cell_born(&self);
    /// One cell less points here. It may have been the last thing that kept `home` alive.
    ///
    /// # Safety
    /// Called once for each `cell_born`; `home` is not used by the caller afterwards.
    unsafe fn cell_freed(home: NonNull<Self>);
}

/// What depends on the types of the future and of its home.
pub(super) struct VTable {
    run: unsafe fn(NonNull<Header>) -> Ran,
    /// Moves the output to the place given, a `Result<T, JoinError>`.
    pub(super) take_output: unsafe fn(NonNull<Header>, NonNull<()>),
    /// Drops an output that nobody will read; a panic in it goes to the hook.
    pub(super) discard_output: unsafe fn(NonNull<Header>),
    schedule: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
}

/// Header first, so that a pointer to one is a pointer to the other.
#[repr(C)]
struct Cell<F: Future, S> {
    header: Header,
    /// T2 and T4 say whose it is; `state` says which of the two it holds.
    stage: UnsafeCell<Stage<F>>,
    home: PhantomData<fn() -> S>,
}

/// The future until DONE, then the output until it is taken, then nothing. There is no tag: the state word knows.
/// `repr(C)`: both stand at its address, so a pointer to it is a pointer to whichever is there.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// The right and the duty to run a task once (T6). Dropping it without running would strand the task, so nobody does.
#[derive(Debug)]
#[must_use = "a queued task must be pushed or run"]
pub(crate) struct Queued(NonNull<Header>);

// SAFETY: a task of a Send future may run on any thread. One of a local future is only ever pushed to the thread it
// belongs to: its home's `schedule` sees to that (see `sched::local`).
unsafe impl Send for Queued {}

/// How a run ended.
#[must_use]
pub(crate) enum Ran {
    /// It waits for a wake; the word says what for, see `wait`. The task itself may be gone by now.
    Idle(u64),
    /// It was woken meanwhile: push it.
    Again(Queued),
    /// Its future is gone and its output written; RUNNING is still held.
    Finished(Finished),
}

/// A task whose future is gone, on its way out of the registry.
#[must_use = "a finished task must be completed"]
pub(crate) struct Finished(NonNull<Header>);

/// A finished task whose registry reference is still held, on its way home.
#[derive(Debug)]
#[must_use = "a dead task must be buried by its home"]
pub(crate) struct Dead(NonNull<Header>);

// SAFETY: what is left of a dead task is its header and its reference count, which belong to no thread; the output, if
// any, belongs to the join handle.
unsafe impl Send for Dead {}

/// A counted reference, as handles hold it.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a reference reaches the header only, which is Sync; the output is reached through `JoinHandle<T>`, which is
// Send and Sync only if `T` is Send.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

// What a panic interrupts is user code, and that only ever runs while the task is in a state that allows for it.
impl UnwindSafe for TaskRef {}
impl RefUnwindSafe for TaskRef {}

/// Makes a task of a future that may run on any thread.
#[inline]
pub(crate) fn spawn_cell<F, S>(future: F, home: &S, birth: Birth) -> (Queued, JoinHandle<F::Output>)
where
    F: Future<Output: Send + 'static> + Send + 'static,
    S: Schedule + Sync,
{
    // SAFETY: the future is Send, so no thread is wrong.
    unsafe { spawn_cell_local(future, home, birth) }
}

/// Makes a task of a future that must not leave this thread.
///
/// # Safety
/// Unless the future is Send, `home` hands the task to nobody but this thread.
#[inline]
pub(crate) unsafe fn spawn_cell_local<F, S>(future: F, home: &S, birth: Birth) -> (Queued, JoinHandle<F::Output>)
where
    F: Future + 'static,
    S: Schedule,
{
    home.cell_born();
    let block = pool::allocate(Layout::new::<Cell<F, S>>()).cast::<Cell<F, S>>();
    // Written field by field into its place: built on the stack and copied, the header costs 4 ns more, since the copy's
    // wide loads must wait for the narrow stores before them.
    // SAFETY: `allocate` gave a block of this layout that nobody else points at.
    unsafe {
        block.write(Cell {
            header: new_header::<F, S>(home, birth),
            stage: UnsafeCell::new(Stage { future: ManuallyDrop::new(future) }),
            home: PhantomData,
        });
    }
    (Queued(block.cast()), JoinHandle::new(TaskRef(block.cast())))
}

#[inline(always)]
fn new_header<F: Future + 'static, S: Schedule>(home: &S, birth: Birth) -> Header {
    Header {
        state: State::spawned(),
        vtable: const {
            &VTable {
                run: run::<F, S>,
                take_output: take_output::<F, S>,
                discard_output: discard_output::<F, S>,
                schedule: schedule::<S>,
                free: free::<F, S>,
            }
        },
        home: AtomicPtr::new(ptr::from_ref(home).cast_mut().cast()),
        links: Links::new(),
        join_waker: UnsafeCell::new(None),
        id: birth.id,
        spawned_at: birth.spawned_at,
        extra: birth.extra,
        parent: birth.parent,
        wait_at: AtomicPtr::new(ptr::null_mut()),
        wait_for: AtomicU64::new(0),
        woken_by: AtomicU64::new(0),
        polls: AtomicU32::new(0),
        wakes: AtomicU32::new(0),
        born_ms: birth.born_ms,
        flags: StdCell::new(Flags { daemon: birth.daemon, linked: false, is_job: birth.is_job, no_thread: false }),
    }
}

impl Queued {
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: by T2 and T3 a queued task's cell is alive: only we can finish it.
        unsafe { self.0.as_ref() }
    }

    /// For queues made of plain pointers.
    #[inline]
    pub(crate) fn into_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// Back from such a queue.
    ///
    /// # Safety
    /// `task` came from `into_ptr`, and this is the only token made of it since.
    #[inline]
    pub(crate) unsafe fn from_ptr(task: *mut Header) -> Self {
        // SAFETY: `into_ptr` gave a pointer that is not null.
        Self(unsafe { NonNull::new_unchecked(task) })
    }

    /// Polls the future, or drops it if the task was aborted. User code runs here, and a panic in it ends here.
    #[inline]
    pub(crate) fn run(self) -> Ran {
        let run = self.header().vtable.run;
        // SAFETY: the vtable belongs to this cell's types, and the token says that we dequeued it.
        unsafe { run(self.0) }
    }

    /// Marks the task for dropping; whoever runs it next drops the future. For queues that are being emptied.
    pub(crate) fn cancel_for_shutdown(&self) {
        let after = self.header().state.abort(true);
        debug_assert!(after == AfterWake::Nothing, "it is queued already");
    }
}

impl Finished {
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the registry's reference is still held (T3).
        unsafe { self.0.as_ref() }
    }

    /// The task has left its registry (or never stood in one): done, and its reference goes.
    #[inline]
    pub(crate) fn complete(self) {
        match self.finish(true) {
            Completion::Released(AfterDrop::Shared) => {}
            Completion::Released(AfterDrop::Free) => free_cell(self.0),
            Completion::Held { .. } => drop(TaskRef(self.0)),
            Completion::Unjoined => unreachable!("`finish` has dropped the output"),
        }
    }

    /// The task still stands in its home's registry, on another thread: done, and the rest goes home.
    pub(crate) fn complete_away(self) -> Dead {
        let _ = self.finish(false);
        Dead(self.0)
    }

    /// Turns DONE on, drops an output nobody will read, and wakes the joiner.
    #[inline]
    fn finish(&self, release: bool) -> Completion {
        let header = self.header();
        let mut completion = header.state.complete(false, release);
        if completion == Completion::Unjoined {
            // SAFETY: by T4 the output is ours while JOIN is off, and JOIN never comes back.
            unsafe { (header.vtable.discard_output)(self.0) };
            completion = header.state.complete(true, release);
        }
        if completion == (Completion::Held { join_waker: true }) {
            // SAFETY: by T5 the slot is ours from the moment DONE was turned on with JOIN_WAKER on.
            let joiner = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
            joiner.into_iter().for_each(|joiner| quietly(|| joiner.wake()));
        }
        completion
    }
}

impl Dead {
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the registry's reference is still held.
        unsafe { self.0.as_ref() }
    }

    /// The home has taken it out of the registry: the reference goes.
    pub(crate) fn bury(self) {
        drop(TaskRef(self.0));
    }
}

impl TaskRef {
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    /// One more reference to a task that somebody keeps alive.
    pub(super) fn of(header: &Header) -> Self {
        header.state.add_reference();
        Self(NonNull::from(header))
    }

    pub(super) fn as_non_null(&self) -> NonNull<Header> {
        self.0
    }

    /// Gives the pointer up without giving the reference back.
    pub(super) fn into_non_null(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    /// The caller owns one reference to the task, which this takes over.
    pub(super) unsafe fn from_non_null(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Aborts the task; it is dropped where it would have run.
    pub(crate) fn abort(&self) {
        abort(self.header(), false);
    }

    /// Gives the reference back when nobody else is likely to hold one; see `State::drop_last_or_shared`.
    #[inline]
    pub(super) fn release_last(self) {
        let task = self.into_non_null();
        // SAFETY: the reference that `self` held is given back only in this line.
        if unsafe { task.as_ref() }.state.drop_last_or_shared() == AfterDrop::Free {
            free_cell(task);
        }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::of(self.header())
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        if self.header().state.drop_reference() == AfterDrop::Free {
            free_cell(self.0);
        }
    }
}

/// Aborts a task that the caller knows to be alive, because its registry is the caller's.
pub(crate) fn abort(header: &Header, shutdown: bool) {
    header.note_waker();
    if header.state.abort(shutdown) == AfterWake::Push {
        push(NonNull::from(header));
    }
}

/// QUEUED was just turned on in an idle task by the caller (T1): counts the wake and pushes.
#[inline]
pub(super) fn push(task: NonNull<Header>) {
    // SAFETY: by T1 nobody else may dequeue and finish the task before it is pushed, so the registry keeps it alive.
    let header = unsafe { task.as_ref() };
    header.count_wake();
    header.note_waker();
    // SAFETY: the vtable belongs to this cell's types.
    unsafe { (header.vtable.schedule)(task) };
}

#[inline]
pub(super) fn free_cell(task: NonNull<Header>) {
    // SAFETY: `AfterDrop::Free` went to our caller alone, so the cell is alive and ours.
    let free = unsafe { task.as_ref() }.vtable.free;
    // SAFETY: as above; future and output are gone (T3, T4).
    unsafe { free(task) };
}

/// # Safety
/// `task` is a cell of these types, and the caller has dequeued it.
unsafe fn run<F: Future + 'static, S: Schedule>(task: NonNull<Header>) -> Ran {
    // SAFETY: the caller's promise; the registry keeps the cell alive until `Finished` is completed.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let header = &cell.header;
    let start = if header.has_started() { header.state.start_poll() } else { header.state.start_first_poll() };
    match start {
        StartPoll::Cancel { shutdown } => {
            cancel(cell, shutdown);
            Ran::Finished(Finished(task))
        }
        StartPoll::Poll => {
            let polled = CURRENT.scope(header, || poll_future(cell));
            let woke_itself = context::end_poll();
            match polled {
                Poll::Ready(()) => Ran::Finished(Finished(task)),
                Poll::Pending => after_pending(Queued(task), woke_itself),
            }
        }
    }
}

/// The poll said Pending: does the task go back into the queue at once?
#[inline]
fn after_pending(task: Queued, woke_itself: bool) -> Ran {
    let header = task.header();
    if woke_itself {
        header.count_wake();
        header.state.end_poll_woken();
        return Ran::Again(task);
    }
    // Read while the task is ours.
    let waits_for = wait::word(header);
    match header.state.end_poll() {
        AfterPoll::Idle => Ran::Idle(waits_for),
        AfterPoll::Push => {
            task.header().count_wake();
            Ran::Again(task)
        }
    }
}

/// Polls once. When it says Ready the future is gone and the output is in its place.
#[inline]
fn poll_future<F: Future + 'static, S: Schedule>(cell: &Cell<F, S>) -> Poll<()> {
    cell.header.count_poll();
    context::begin_poll(budget::OPERATIONS_PER_POLL);
    let waker = waker::lend(&cell.header);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: we hold RUNNING, so by T2 the stage is ours and holds the future.
        let future = cell.stage.with_mut(|stage| unsafe { &mut *stage.cast::<F>() });
        // SAFETY: it has not moved since spawn, and is dropped in its place.
        let future = unsafe { Pin::new_unchecked(future) };
        future.poll(&mut Context::from_waker(&waker))
    }));
    match polled {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => {
            if let Err(payload) = drop_future(cell) {
                // The task has its output; the panic of its remains is nobody's result, so it goes to the hook.
                unhandled::<S>(&cell.header, payload);
            }
            store(cell, Ok(output))
        }
        Err(payload) => {
            give_up(cell, payload);
            Poll::Ready(())
        }
    }
}

// What depends on the type of the future is compiled once for each type a program spawns. So what most tasks never come to
// stays out of `run`, and what does not need the type is in functions that have none: 3.6 kB a type, where it was 4.3.

/// Drops the future of a task that panicked, and stores why there is no output.
#[cold]
#[inline(never)]
fn give_up<F: Future + 'static, S: Schedule>(cell: &Cell<F, S>, payload: Box<dyn Any + Send>) {
    if let Err(second) = drop_future(cell) {
        unhandled::<S>(&cell.header, second);
    }
    let _ = store(cell, Err(JoinError::panicked(cell.header.public_id(), payload)));
}

/// Drops the future of an aborted task, with the task as the current one, and stores why there is no output.
#[cold]
#[inline(never)]
fn cancel<F: Future + 'static, S: Schedule>(cell: &Cell<F, S>, shutdown: bool) {
    let cause = cause_of(&cell.header, shutdown);
    let dropped = CURRENT.scope(&cell.header, || drop_future(cell));
    let _ = store(cell, Err(why_gone(&cell.header, cause, dropped)));
}

fn cause_of(header: &Header, shutdown: bool) -> CancelCause {
    // ORDER: Relaxed, written before QUEUED was turned on by whoever aborted; `start_poll` has acquired that.
    let by = Id::from_u64(header.woken_by.load(Ordering::Relaxed));
    match header.flags.get() {
        Flags { no_thread: true, .. } => CancelCause::NoThread,
        _ if shutdown => CancelCause::Shutdown,
        _ => CancelCause::Aborted { by },
    }
}

fn why_gone(header: &Header, cause: CancelCause, dropped: Result<(), Box<dyn Any + Send>>) -> JoinError {
    match dropped {
        Ok(()) => JoinError::cancelled(header.public_id(), cause, header.has_started()),
        Err(payload) => JoinError::panicked(header.public_id(), payload),
    }
}

/// Drops the future in place; a panic in it is caught and given back.
fn drop_future<F: Future + 'static, S>(cell: &Cell<F, S>) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: we hold RUNNING and the future was there (T2); it is never touched again.
        cell.stage.with_mut(|stage| unsafe { ptr::drop_in_place(stage.cast::<F>()) });
    }))
}

/// Writes the output where the future was.
#[inline]
fn store<F: Future, S>(cell: &Cell<F, S>, output: Result<F::Output, JoinError>) -> Poll<()> {
    // SAFETY: we hold RUNNING and the future is gone, so the place is ours and empty.
    cell.stage.with_mut(|stage| unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) });
    Poll::Ready(())
}

/// Reports a panic to the home's hook; a hook that panics itself is not heard.
#[cold]
fn unhandled<S: Schedule>(header: &Header, payload: Box<dyn Any + Send>) {
    let home = NonNull::new(header.home().cast_mut()).expect("every task has a home").cast::<S>();
    // SAFETY: by T7 the home outlives the cell.
    let home = unsafe { home.as_ref() };
    // Lent, and buried after: a payload whose destructor panics while a panic of the hook unwinds would end the process.
    quietly(|| home.unhandled_panic(header, &*payload));
    bury(payload);
}

/// # Safety
/// `task` is a cell of these types, `to` is a place for its result, and the output is the caller's (T4).
unsafe fn take_output<F: Future, S>(task: NonNull<Header>, to: NonNull<()>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: the output is there and the caller's to move out, once.
    let output = cell.stage.with(|stage| unsafe { ptr::read(stage.cast::<Result<F::Output, JoinError>>()) });
    // SAFETY: the caller's promise about `to`.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(output) };
}

/// # Safety
/// `task` is a cell of these types, and the output is the caller's (T4).
unsafe fn discard_output<F: Future, S: Schedule>(task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: the output is there and the caller's to move out, once.
    let output = cell.stage.with(|stage| unsafe { ptr::read(stage.cast::<Result<F::Output, JoinError>>()) });
    match output {
        Err(error) => discard_error::<S>(&cell.header, error),
        Ok(value) => {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                unhandled::<S>(&cell.header, payload);
            }
        }
    }
}

#[cold]
fn discard_error<S: Schedule>(header: &Header, error: JoinError) {
    if let Ok(payload) = error.try_into_panic() {
        unhandled::<S>(header, payload);
    }
}

/// # Safety
/// `task` is a cell with a home of this type, and the caller has just turned QUEUED on (T1).
unsafe fn schedule<S: Schedule>(task: NonNull<Header>) {
    // SAFETY: T1 keeps the cell alive until it is pushed.
    let home = unsafe { task.as_ref() }.home().cast::<S>();
    // SAFETY: by T7 the home outlives the cell, and what it does after the push touches the home alone.
    unsafe { (*home).schedule(Queued(task)) };
}

#[cold]
fn drop_belongings(header: &mut Header) {
    // A task-local of the user's may go with it.
    drop_quietly(header.extra.take());
    // SAFETY: a mutable reference means that nobody else looks.
    let left = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
    drop_quietly(left);
}

/// # Safety
/// `task` is a cell of these types and the caller alone still knows it; future and output are gone.
unsafe fn free<F: Future, S: Schedule>(task: NonNull<Header>) {
    let cell = task.cast::<Cell<F, S>>();
    // SAFETY: the caller's promise: alive, and nobody else looks.
    let header = unsafe { &mut (*cell.as_ptr()).header };
    let home = NonNull::new(header.home().cast_mut()).expect("every task has a home").cast::<S>();
    // Of all the fields these two own something. The slot is empty by T5, unless cloning a waker panicked on the way.
    // SAFETY: as above.
    if header.extra.is_some() || header.join_waker.with(|slot| unsafe { (*slot).is_some() }) {
        drop_belongings(header);
    }
    // SAFETY: the block came from `allocate` with this layout, and nobody points at it any more.
    unsafe { pool::release(cell.cast(), Layout::new::<Cell<F, S>>()) };
    // SAFETY: once for the `cell_born` of this cell's birth.
    unsafe { S::cell_freed(home) };
}
