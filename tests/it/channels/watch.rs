//! The latest value, for all who want to know.

use crate::sync::kit::{Bell, now, poll};
use crate::sync::strangers::waker;
use crate::{message_of, panic_quietly, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::watch::{self, Sender};
use mainspring::task::yield_now;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn values_and_the_end_go_between_tasks_in_every_flavour() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, receiver) = watch::channel(0);
            let tasks: Vec<_> = (0..5)
                .map(|_| {
                    let mut receiver = receiver.clone();
                    mainspring::spawn(async move {
                        let mut last = 0;
                        while receiver.changed().await.is_ok() {
                            let now = *receiver.borrow_and_update();
                            assert!(now > last);
                            last = now;
                        }
                        last
                    })
                })
                .collect();
            let mut waiter = receiver;
            let waits =
                mainspring::spawn(async move { waiter.wait_for(|value| *value == 20).await.map(|value| *value) });
            for value in 1..=20 {
                sender.send(value).unwrap();
                yield_now().await;
            }
            assert_eq!(waits.await.unwrap(), Ok(20), "{name}");
            let closes = {
                let sender = sender.clone();
                mainspring::spawn(async move { sender.closed().await })
            };
            drop(sender);
            // The one that waits to be closed is a sender, too, so the receivers wait on; then it ends by force.
            closes.abort();
            assert!(closes.await.is_err());
            for task in tasks {
                assert_eq!(task.await.unwrap(), 20, "{name}");
            }
        });
    }
}

#[test]
fn a_sender_that_waits_to_be_closed_hears_of_the_last_receiver_and_may_leave_before() {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    let ((bell, waker), (left, leaver)) = (Bell::new(), Bell::new());
    let (mut closed, mut leaves) = (Box::pin(sender.closed()), Box::pin(sender.closed()));
    assert!(poll(&mut closed, &waker).is_pending() && poll(&mut leaves, &leaver).is_pending());
    drop((leaves, other));
    assert_eq!(bell.rings(), 0);
    drop(receiver);
    assert_eq!((bell.rings(), left.rings()), (1, 0));
    let receiver = sender.subscribe();
    assert!(poll(&mut closed, &waker).is_ready(), "for a moment there was no receiver");
    assert!(!sender.is_closed() && poll(&mut Box::pin(sender.closed()), &waker).is_pending());
    drop(receiver);
    now(sender.closed());
}

#[test]
fn syn_03_a_waiter_that_is_dropped_after_its_wake_up_has_seen_nothing() {
    let (sender, mut receiver) = watch::channel(0);
    let (bell, waker) = Bell::new();
    let mut changed = Box::pin(receiver.changed());
    assert!(poll(&mut changed, &waker).is_pending());
    sender.send(1).unwrap();
    assert_eq!(bell.rings(), 1);
    drop(changed);
    assert_eq!(receiver.has_changed(), Ok(true));
    // The same for a condition that was asked and was false.
    let mut waits = Box::pin(receiver.wait_for(|value| *value == 2));
    assert!(poll(&mut waits, &waker).is_pending());
    drop(waits);
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(now(receiver.changed()), Ok(()));
}

#[test]
fn a_borrow_stops_no_send_and_keeps_its_value_to_the_end() {
    let (sender, receiver) = watch::channel(Arc::new(0));
    let weak = Arc::downgrade(&*receiver.borrow());
    let kept = receiver.borrow();
    for value in 1..10 {
        sender.send(Arc::new(value)).unwrap();
    }
    assert_eq!((**kept, **receiver.borrow()), (0, 9));
    drop(kept);
    assert!(weak.upgrade().is_none(), "the old value is dropped with its last borrow");
    assert_eq!(*sender.send_replace(Arc::new(10)), 9, "and is not in the way");
}

#[test]
fn a_closure_waits_for_borrows_of_other_threads_and_has_its_turn_among_many() {
    let (sender, receiver) = watch::channel((0_u64, 0_u64));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // Without turns somebody would borrow it at any time.
                while !is_over.load(Ordering::SeqCst) {
                    let outer = receiver.borrow();
                    let inner = receiver.borrow(); // who has one may have two
                    assert!(outer.0 == outer.1 && *inner == *outer, "nobody changes it meanwhile");
                }
            });
        }
        let changers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..500 {
                        sender.send_modify(|value| {
                            value.0 += 1;
                            thread::yield_now();
                            value.1 += 1;
                        });
                    }
                })
            })
            .collect();
        changers.into_iter().for_each(|thread| thread.join().unwrap());
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(*receiver.borrow(), (1_000, 1_000));
}

/// What a closure panics with.
#[track_caller]
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(body())));
    message_of(outcome.expect_err("it must panic"))
}

#[test]
fn nobody_waits_for_himself() {
    let (sender, receiver) = watch::channel(0);
    let borrowed = receiver.borrow();
    let message = panic_of(|| sender.send_modify(|value| *value += 1));
    assert!(
        message.contains("`send_modify` waits until nobody borrows") && message.contains("drop its `Ref`"),
        "{message}"
    );
    assert!(panic_of(|| sender.send_replace(1)).contains("`send_replace` waits"));
    assert!(panic_of(|| sender.send_if_modified(|_| true)).contains("`send_if_modified` waits"));
    assert_eq!(*borrowed, 0);
    drop(borrowed);
    for (call, within) in [
        ("borrow", Box::new(|| drop(receiver.borrow())) as Box<dyn Fn()>),
        ("send", Box::new(|| sender.send(7).unwrap())),
        ("send_replace", Box::new(|| assert_eq!(sender.send_replace(7), 0))),
    ] {
        let message = panic_of(|| sender.send_modify(|_| within()));
        assert!(message.contains(&format!("`{call}` inside a closure of `send_modify`")), "{message}");
    }
    // What needs no desk may be used there, and so may what shows it.
    let old = receiver.borrow();
    sender.send(1).unwrap();
    sender.send_modify(|value| {
        drop(old);
        *value += sender.receiver_count();
        assert!(format!("{sender:?}").contains("<in use>"));
    });
    assert_eq!(*receiver.borrow(), 2);
}

#[test]
fn snd_04_a_closure_that_panics_leaves_the_channel_whole_and_tells_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let (bell, waker) = Bell::new();
    let mut waits = Box::pin(receiver.changed());
    assert!(poll(&mut waits, &waker).is_pending());
    let message = panic_of(|| {
        sender.send_modify(|value| {
            *value = 1;
            panic_quietly("in the closure");
        });
    });
    assert_eq!((message.as_str(), bell.rings()), ("in the closure", 0));
    sender.send_modify(|value| *value += 10);
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut waits, &waker), Poll::Ready(Ok(())));
    drop(waits);
    assert_eq!(*receiver.borrow(), 11);

    receiver.mark_changed();
    let message = panic_of(|| now(receiver.wait_for(|_| panic_quietly("in the condition"))).is_ok());
    assert_eq!(message, "in the condition");
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(sender.send_replace(12), 11, "the borrow is gone");
}

/// A value with a bad end.
struct Bomb(u32, Option<Sender<Bomb>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(sender) = &self.1 {
            // Comes back to the channel that drops it.
            sender.send_modify(|now| now.0 += 1);
        }
        if self.0 == 7 {
            panic_quietly("in drop");
        }
    }
}

#[test]
fn snd_04_syn_04_an_old_value_that_comes_back_or_panics_when_dropped_costs_nobody_anything() {
    let (sender, mut receiver) = watch::channel(Bomb(7, None));
    let (bell, waker) = Bell::new();
    let mut waits = Box::pin(receiver.changed());
    assert!(poll(&mut waits, &waker).is_pending());
    assert_eq!(panic_of(|| sender.send(Bomb(0, Some(sender.clone()))).is_ok()), "in drop");
    assert_eq!(bell.rings(), 1, "all were told before");
    drop(waits);
    sender.send(Bomb(20, None)).ok().unwrap();
    assert_eq!(receiver.borrow().0, 21);
    // The last of an old value goes with its borrow.
    sender.send(Bomb(7, None)).ok().unwrap();
    let borrowed = receiver.borrow();
    sender.send(Bomb(1, None)).ok().unwrap();
    assert_eq!(panic_of(|| drop(borrowed)), "in drop");
    assert_eq!(sender.send_replace(Bomb(2, None)).0, 1);
}

#[test]
fn syn_04_tsk_16_wakers_that_come_back_or_panic_cost_nobody_anything() {
    for what in ["nothing", "clone", "wake", "drop"] {
        let (sender, mut receiver) = watch::channel(0);
        let sender = Arc::new(sender);
        let theirs = sender.clone();
        let (bad, deeds) = waker(move |deed| {
            assert!(format!("{theirs:?}").contains("waiters"));
            theirs.send_if_modified(|value| *value > 100);
            drop(theirs.subscribe().borrow_and_update());
            if deed == what {
                panic_quietly(format!("in {what}"));
            }
        });
        let (bell, good) = Bell::new();
        let mut second = receiver.clone();
        {
            let (mut bad_one, mut good_one) = (Box::pin(receiver.changed()), Box::pin(second.changed()));
            let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut bad_one, &bad).is_pending()));
            assert_eq!(polled.is_ok(), what != "clone");
            assert!(poll(&mut good_one, &good).is_pending());
            sender.send(1).unwrap();
            assert_eq!(bell.rings(), 1);
            assert!(poll(&mut bad_one, &good).is_ready() && poll(&mut good_one, &good).is_ready());
        }
        let mut closed = Box::pin(sender.closed());
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut closed, &bad).is_pending()));
        assert_eq!(polled.is_ok(), what != "clone");
        drop((receiver, second));
        let _ = poll(&mut closed, &good);
        assert!(deeds.count.load(Ordering::SeqCst) > 1);
        let _ = catch_unwind(AssertUnwindSafe(|| drop((closed, bad))));
    }
}

#[test]
fn syn_05_of_threads_that_send_and_go_the_last_word_is_heard_by_all() {
    for _ in 0..100 {
        let (sender, receiver) = watch::channel(0);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = receiver.clone();
                thread::spawn(move || {
                    while receiver.blocking_changed().is_ok() {}
                    *receiver.borrow()
                })
            })
            .collect();
        let other = sender.clone();
        let senders = [
            thread::spawn(move || other.send_modify(|value| *value += 1)),
            thread::spawn(move || {
                sender.send_modify(|value| *value += 1);
            }),
        ];
        drop(receiver);
        senders.into_iter().for_each(|thread| thread.join().unwrap());
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 2));
    }
}

#[test]
fn syn_11_a_plain_thread_may_block_and_a_task_may_not() {
    for (name, runtime) in runtimes() {
        let (_sender, receiver) = watch::channel(0);
        let mut other = receiver.clone();
        let mut receiver = receiver;
        let tasks = runtime.block_on(async {
            let changed = mainspring::spawn(async move { receiver.blocking_changed() }).await;
            let waited = mainspring::spawn(async move { other.blocking_wait_for(|v| *v == 0).is_ok() }).await;
            [changed.map(|_| ()).unwrap_err(), waited.map(|_| ()).unwrap_err()]
        });
        for (task, call) in tasks.into_iter().zip(["blocking_changed", "blocking_wait_for"]) {
            assert!(message_of(task.into_panic()).contains(&format!("`{call}` inside an async task")), "{name}");
        }
    }
}

#[test]
fn mis_04_a_future_polled_after_its_end_panics_and_says_so() {
    let (sender, mut receiver) = watch::channel(0);
    receiver.mark_changed();
    let mut changed = Box::pin(receiver.changed());
    assert!(poll(&mut changed, Waker::noop()).is_ready());
    assert!(
        panic_of(|| poll(&mut changed, Waker::noop()).is_ready()).contains("`Changed` was polled after it was ready")
    );
    drop(changed);
    drop(receiver);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, Waker::noop()).is_ready());
    assert!(
        panic_of(|| poll(&mut closed, Waker::noop()).is_ready()).contains("`Closed` was polled after it was ready")
    );
}

#[test]
fn mis_10_strangers_executors_and_plain_threads_hear_of_every_change() {
    let (sender, receiver) = watch::channel(0);
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for is_plain in [false, true] {
            let (count, mut receiver) = (&count, receiver.clone());
            scope.spawn(move || {
                if is_plain {
                    assert_eq!(receiver.blocking_wait_for(|value| *value == 3).map(|value| *value), Ok(3));
                } else {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async { assert!(receiver.wait_for(|value| *value == 3).await.is_ok()) });
                }
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
        for value in 1..=3 {
            sender.send(value).unwrap();
        }
    });
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn mis_11_what_is_forgotten_only_leaks() {
    let (sender, mut receiver) = watch::channel(0);
    forget(receiver.borrow());
    assert!(panic_of(|| sender.send_modify(|value| *value += 1)).contains("drop its `Ref`"));
    sender.send(1).unwrap();
    sender.send_modify(|value| *value += 1); // the one that is forgotten is of an old value
    assert_eq!(*receiver.borrow(), 2);
    let mut changed = Box::pin(receiver.changed());
    let _ = poll(&mut changed, Waker::noop());
    forget(changed);
    sender.send(3).unwrap();
    assert_eq!(sender.receiver_count(), 1);
    forget(sender.clone());
    drop(sender);
}

#[test]
fn a_simulation_names_the_line_of_a_receiver_that_waits_for_ever() {
    let runtime = Builder::new_simulated(1).build().unwrap();
    let (sender, mut receiver) = watch::channel(5);
    let shown = format!("{sender:?} {receiver:?}");
    assert!(shown.contains("value: 5") && shown.contains("version: 0"), "{shown}");
    let message = panic_of(|| runtime.block_on(async { receiver.changed().await }));
    assert!(message.contains("a change of watched value") && message.contains("watch.rs"), "{message}");
}
