//! Models of a task among threads: every way in which a wake, a run, an abort and a handle can meet.
//!
//! ```text
//!    thread A: wake, abort, drop or poll a handle ──┐
//!    thread B: the same, or another of these        ├──> one cell, whose home is a queue and two counters
//!    this thread: runs what is queued ──────────────┘
//! ```
//!
//! Each model races them, then joins the threads, runs what is left, and counts: polls, drops of future and output,
//! pushes, and what still points at the home. What loom explores is the state word, the join-waker slot, the cell's
//! stage, and the home's queue; `tests/loom.sh` runs it.
//!
//! Cases of the catalogue: TSK-01, TSK-03, TSK-06, TSK-07, TSK-08, TSK-09, TSK-12.

mod home;

use super::Dead;
use crate::base::atomic::{AtomicUsize, Mutex, Ordering, model, model_thread};
use home::{Bell, Home, look, result, waiting};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::Poll;

#[test]
fn model_tsk_01_three_wakes_are_four_pushes_and_four_polls() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 4);
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(home.pushes(), 2, "a task that is queued is not queued again");
        home.run();
        waker.wake_by_ref();
        home.run();
        waker.wake();
        home.run();
        assert_eq!((home.pushes(), counts.read()), (4, (4, 1, 0)));
        drop(result(handle));
        assert_eq!(counts.read(), (4, 1, 1));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_01_a_task_that_wakes_itself_is_pushed_once_a_poll_and_polled_as_often() {
    model(|| {
        let home = Home::new();
        let mut left = 3;
        let handle = home.spawn(poll_fn(move |cx| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            let by_value = cx.waker().clone();
            cx.waker().wake_by_ref();
            by_value.wake();
            Poll::Pending
        }));
        home.run();
        assert_eq!(home.pushes(), 3);
        assert!(result(handle).is_ok());
        home.assert_empty();
    });
}

#[test]
fn model_tsk_12_a_poll_sees_what_was_written_before_the_wake_even_if_it_was_queued_already() {
    for by_value in [false, true] {
        model(move || {
            let home = Home::new();
            let (data, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Count::new(0)));
            let slot = Arc::new(std::sync::Mutex::new(None));
            let handle = {
                let (data, seen, slot) = (data.clone(), seen.clone(), slot.clone());
                home.spawn(poll_fn(move |cx| {
                    // ORDER: Relaxed, the wake itself must do the ordering.
                    seen.store(data.load(Ordering::Relaxed), Ordering::Relaxed);
                    slot.lock().expect("not poisoned").get_or_insert_with(|| cx.waker().clone());
                    Poll::<()>::Pending
                }))
            };
            home.run();
            let waker = slot.lock().expect("not poisoned").clone().expect("it was polled");
            let other = waker.clone();
            let writer = model_thread::spawn(move || {
                // ORDER: Relaxed, as above.
                data.store(1, Ordering::Relaxed);
                if by_value { waker.wake() } else { waker.wake_by_ref() }
            });
            let other = model_thread::spawn(move || other.wake_by_ref());
            home.run();
            writer.join().expect("no panic");
            other.join().expect("no panic");
            home.run();
            assert_eq!(seen.load(Ordering::Relaxed), 1, "the last poll came after the write");
            assert!((2..=3).contains(&home.pushes()), "a wake is a push, or finds one under way");
            handle.abort();
            home.run();
            assert!(result(handle).is_err_and(|error| error.is_cancelled()));
            slot.lock().expect("not poisoned").take();
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_12_a_task_that_changes_threads_takes_along_what_its_last_poll_wrote() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 4);
        let wakers = [waker.clone(), waker].map(|waker| model_thread::spawn(move || waker.wake()));
        let other = home.clone();
        let runner = model_thread::spawn(move || other.run());
        home.run();
        wakers.into_iter().for_each(|thread| thread.join().expect("no panic"));
        runner.join().expect("no panic");
        home.run();
        assert!((2..=3).contains(&counts.read().0), "a poll for one of the wakes, or for each");
        handle.abort();
        home.run();
        assert!(result(handle).is_err_and(|error| error.is_cancelled()));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_08_wakes_that_meet_the_last_poll_and_the_end_do_nothing() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        waker.wake_by_ref();
        let wakers: Vec<_> = [false, true]
            .into_iter()
            .map(|by_value| {
                let waker = waker.clone();
                model_thread::spawn(move || if by_value { waker.wake() } else { waker.wake_by_ref() })
            })
            .collect();
        drop(waker);
        home.run();
        wakers.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert!(home.take().is_none(), "a task that is done is not queued");
        drop(result(handle));
        assert_eq!((home.pushes(), counts.read()), (2, (2, 1, 1)));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_08_a_wake_by_value_with_the_last_reference_frees_the_cell_once() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        drop(handle);
        // Queued already: the wake by value has nothing to push, and may give up the last reference but the queue's.
        waker.wake_by_ref();
        let last = model_thread::spawn(move || waker.wake());
        home.run();
        last.join().expect("no panic");
        assert_eq!(counts.read(), (2, 1, 1));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_08_a_home_that_only_its_cells_keep_alive_outlives_the_push_of_the_last_waker() {
    model(|| {
        let home = Home::watching_its_end();
        let (handle, waker, counts) = waiting(&home, 2);
        drop(handle);
        let last = model_thread::spawn(move || waker.wake());
        home.run();
        let left = Arc::downgrade(&home);
        // From here on the cell alone keeps it, if there still is one.
        drop(home);
        last.join().expect("no panic");
        left.upgrade().into_iter().for_each(|home| home.run());
        assert_eq!(counts.read(), (2, 1, 1));
        assert!(left.upgrade().is_none(), "T7: the last cell has given it back");
    });
}

#[test]
fn model_tsk_09_the_last_waker_is_dropped_while_the_task_is_aborted() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        let dropper = model_thread::spawn(move || drop(waker));
        let abort = handle.abort_handle();
        drop(handle);
        let aborter = model_thread::spawn(move || abort.abort());
        home.run();
        dropper.join().expect("no panic");
        aborter.join().expect("no panic");
        home.run();
        assert_eq!(counts.read(), (1, 1, 0));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_06_two_aborts_at_once_are_one_end() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        drop(waker);
        let aborters: Vec<_> = (0..2)
            .map(|_| {
                let abort = handle.abort_handle();
                model_thread::spawn(move || abort.abort())
            })
            .collect();
        home.run();
        aborters.into_iter().for_each(|thread| thread.join().expect("no panic"));
        home.run();
        assert!(result(handle).is_err_and(|error| error.is_cancelled()));
        assert_eq!((home.pushes(), counts.read()), (2, (1, 1, 0)), "T1: one of the two pushes");
        home.assert_empty();
    });
}

#[test]
fn model_tsk_07_an_abort_that_meets_the_last_poll_leaves_an_output_or_a_cancel() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        let abort = handle.abort_handle();
        let waker = model_thread::spawn(move || waker.wake());
        let aborter = model_thread::spawn(move || abort.abort());
        home.run();
        waker.join().expect("no panic");
        aborter.join().expect("no panic");
        home.run();
        let outputs = match result(handle) {
            Ok(output) => usize::from(Arc::ptr_eq(&output.0, &counts)),
            Err(error) => usize::from(!error.is_cancelled()),
        };
        assert_eq!(counts.read(), (1 + outputs, 1, outputs));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_03_a_handle_dropped_while_the_task_ends_drops_the_output_once() {
    for polled in [false, true] {
        model(move || {
            let home = Home::new();
            let (mut handle, waker, counts) = waiting(&home, 2);
            let bell = Arc::new(Bell::default());
            if polled {
                assert!(look(&mut handle, &bell.clone().into()).is_pending());
            }
            waker.wake();
            let dropper = model_thread::spawn(move || drop(handle));
            home.run();
            dropper.join().expect("no panic");
            assert_eq!(counts.read(), (2, 1, 1));
            assert!(bell.rings() <= usize::from(polled), "T5: the waker is woken or dropped, not both");
            assert_eq!(Arc::strong_count(&bell), 1, "T5: and it is one of the two");
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_03_a_handle_polled_while_the_task_ends_is_ready_or_woken() {
    // The waker of the poll before: none, another one, the same one.
    for before in [None, Some(0), Some(1)] {
        model(move || {
            let home = Home::new();
            let (mut handle, waker, counts) = waiting(&home, 2);
            let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
            if let Some(before) = before {
                assert!(look(&mut handle, &bells[before].clone().into()).is_pending());
            }
            waker.wake();
            let last = bells[1].clone();
            let joiner = model_thread::spawn(move || match look(&mut handle, &last.into()) {
                Poll::Ready(result) => Err(result),
                Poll::Pending => Ok(handle),
            });
            home.run();
            match joiner.join().expect("no panic") {
                Err(early) => assert!(early.is_ok()),
                Ok(handle) => {
                    assert_eq!(bells[1].rings(), 1, "who was told to wait is woken");
                    assert!(result(handle).is_ok());
                }
            }
            assert_eq!(counts.read(), (2, 1, 1));
            assert!(bells.iter().all(|bell| Arc::strong_count(bell) == 1 && bell.rings() <= 1));
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_03_a_task_that_ends_away_from_home_is_buried_while_its_handle_is_dropped() {
    model(|| {
        let home = Home::new();
        let (mut handle, waker, counts) = waiting(&home, 2);
        let bell = Arc::new(Bell::default());
        assert!(look(&mut handle, &bell.clone().into()).is_pending());
        waker.wake();
        let dead = Arc::new(Mutex::new(Vec::new()));
        let away = {
            let (home, dead) = (home.clone(), dead.clone());
            model_thread::spawn(move || home.run_away(&dead))
        };
        let dropper = model_thread::spawn(move || drop(handle));
        let bury = |dead: &Mutex<Vec<Dead>>| {
            let dead = dead.lock().pop();
            dead.into_iter().for_each(Dead::bury);
        };
        bury(&dead);
        away.join().expect("no panic");
        dropper.join().expect("no panic");
        bury(&dead);
        assert_eq!(counts.read(), (2, 1, 1));
        assert!(bell.rings() <= 1);
        assert_eq!(Arc::strong_count(&bell), 1);
        home.assert_empty();
    });
}
