//! TSK-19, 20, 21, 22: futures that do things when they are dropped, and large, small, aligned and many ones.
//!
//! Cases of the catalogue: TSK-19, TSK-20, TSK-21, TSK-22.

use super::{Counts, OnDrop, WAYS, Way};
use crate::{Watch, builders, in_child, result_of, until};
use mainspring::runtime::{Builder, Handle};
use mainspring::task::{CancelCause, JoinHandle, spawn_local, try_id, yield_now};
use mainspring::time::{Duration, sleep};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::marker::PhantomPinned;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::{mem, ptr, thread};

/// How a future comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ready,
    Panic,
    Abort,
    Shutdown,
}

/// What the drop of a future has found.
struct Found {
    id: Option<mainspring::task::Id>,
    in_runtime: bool,
    spawned: JoinHandle<()>,
}

#[test]
fn tsk_19_the_drop_of_a_future_may_ask_where_it_is_and_spawn_and_make_timers() {
    for end in [End::Ready, End::Panic, End::Abort, End::Shutdown] {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            for way in WAYS {
                let (say, found) = mpsc::channel();
                let guard = OnDrop(move || {
                    drop(sleep(Duration::from_secs(1)));
                    let spawned = mainspring::spawn(async {});
                    say.send(Found { id: try_id(), in_runtime: Handle::try_current().is_ok(), spawned }).unwrap();
                });
                let counts = Counts::default();
                let future = counts.count(async move {
                    let _guard = guard;
                    yield_now().await;
                    match end {
                        End::Ready => {}
                        End::Panic => resume_unwind(Box::new("planned")),
                        End::Abort | End::Shutdown => pending().await,
                    }
                });
                let id = runtime.block_on(async {
                    let task = way.spawn(future);
                    let id = task.id();
                    until(|| counts.polls() == 2).await;
                    if end == End::Abort {
                        task.abort();
                    }
                    if end != End::Shutdown {
                        assert_eq!(task.await.is_ok(), end == End::Ready, "{flavour}, {way:?}, {end:?}");
                    }
                    id
                });
                let found =
                    if end == End::Shutdown && way == Way::Anywhere { None } else { Some(found.recv().unwrap()) };
                if let Some(Found { id: seen, in_runtime, spawned }) = found {
                    assert_eq!((seen, in_runtime), (Some(id), true), "{flavour}, {way:?}, {end:?}");
                    assert!(runtime.block_on(spawned).is_ok(), "{flavour}, {way:?}, {end:?}");
                }
            }
            drop(runtime);
            watch.assert_freed();
        }
    }
}

#[test]
fn tsk_19_what_a_drop_spawns_at_shutdown_is_cancelled_before_its_first_poll() {
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let (say, found) = mpsc::channel();
        let (counts, late) = (Counts::default(), Counts::default());
        let guard = OnDrop({
            let late = late.clone();
            move || say.send((try_id(), mainspring::spawn(late.count(async {})))).unwrap()
        });
        let id = runtime.block_on(async {
            let task = mainspring::spawn(counts.count(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
            until(|| counts.polls() == 1).await;
            task.id()
        });
        drop(runtime);
        let (seen, spawned) = found.recv().unwrap();
        assert_eq!(seen, Some(id), "{flavour}");
        let error = result_of(spawned).unwrap_err();
        assert_eq!((error.cancel_cause(), error.had_started()), (Some(CancelCause::Shutdown), false), "{flavour}");
        assert_eq!((late.polls(), late.futures_dropped()), (0, 1), "{flavour}");
        watch.assert_freed();
    }
}

#[test]
fn tsk_19_a_local_task_that_spawns_another_when_it_is_dropped_does_not_keep_block_on_from_returning() {
    in_child(|| {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            let late = Counts::default();
            runtime.block_on(async {
                let late = late.clone();
                let guard = OnDrop(move || drop(spawn_local(late.count(pending::<()>()))));
                drop(spawn_local(async move {
                    let _guard = guard;
                    pending::<()>().await;
                }));
                yield_now().await;
            });
            assert_eq!(late.futures_dropped(), 1, "{flavour}");
            drop(runtime);
            watch.assert_freed();
        }
    });
}

#[test]
fn tsk_19_a_local_task_dropped_by_a_shutdown_is_told_so() {
    let (runtime, watch) = Watch::build(Builder::new_multi_thread().workers(1));
    // On a worker's own thread, where local tasks live as long as the runtime.
    let (say, handles) = mpsc::channel();
    drop(runtime.spawn(async move {
        say.send(spawn_local(pending::<()>())).unwrap();
    }));
    let local = handles.recv().unwrap();
    drop(runtime);
    assert_eq!(result_of(local).unwrap_err().cancel_cause(), Some(CancelCause::Shutdown));
    watch.assert_freed();
}

/// So many bytes that are there from the first poll to the last.
async fn bulky<const BYTES: usize>() -> usize {
    let mut bulk = [1_u8; BYTES];
    yield_now().await;
    bulk[BYTES / 2] = 2;
    yield_now().await;
    bulk.iter().map(|&byte| usize::from(byte)).sum()
}

#[test]
fn tsk_20_a_future_of_a_mebibyte_is_a_task_like_any_other() {
    const MIB: usize = 1 << 20;
    // A future is moved into its task by value, which without optimisation takes some copies of it on the stack.
    let roomy = thread::Builder::new().stack_size(64 * MIB);
    let spawner = roomy.spawn(|| {
        for (flavour, builder) in builders() {
            let (runtime, watch) = Watch::build(builder);
            let outside = runtime.spawn(bulky::<MIB>());
            assert_eq!(runtime.block_on(outside).unwrap(), MIB + 1, "{flavour}");
            drop(runtime);
            watch.assert_freed();
        }
    });
    spawner.unwrap().join().unwrap();
}

#[test]
fn tsk_20_a_boxed_future_of_eight_mebibytes_is_spawned_from_a_stack_of_256_kibibytes() {
    const SIZE: usize = 8 << 20;
    let roomy = thread::Builder::new().stack_size(8 * SIZE).spawn(|| Box::pin(bulky::<SIZE>()));
    let boxed = roomy.unwrap().join().unwrap();
    let runtime = Builder::new_multi_thread().workers(1).thread_stack_size(256 << 10).build().unwrap();
    let handle = runtime.handle().clone();
    let narrow = thread::Builder::new().stack_size(256 << 10).spawn(move || handle.spawn(boxed));
    let task = narrow.unwrap().join().unwrap();
    assert_eq!(runtime.block_on(task).unwrap(), SIZE + 1);
}

/// A future that looks where it stands at every poll.
#[derive(Default)]
struct Standing<A> {
    seen: Cell<usize>,
    polls: Cell<usize>,
    _aligned: A,
    /// It must not be moved, and says so.
    _pinned: PhantomPinned,
}

#[derive(Default)]
#[repr(align(4096))]
struct Page;

impl<A> Future for Standing<A> {
    /// Whether the address was good at every poll.
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let here = ptr::from_ref(self.as_ref().get_ref()).addr();
        let polls = self.polls.replace(self.polls.get() + 1);
        if !here.is_multiple_of(align_of::<Self>()) || (polls > 0 && self.seen.get() != here) {
            return Poll::Ready(false);
        }
        self.seen.set(here);
        cx.waker().wake_by_ref();
        if polls < 5 { Poll::Pending } else { Poll::Ready(true) }
    }
}

/// A future of no size.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[test]
fn tsk_21_futures_of_no_size_of_a_pages_alignment_and_pinned_ones_stand_where_they_must() {
    assert_eq!((size_of::<Nothing>(), align_of::<Standing<Page>>()), (0, 4_096));
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        runtime.block_on(async {
            for way in WAYS {
                let nothings: Vec<_> = (0..10).map(|_| way.spawn(Nothing)).collect();
                let pinned: Vec<_> = (0..10).map(|_| way.spawn(Standing::<()>::default())).collect();
                let pages: Vec<_> = (0..10).map(|_| way.spawn(Standing::<Page>::default())).collect();
                for task in nothings {
                    task.await.unwrap();
                }
                for task in pinned.into_iter().chain(pages) {
                    assert!(task.await.unwrap(), "{flavour}, {way:?}");
                }
                // An output that is larger and stricter than the future it comes from.
                let page = way.spawn(async { Standing::<Page>::default() }).await.unwrap();
                assert_eq!(ptr::from_ref(&page).addr() % 4_096, 0);
            }
        });
        drop(runtime);
        watch.assert_freed();
    }
}

#[test]
fn tsk_22_a_hundred_thousand_parked_tasks_are_all_woken_and_all_joined() {
    const TASKS: usize = 100_000;
    for (flavour, builder) in builders() {
        let (runtime, watch) = Watch::build(builder);
        let counts = Counts::default();
        let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
        runtime.block_on(async {
            let park = |n: usize| {
                let wakers = wakers.clone();
                let mut parked = false;
                poll_fn(move |cx| {
                    if mem::replace(&mut parked, true) {
                        return Poll::Ready(n);
                    }
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::Pending
                })
            };
            let tasks: Vec<_> = (0..TASKS).map(|n| mainspring::spawn(counts.count(park(n)))).collect();
            until(|| wakers.lock().unwrap().len() == TASKS).await;
            let all = mem::take(&mut *wakers.lock().unwrap());
            all.into_iter().for_each(Waker::wake);
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n, "{flavour}");
            }
        });
        assert_eq!((counts.polls(), counts.futures_dropped()), (2 * TASKS, TASKS), "{flavour}");
        drop(runtime);
        watch.assert_freed();
    }
}
