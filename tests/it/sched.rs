//! Scheduling as far as it is logic: order, fairness, and where `block_on` may be called. Nothing here waits for time; what
//! needs several real workers, or a process of its own, is in `tests/real`.
//!
//! Cases of the catalogue: MIS-02, MIS-03, SCH-01, SCH-02, SCH-06, SCH-07, SCH-16.

use super::{builders, message_of, panic_quietly, runtimes};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{JoinHandle, yield_now};
use mainspring::time::{Duration, sleep};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Current thread, and simulations of many seeds: whatever the order, it must hold.
fn one_threaded() -> impl Iterator<Item = Runtime> {
    let simulated = (0..64).map(|seed| Builder::new_simulated(seed).build().unwrap());
    [current_thread()].into_iter().chain(simulated)
}

async fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for handle in handles {
        outputs.push(handle.await.unwrap());
    }
    outputs
}

type Log = Arc<Mutex<Vec<usize>>>;

/// Writes a number down.
fn note(log: &Log, number: usize) {
    log.lock().unwrap().push(number);
}

fn noted(log: &Log) -> Vec<usize> {
    log.lock().unwrap().clone()
}

/// Wakes the one whose waker stands in the other place, again and again.
async fn wake_each_other(me: usize, wakers: Arc<Mutex<[Option<Waker>; 2]>>, polls: Arc<AtomicU64>) {
    poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        let mut wakers = wakers.lock().unwrap();
        wakers[me] = Some(cx.waker().clone());
        let other = wakers[1 - me].take();
        drop(wakers);
        other.into_iter().for_each(Waker::wake);
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn sch_01_beside_two_that_wake_each_other_for_ever_a_third_has_its_turn() {
    for runtime in one_threaded() {
        runtime.block_on(async {
            let (wakers, polls) = (Arc::default(), Arc::new(AtomicU64::new(0)));
            let pair = [0, 1].map(|me| mainspring::spawn(wake_each_other(me, Arc::clone(&wakers), polls.clone())));
            let count = polls.clone();
            let third = mainspring::spawn(async move {
                let mut longest = 0;
                for _ in 0..200 {
                    let before = count.load(Ordering::Relaxed);
                    yield_now().await;
                    longest = longest.max(count.load(Ordering::Relaxed) - before);
                }
                longest
            });
            let longest = third.await.unwrap();
            assert!(longest <= 256, "it waited for {longest} polls of the others");
            assert!(polls.load(Ordering::Relaxed) >= 100, "the two were hardly polled");
            pair.iter().for_each(JoinHandle::abort);
        });
    }
}

#[test]
fn sch_02_a_loop_over_operations_that_are_always_ready_lets_its_siblings_run() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let over = Arc::new(AtomicUsize::new(0));
            let end = over.clone();
            // Joining what has ended and sleeping for no time are ready at once; only the poll budget ends such a poll.
            let greedy = mainspring::spawn(async move {
                let mut rounds = 0;
                while end.load(Ordering::Relaxed) == 0 {
                    sleep(Duration::ZERO).await;
                    rounds += 1;
                }
                rounds
            });
            for _ in 0..20 {
                yield_now().await;
            }
            over.store(1, Ordering::Relaxed);
            assert!(greedy.await.unwrap() >= 1, "{flavour}");
        });
    }
}

#[test]
fn sch_06_at_every_tenth_of_the_run_none_of_a_thousand_yielding_tasks_has_twice_the_progress_of_another() {
    const TASKS: usize = 1_000;
    const YIELDS: usize = 500;
    let progress: Rc<Vec<Cell<usize>>> = Rc::new((0..TASKS).map(|_| Cell::new(0)).collect());
    let tenths = Rc::new(RefCell::new(Vec::new()));
    current_thread().block_on(async {
        let tasks = (0..TASKS).map(|me| {
            let (progress, tenths) = (progress.clone(), tenths.clone());
            mainspring::spawn_local(async move {
                for _ in 0..YIELDS {
                    yield_now().await;
                    progress[me].set(progress[me].get() + 1);
                    if me == 0 && progress[me].get() % (YIELDS / 10) == 0 {
                        let (least, most) =
                            (progress.iter().min().unwrap().get(), progress.iter().max().unwrap().get());
                        tenths.borrow_mut().push((least, most));
                    }
                }
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await;
    });
    let tenths = tenths.borrow();
    assert_eq!(tenths.len(), 10);
    assert!(tenths.iter().all(|(least, most)| 2 * least >= *most), "{tenths:?}");
}

#[test]
fn sch_07_of_2560_tasks_spawned_in_one_poll_each_runs_once() {
    const TASKS: usize = 2_560;
    for (flavour, runtime) in runtimes() {
        let log = Log::default();
        runtime.block_on(async {
            let children = (0..TASKS).map(|number| {
                let log = log.clone();
                mainspring::spawn(async move { note(&log, number) })
            });
            join_all(children.collect::<Vec<_>>()).await;
        });
        let mut ran = noted(&log);
        if flavour == "current thread" {
            assert!(ran.is_sorted(), "where nobody steals, first in is first out");
        }
        ran.sort_unstable();
        assert!(ran.into_iter().eq(0..TASKS), "{flavour}: each of them, once");
    }
}

#[test]
fn sch_16_on_one_thread_tasks_begin_in_the_order_of_their_spawning_and_those_that_yield_keep_it() {
    let log = Log::default();
    current_thread().block_on(async {
        let tasks = (0..5).map(|me| {
            let log = log.clone();
            mainspring::spawn(async move {
                for round in 0..4 {
                    note(&log, 10 * round + me);
                    yield_now().await;
                }
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await;
    });
    let expected: Vec<usize> = (0..4).flat_map(|round| (0..5).map(move |me| 10 * round + me)).collect();
    assert_eq!(noted(&log), expected);
}

#[test]
fn sch_16_on_one_thread_tasks_run_in_the_order_in_which_they_were_woken() {
    let (log, wakers) = (Log::default(), Arc::new(Mutex::new(vec![None; 6])));
    let runtime = current_thread();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..6)
            .map(|me| {
                let (log, wakers, mut woken) = (log.clone(), wakers.clone(), false);
                mainspring::spawn(poll_fn(move |cx| {
                    if std::mem::replace(&mut woken, true) {
                        note(&log, me);
                        return Poll::Ready(());
                    }
                    wakers.lock().unwrap()[me] = Some(cx.waker().clone());
                    Poll::Pending
                }))
            })
            .collect();
        yield_now().await;
        let wake = |me: usize| wakers.lock().unwrap()[me].take().expect("it was polled").wake();
        // The first three from inside, the others from another thread: an inbox keeps the order too.
        [4, 0, 2].into_iter().for_each(wake);
        yield_now().await;
        thread::scope(|scope| {
            scope.spawn(|| [5, 3, 1].into_iter().for_each(wake));
        });
        join_all(tasks).await;
    });
    assert_eq!(noted(&log), [4, 0, 2, 5, 3, 1]);
}

#[test]
fn sch_16_what_is_spawned_from_outside_runs_in_the_order_of_its_spawning() {
    let (runtime, log) = (current_thread(), Log::default());
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let log = log.clone();
            runtime.spawn(async move { note(&log, number) })
        })
        .collect();
    assert_eq!(noted(&log), [0; 0], "nobody is in `block_on` yet");
    runtime.block_on(join_all(tasks));
    assert!(noted(&log).into_iter().eq(0..100));
}

/// What a panic in `body` said; it must panic.
#[track_caller]
fn panic_in<T>(body: impl FnOnce() -> T) -> String {
    message_of(catch_unwind(AssertUnwindSafe(body)).err().expect("it panics"))
}

#[test]
fn mis_02_block_on_inside_a_task_or_another_block_on_panics_with_the_cure_in_every_flavour() {
    for (flavour, runtime) in runtimes() {
        let is_cure =
            |said: String| assert!(said.contains("use `.await`, or call it from a thread"), "{flavour}: {said}");
        let handle = runtime.handle().clone();
        // In the main future, by both ways, and `run`.
        is_cure(runtime.block_on(async { panic_in(|| handle.block_on(async {})) }));
        is_cure(runtime.block_on(async { panic_in(|| runtime.run(async {})) }));
        // On another runtime: it would block this one's worker all the same.
        is_cure(runtime.block_on(async { panic_in(|| current_thread().block_on(async {})) }));
        let inner = handle.clone();
        let task = runtime.spawn(async move { panic_in(|| inner.block_on(async {})) });
        is_cure(runtime.block_on(task).unwrap());
        let inner = handle.clone();
        is_cure(runtime.block_on(async {
            mainspring::spawn_local(async move { panic_in(|| inner.block_on(async {})) }).await.unwrap()
        }));
        // Where a future is dropped counts as inside as well.
        let said = Arc::new(Mutex::new(None));
        let dropped = CallsInDrop(handle.clone(), said.clone());
        runtime.block_on(async {
            let task = mainspring::spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        });
        is_cure(said.lock().unwrap().take().expect("it was dropped"));
        assert_eq!(runtime.block_on(async { 7 }), 7, "{flavour}: and all works on");
    }
}

/// Calls `block_on` when it is dropped, and writes down what the panic said.
struct CallsInDrop(Handle, Arc<Mutex<Option<String>>>);

impl Drop for CallsInDrop {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = Some(panic_in(|| self.0.block_on(async {})));
    }
}

#[test]
fn mis_02_block_on_is_welcome_under_an_enter_guard_and_on_a_thread_of_one_s_own() {
    for (flavour, runtime) in runtimes() {
        let inside = runtime.enter();
        assert_eq!(runtime.block_on(async { 1 }), 1, "{flavour}");
        assert_eq!(current_thread().block_on(async { 2 }), 2, "{flavour}: another runtime under the guard of this one");
        drop(inside);
        // A task may wait for a thread that is in `block_on`, if somebody else runs what that waits for.
        let other = current_thread();
        let sum = runtime.block_on(async {
            let task = mainspring::spawn(async move {
                thread::spawn(move || other.block_on(async { mainspring::spawn(async { 3 }).await.unwrap() }))
                    .join()
                    .unwrap()
            });
            task.await.unwrap()
        });
        assert_eq!(sum, 3, "{flavour}");
    }
}

#[test]
fn block_on_gives_the_panic_of_its_future_to_its_caller_and_can_be_called_again() {
    for (flavour, runtime) in runtimes() {
        let said = panic_in(|| runtime.block_on(async { panic_quietly("main") }));
        assert_eq!(said, "main", "{flavour}");
        let said = panic_in(|| {
            runtime.run(async {
                drop(mainspring::spawn(pending::<()>()));
                yield_now().await;
                panic_quietly("main, with a task that never ends")
            })
        });
        assert_eq!(said, "main, with a task that never ends", "{flavour}");
        let task = runtime.spawn(async { 5 });
        assert_eq!(runtime.block_on(task).unwrap(), 5, "{flavour}");
    }
}

#[test]
fn mis_03_a_builder_refuses_what_cannot_be_and_says_what_could() {
    let refused = |builder: Builder, hint: &str| {
        let error = builder.build().expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    };
    for workers in [0, 1_025, usize::MAX] {
        refused(Builder::new_multi_thread().workers(workers), "between 1 and 1024");
    }
    for workers in [0, 2, usize::MAX] {
        refused(Builder::new_current_thread().workers(workers), "new_multi_thread");
        refused(Builder::new_simulated(1).workers(workers), "new_multi_thread");
    }
    for (flavour, builder) in builders() {
        refused(builder.thread_name("a\0b"), "NUL");
        let (_, again) = builders().into_iter().find(|(name, _)| *name == flavour).unwrap();
        refused(again.thread_stack_size(1), "at least");
    }
    // What is only strange is taken.
    for name in ["", "a name that is longer than the fifteen bytes the kernel keeps", "имя"] {
        let runtime = Builder::new_multi_thread().workers(1).thread_name(name).build().unwrap();
        let seen = runtime.spawn(async { thread::current().name().map(str::to_owned) });
        let seen = runtime.block_on(seen).unwrap();
        assert!(seen.is_none_or(|seen| seen.starts_with(name) || !seen.contains("-0")), "{name:?}");
    }
    let small = Builder::new_multi_thread().workers(2).thread_stack_size(64 << 10).build().unwrap();
    assert_eq!(small.block_on(async { mainspring::spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn run_waits_for_whatever_is_no_daemon_and_leaves_daemons_alone() {
    for (flavour, runtime) in runtimes() {
        let log = Log::default();
        let daemon = runtime.run(async {
            let mut handles = Vec::new();
            for generation in 0..3 {
                let log = log.clone();
                handles.push(mainspring::spawn(async move {
                    for _ in 0..generation {
                        yield_now().await;
                    }
                    let child = log.clone();
                    drop(mainspring::spawn(async move {
                        sleep(Duration::from_millis(1)).await;
                        drop(mainspring::spawn_local(async move { note(&child, 10) }));
                    }));
                    note(&log, generation);
                }));
            }
            handles[2].abort();
            drop(handles);
            drop(mainspring::spawn(async { panic_quietly("one that panics has ended as well") }));
            let daemon = mainspring::task::Builder::new().daemon(true).spawn(pending::<()>()).abort_handle();
            drop(mainspring::task::Builder::new().daemon(true).spawn_local(pending::<()>()).unwrap());
            daemon
        });
        let mut ran = noted(&log);
        ran.sort_unstable();
        assert_eq!(ran.iter().filter(|&&number| number == 10).count(), ran.len() / 2, "{flavour}: {ran:?}");
        assert!(ran.starts_with(&[0, 1]), "{flavour}: {ran:?}");
        assert!(!daemon.is_finished(), "{flavour}");
        drop(runtime);
        assert!(daemon.is_finished(), "{flavour}: the end of the runtime is the daemon's end");
    }
}
