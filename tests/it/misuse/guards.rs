//! MIS-09, 11: guards dropped in the wrong order or the wrong place, and whatever can be leaked, leaked.
//!
//! Cases of the catalogue: MIS-09, MIS-11.

use crate::{in_child, message_of, poll_with, until};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::yield_now;
use mainspring::time::{Duration, sleep, timeout};
use std::future::pending;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;

fn current() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// On no runtime: neither tasks nor timers can be made.
#[track_caller]
fn assert_outside() {
    assert!(Handle::try_current().is_err());
    assert!(catch_unwind(|| drop(sleep(Duration::ZERO))).is_err());
}

#[test]
fn mis_09_guards_dropped_in_order_leave_the_thread_where_it_was() {
    let (one, two) = (current(), Builder::new_simulated(1).build().unwrap());
    let outer = one.enter();
    {
        let _inner = two.enter();
        let task = mainspring::spawn(async { 2 });
        assert_eq!(two.block_on(task).unwrap(), 2);
    }
    let task = mainspring::spawn(async { 1 });
    assert_eq!(one.block_on(task).unwrap(), 1);
    drop(outer);
    assert_outside();
}

#[test]
fn mis_09_a_guard_dropped_out_of_order_panics_and_the_other_still_works() {
    in_child(|| {
        let (one, two) = (current(), current());
        let (outer, inner) = (one.enter(), two.enter());
        let payload = catch_unwind(AssertUnwindSafe(|| drop(outer))).unwrap_err();
        assert_eq!(message_of(payload), "enter guards are dropped in the reverse order of their making");
        let task = mainspring::spawn(async { 2 });
        assert_eq!(two.block_on(task).unwrap(), 2, "the inner guard's runtime is still the current one");
        drop(inner);
        // Every runtime can go now, and what is left in the thread must not point into it.
        drop((one, two));
        let _ = Handle::try_current();
        let three = current();
        {
            let _third = three.enter();
            let task = mainspring::spawn(async { 3 });
            assert_eq!(three.block_on(task).unwrap(), 3);
        }
        let _ = Handle::try_current();
    });
}

#[test]
fn mis_09_a_guard_dropped_inside_block_on_leaves_no_trace() {
    in_child(|| {
        let (one, two) = (current(), current());
        let guard = one.enter();
        let dropped = catch_unwind(AssertUnwindSafe(|| two.block_on(async move { drop(guard) })));
        assert!(dropped.is_err(), "it is an outer guard, and block_on the inner scope");
        drop(one);
        assert_eq!(two.block_on(async { mainspring::spawn(async { 2 }).await.unwrap() }), 2);
        drop(two);
        // Whether or not the thread still counts as inside of `one`: what it finds there must be alive.
        if let Ok(handle) = Handle::try_current() {
            assert!(crate::result_of(handle.spawn(async {})).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn mis_09_a_guard_carried_out_of_block_on_leaves_no_trace() {
    in_child(|| {
        let runtime = current();
        let handle = runtime.handle().clone();
        let guard = runtime.block_on(async { handle.enter() });
        assert_outside();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err(), "block_on has ended since");
        assert_outside();
        drop(runtime);
        assert_outside();
    });
}

#[test]
fn mis_09_a_guard_may_be_held_across_an_await_of_the_main_future() {
    in_child(|| {
        for workers in [1, 2] {
            let runtime = Builder::new_multi_thread().workers(workers).build().unwrap();
            let other = current();
            // All workers are busy, so that main is polled without a core at first, and with one later.
            let (let_go, held) = mpsc::channel::<()>();
            let held = Arc::new(Mutex::new(held));
            let (say_busy, busy) = mpsc::channel();
            for _ in 0..workers {
                let (held, say_busy) = (held.clone(), say_busy.clone());
                drop(runtime.spawn(async move {
                    say_busy.send(()).unwrap();
                    let _ = held.lock().unwrap().recv();
                }));
            }
            (0..workers).for_each(|_| busy.recv().unwrap());
            runtime.block_on(async {
                let guard = other.enter();
                yield_now().await;
                (0..workers).for_each(|_| let_go.send(()).unwrap());
                let handle = runtime.handle().clone();
                for n in 0..1_000 {
                    assert_eq!(handle.spawn(async move { n }).await.unwrap(), n);
                }
                drop(guard);
            });
            assert_outside();
        }
    });
}

#[test]
fn mis_11_a_forgotten_guard_keeps_its_thread_inside_and_nothing_breaks() {
    in_child(|| {
        let runtime = current();
        forget(runtime.enter());
        assert_eq!(runtime.block_on(async { 1 }), 1);
        drop(runtime);
        let task = mainspring::spawn(async { 2 });
        assert!(crate::result_of(task).unwrap_err().is_cancelled(), "the runtime it is inside of has ended");
        let other = current();
        assert_eq!(other.block_on(async { mainspring::spawn(async { 3 }).await.unwrap() }), 3);
        other.block_on(async { forget(other.enter()) });
        let _guard = other.enter();
        assert_eq!(other.block_on(async { 4 }), 4);
    });
}

#[test]
fn mis_11_forgotten_handles_and_timers_leak_and_do_no_harm() {
    in_child(|| {
        for (flavour, builder) in crate::builders() {
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                let open = Arc::new(AtomicBool::new(false));
                let gate = open.clone();
                let mut polled = mainspring::spawn(async move {
                    until(|| gate.load(Ordering::SeqCst)).await;
                    vec![1; 100]
                });
                assert!(poll_with(&mut polled, Waker::noop()).is_pending());
                let abort = polled.abort_handle();
                open.store(true, Ordering::SeqCst);
                forget(polled);
                forget(mainspring::spawn(async { vec![2; 100] }));
                forget(mainspring::spawn_local(pending::<()>()));
                // A timer of a task that is gone wakes what is left of it.
                let forgets = mainspring::spawn(async {
                    let mut nap = Box::pin(sleep(Duration::from_millis(1)));
                    std::future::poll_fn(|cx| std::task::Poll::Ready(nap.as_mut().poll(cx).is_pending())).await;
                    forget(nap);
                    forget(Box::pin(timeout(Duration::from_millis(1), pending::<()>())));
                });
                forgets.await.unwrap();
                until(|| abort.is_finished()).await;
                forget(abort);
                sleep(Duration::from_millis(5)).await;
                assert_eq!(mainspring::spawn(async { 3 }).await.unwrap(), 3, "{flavour}");
            });
        }
    });
}

#[test]
fn mis_11_a_forgotten_runtime_goes_on() {
    in_child(|| {
        for (flavour, builder) in crate::builders() {
            let runtime = builder.build().unwrap();
            let handle = runtime.handle().clone();
            forget(runtime);
            let task = handle.spawn(async { 1 });
            assert_eq!(handle.block_on(task).unwrap(), 1, "{flavour}");
        }
    });
}
