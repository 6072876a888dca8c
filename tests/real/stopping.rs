//! Shutting down while others wake, wait, block, or hold on.
//!
//! Cases of the catalogue: SHD-01, SHD-02, SHD-03, SHD-04, SHD-05, SHD-06, SHD-08.

use crate::kit::{CountsDrop, Gate, Stopper, Token, bell, current_thread, echo, multi_thread, once, tcp_pair};
use crate::probe::{self, Holdings, eventually};
use mainspring::net::TcpListener;
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::yield_now;
use mainspring::time::sleep;
use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

cases! { CASES:
    60 => [
        shd_01_five_hundred_runtimes_come_and_go_under_wakes_from_outside,
        shd_02_a_runtime_may_be_dropped_in_a_task_in_a_drop_and_in_a_thread_local_s_destructor,
        shd_03_a_shutdown_with_stuck_tasks_returns_in_time_and_names_them,
        shd_04_whoever_waits_elsewhere_for_a_runtime_that_ends_hears_of_it,
        shd_05_what_is_used_after_its_runtime_says_so,
        shd_06_a_block_on_whose_runtime_is_dropped_by_another_thread_ends_or_goes_on_alone,
        shd_08_a_wake_and_the_drop_of_the_runtime_may_meet,
        a_shutdown_in_the_background_drops_every_future_all_the_same,
        spawning_after_the_end_frees_the_runtime_neither_early_nor_never,
    ],
}

/// One flavour for even numbers, the other for odd ones.
fn by_turns(number: usize) -> Runtime {
    if number.is_multiple_of(2) { current_thread() } else { multi_thread(2) }
}

fn shd_01_five_hundred_runtimes_come_and_go_under_wakes_from_outside() {
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let (bell_pull, done) = (wakers.clone(), over.clone());
    // A thread that wakes whatever it gets hold of, before, while and after its runtime ends.
    let ringer = thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            let some = bell_pull.lock().expect("nobody panics in here").clone();
            some.iter().for_each(Waker::wake_by_ref);
            thread::yield_now();
        }
    });
    let mut before = Holdings::now();
    for cycle in 0..500 {
        let runtime = by_turns(cycle);
        let dropped = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 {
            let (wakers, dropped) = (wakers.clone(), CountsDrop(dropped.clone()));
            drop(runtime.spawn(poll_fn(move |cx| {
                let _dropped = &dropped;
                wakers.lock().expect("nobody panics in here").push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        runtime.block_on(async {
            let (near, far) = tcp_pair().await;
            drop(mainspring::spawn(echo(far)));
            near.write_all(b"x").await.expect("the echo lives");
            near.read_exact(&mut [0]).await.expect("the echo lives");
            sleep(Duration::from_micros(10)).await;
        });
        drop(runtime);
        assert_eq!(dropped.load(Ordering::SeqCst), 4, "cycle {cycle}");
        wakers.lock().expect("nobody panics in here").clear();
        if cycle == 100 {
            eventually("the last runtimes' threads are gone", || probe::threads() == 2);
            before = Holdings::now();
        }
    }
    before.assert_flat(2_048);
    over.store(true, Ordering::Relaxed);
    ringer.join().expect("no panic");
}

fn shd_02_a_runtime_may_be_dropped_in_a_task_in_a_drop_and_in_a_thread_local_s_destructor() {
    for make in [current_thread, || multi_thread(2)] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let furnished = |runtime: Runtime| {
            let counts = CountsDrop(dropped.clone());
            drop(runtime.spawn(async move {
                let _counts = counts;
                pending::<()>().await;
            }));
            runtime
        };
        // In a task of its own; and in a task of another runtime.
        let runtime = furnished(make());
        let handle = runtime.handle().clone();
        handle.block_on(async move { drop(runtime) });
        let other = furnished(make());
        multi_thread(1).block_on(async { mainspring::spawn(async move { drop(other) }).await.expect("no panic") });
        // In the drop of a future that the runtime itself drops, when somebody aborts it.
        let runtime = furnished(make());
        let handle = runtime.handle().clone();
        let task = handle.spawn(async move {
            let _held = runtime;
            pending::<()>().await;
        });
        handle.block_on(async {
            yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        });
        // While the thread that it was last used on is going away.
        thread_local! { static LAST: RefCell<Option<Runtime>> = const { RefCell::new(None) } }
        let runtime = furnished(make());
        thread::spawn(move || {
            runtime.block_on(yield_now());
            LAST.set(Some(runtime));
        })
        .join()
        .expect("the destructor does not panic");
        eventually("all four runtimes dropped their task", || dropped.load(Ordering::SeqCst) == 4);
    }
}

fn shd_03_a_shutdown_with_stuck_tasks_returns_in_time_and_names_them() {
    for timeout in [Duration::ZERO, Duration::from_millis(10), Duration::MAX] {
        let runtime = multi_thread(3);
        let mut stopper = Stopper::new();
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let line = line!() + 3;
        for _ in 0..2 {
            let (begun, ended, block) = (begun.clone(), CountsDrop(ended.clone()), stopper.block());
            drop(runtime.spawn(async move {
                let _ended = ended;
                begun.fetch_add(1, Ordering::SeqCst);
                block();
            }));
        }
        eventually("both tasks block", || begun.load(Ordering::SeqCst) == 2);
        if timeout == Duration::MAX {
            // Whoever waits for ever needs somebody to let the tasks go.
            let report = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(50));
                    assert_eq!(ended.load(Ordering::SeqCst), 0);
                    drop(stopper);
                });
                runtime.shutdown_timeout(timeout)
            });
            assert!(report.is_complete() && report.stuck().is_empty(), "{report}");
            assert_eq!(ended.load(Ordering::SeqCst), 2, "it came back before its tasks had ended");
            continue;
        }
        // The tasks block for seconds, so whoever returns before they end has not waited for them.
        let report = runtime.shutdown_timeout(timeout);
        assert_eq!(ended.load(Ordering::SeqCst), 0, "it waited for the stuck tasks");
        assert!(!report.is_complete());
        let places: Vec<_> = report.stuck().iter().filter_map(|task| task.spawned_at()).collect();
        assert_eq!(places.len(), 2, "{report}");
        assert!(
            places.iter().all(|place| place.file() == file!() && place.line() == line),
            "{report}, not line {line}"
        );
        drop(stopper);
        eventually("both tasks end by themselves", || ended.load(Ordering::SeqCst) == 2);
    }
    eventually("no thread is left behind", || probe::threads() == 1);
}

fn shd_04_whoever_waits_elsewhere_for_a_runtime_that_ends_hears_of_it() {
    for (ends, lives) in [(current_thread(), multi_thread(2)), (multi_thread(2), current_thread())] {
        let gate = Gate::new();
        let task = ends.spawn(pending::<()>());
        let (waits, never) = (gate.clone(), ends.spawn(pending::<()>()));
        let chain = ends.spawn(async move {
            waits.wait().await;
            never.await
        });
        let pairs = || async {
            let (near, far) = tcp_pair().await;
            assert!(once(near.readable()).await.is_none());
            (near, far.into_std().expect("it is real"))
        };
        let ((stays, _open), (moves, mut far)) = ends.block_on(async { (pairs().await, pairs().await) });
        // One socket is waited for without any runtime, and so with the one that ends.
        let (waker, heard) = bell();
        let mut cx = Context::from_waker(&waker);
        assert!(stays.poll_read(&mut cx, &mut [0]).is_pending());
        assert!(heard.try_recv().is_err());
        let (task, chain, read) = thread::scope(|scope| {
            let inside = gate.clone();
            let waiter = scope.spawn(move || {
                lives.block_on(async move {
                    // The other is waited for in the runtime that lives, and goes there.
                    let read = mainspring::spawn(async move { moves.read(&mut [0]).await });
                    yield_now().await;
                    inside.open();
                    (task.await, chain.await, read.await.expect("no panic"))
                })
            });
            eventually("the other runtime waits", || gate.is_open());
            thread::sleep(Duration::from_millis(20));
            drop(ends);
            far.write_all(b"x").expect("the socket is open");
            waiter.join().expect("no panic")
        });
        assert!(task.expect_err("it never ends").is_cancelled());
        assert!(chain.expect_err("it was cancelled too").is_cancelled());
        assert_eq!(read.expect("it is watched elsewhere"), 1);
        assert!(heard.try_recv().is_ok(), "nobody told the one who waits without a runtime");
        let Poll::Ready(Err(error)) = stays.poll_read(&mut cx, &mut [0]) else { panic!("nobody watches it") };
        assert!(error.to_string().contains("has shut down"), "{error}");
    }
}

fn shd_05_what_is_used_after_its_runtime_says_so() {
    for runtime in [current_thread(), multi_thread(2)] {
        let handle = runtime.handle().clone();
        let (near, listener, mut nap) = runtime.block_on(async {
            let (near, far) = tcp_pair().await;
            std::mem::forget(far);
            assert!(once(near.readable()).await.is_none());
            let listener = crate::kit::listen().await;
            assert!(once(listener.accept()).await.is_none());
            let mut nap = Box::pin(sleep(Duration::from_secs(3_600)));
            assert!(once(nap.as_mut()).await.is_none());
            (near, listener, nap)
        });
        drop(runtime);
        handle.block_on(async {
            let gone = |error: std::io::Error| assert!(error.to_string().contains("has shut down"), "{error}");
            gone(near.read(&mut [0]).await.expect_err("nobody watches it"));
            gone(near.write(b"x").await.expect_err("nobody watches it"));
            gone(near.readable().await.expect_err("nobody watches it"));
            gone(listener.accept().await.expect_err("nobody watches it"));
            let fresh = TcpListener::bind("127.0.0.1:0").await.expect("the kernel still gives sockets");
            gone(fresh.accept().await.expect_err("nobody could watch it"));
            let error = mainspring::spawn(async {}).await.expect_err("nobody runs it");
            assert!(error.is_cancelled() && !error.had_started());
        });
        let panic_of = |poll: &mut dyn FnMut()| {
            let payload = catch_unwind(AssertUnwindSafe(poll)).expect_err("it cannot wait");
            payload.downcast_ref::<String>().cloned().unwrap_or_default()
        };
        let said = panic_of(&mut || handle.block_on(nap.as_mut()));
        assert!(said.contains("its runtime has shut down"), "{said:?}");
        let said = panic_of(&mut || handle.block_on(async { sleep(Duration::from_secs(1)).await }));
        assert!(said.contains("its runtime has shut down") && said.contains(file!()), "{said:?}");
    }
}

fn shd_06_a_block_on_whose_runtime_is_dropped_by_another_thread_ends_or_goes_on_alone() {
    for runtime in [current_thread(), multi_thread(2)] {
        let handle = runtime.handle().clone();
        let gate = Gate::new();
        thread::scope(|scope| {
            let (inside, guest) = (gate.clone(), handle.clone());
            // It waits for a task, and then for what is no business of the runtime.
            let ends = scope.spawn(move || {
                guest.block_on(async {
                    let error = mainspring::spawn(pending::<()>()).await.expect_err("it was cancelled");
                    inside.wait().await;
                    error.is_cancelled()
                })
            });
            let guest = handle.clone();
            // It waits for a timer, which nobody will turn any more.
            let panics = scope.spawn(move || guest.block_on(async { sleep(Duration::from_secs(3_600)).await }));
            thread::sleep(Duration::from_millis(50));
            drop(runtime);
            eventually("the first guest waits at the gate", || gate.waiting() > 0);
            gate.open();
            assert!(ends.join().expect("no panic"));
            let payload = panics.join().expect_err("a sleep without a runtime panics");
            let said = payload.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(said.contains("its runtime has shut down"), "{said:?}");
        });
    }
}

fn shd_08_a_wake_and_the_drop_of_the_runtime_may_meet() {
    for round in 0..1_000 {
        let runtime = by_turns(round);
        let (tell, told) = mpsc::channel();
        let dropped = Arc::new(AtomicUsize::new(0));
        let counts = CountsDrop(dropped.clone());
        drop(runtime.spawn(poll_fn(move |cx| {
            let _counts = &counts;
            let _ = tell.send(cx.waker().clone());
            Poll::<()>::Pending
        })));
        runtime.block_on(yield_now());
        let waker = told.recv_timeout(Duration::from_secs(5)).expect("the task is polled");
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                let (start, waker) = (&start, waker.clone());
                scope.spawn(move || {
                    start.wait();
                    (0..round % 50).for_each(|_| waker.wake_by_ref());
                    waker.wake();
                });
            }
            start.wait();
            drop(runtime);
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        waker.wake();
    }
}

fn a_shutdown_in_the_background_drops_every_future_all_the_same() {
    for runtime in [current_thread(), multi_thread(2)] {
        let dropped = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let counts = CountsDrop(dropped.clone());
            drop(runtime.spawn(async move {
                let _counts = counts;
                pending::<()>().await;
            }));
        }
        runtime.block_on(yield_now());
        let kind = format!("{:?}", runtime.handle());
        runtime.shutdown_background();
        let what = format!("the futures of {kind} are dropped");
        eventually(&what, || dropped.load(Ordering::SeqCst) == 10);
    }
}

fn spawning_after_the_end_frees_the_runtime_neither_early_nor_never() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        let (builder, token) = Token::put_into(builder);
        let runtime = builder.build().expect("descriptors are to be had");
        let handle = runtime.handle().clone();
        drop(runtime);
        for _ in 0..3 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let counts = CountsDrop(dropped.clone());
            let task = handle.spawn(async move { drop(counts) });
            assert!(task.is_finished());
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            drop(task);
            assert!(token.is_held(), "the runtime was freed under a living handle");
        }
        drop(handle);
        token.assert_freed();
    }
}
