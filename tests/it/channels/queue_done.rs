//! Work for many: when it counts as done, and what a close, a cancel and a future that is forgotten do with it.

use super::queue::{of_each_kind, panic_of};
use super::queue_hostile::{Ledger, Strange, assert_room};
use crate::sync::kit::{Bell, poll};
use crate::sync::strangers::waker;
use crate::{runtimes, until};
use mainspring::runtime::{Builder, Runtime};
use mainspring::sync::queue::Queue;
use mainspring::sync::queue::error::{TryGetError, TryPutError};
use mainspring::task::yield_now;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;

#[test]
fn a_join_ends_with_the_last_mark_and_stays_ended_though_more_is_put() {
    for queue in of_each_kind(4) {
        let ((early, early_waker), (late, late_waker)) = (Bell::new(), Bell::new());
        (0..3).for_each(|item| assert!(queue.try_put(item).is_ok()));
        let (mut leaves, mut joins) = (Box::pin(queue.join()), Box::pin(queue.join()));
        assert!(poll(&mut leaves, Waker::noop()).is_pending() && poll(&mut joins, &early_waker).is_pending());
        let first = queue.try_get_item().unwrap();
        drop(first);
        drop(leaves); // the first in line, and nobody misses him
        queue.task_done(); // for one that nobody has got yet: who marks is not asked for what
        assert_eq!((early.rings(), queue.unfinished(), queue.len()), (0, 1, 2));
        assert!(poll(&mut joins, &early_waker).is_pending());
        assert_eq!(queue.try_get_item().unwrap().into_inner(), 1);
        assert_eq!((early.rings(), queue.unfinished(), queue.len()), (1, 0, 1));
        // What is put before the one who was told looks is not his business, but that of the next.
        assert_eq!(queue.try_put(3), Ok(()));
        let mut next = Box::pin(queue.join());
        assert!(poll(&mut next, &late_waker).is_pending());
        assert!(poll(&mut joins, &early_waker).is_ready());
        assert_eq!((queue.try_get().is_ok(), queue.try_get().is_ok()), (true, true));
        assert_eq!((late.rings(), queue.unfinished()), (0, 1));
        queue.close();
        assert!((late.rings(), poll(&mut next, &late_waker)) == (0, Poll::Pending), "a close ends no work");
        queue.task_done();
        assert_eq!((early.rings(), late.rings(), poll(&mut next, &late_waker)), (1, 1, Poll::Ready(())));
        for _ in 0..3 {
            assert!(panic_of(|| queue.task_done()).contains("more often than items were put"));
            assert_eq!(queue.unfinished(), 0);
        }
    }
}

#[test]
fn of_marks_that_threads_make_at_once_just_those_too_many_are_refused() {
    for queue in of_each_kind(64) {
        for _ in 0..20 {
            (0..64).for_each(|item| assert!(queue.try_put(item).is_ok() && queue.try_get().is_ok()));
            let (bell, waker) = Bell::new();
            let mut joins = Box::pin(queue.join());
            assert!(poll(&mut joins, &waker).is_pending());
            let refused = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| queue.task_done())) {
                                let words = payload.downcast_ref::<&str>().copied().unwrap_or("none");
                                assert!(words.contains("more often"), "{words}");
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    });
                }
            });
            assert_eq!((refused.into_inner(), queue.unfinished(), bell.rings()), (16, 0, 1));
            assert!(poll(&mut joins, &waker).is_ready());
        }
    }
}

#[test]
fn mis_11_a_hundred_joins_wait_for_a_guard_that_was_forgotten_until_it_is_marked_by_hand() {
    for (name, runtime) in runtimes() {
        for queue in of_each_kind(4) {
            let (queue, ended) = (Arc::new(queue), Arc::new(AtomicUsize::new(0)));
            runtime.block_on(async {
                (0..4).for_each(|item| assert!(queue.try_put(item).is_ok()));
                let in_line = Arc::new(AtomicUsize::new(0));
                let joins: Vec<_> = (0..100)
                    .map(|_| {
                        let (queue, in_line, ended) = (queue.clone(), in_line.clone(), ended.clone());
                        mainspring::spawn(async move {
                            let mut join = Box::pin(queue.join());
                            assert!(std::future::poll_fn(|cx| Poll::Ready(join.as_mut().poll(cx))).await.is_pending());
                            in_line.fetch_add(1, Ordering::SeqCst);
                            join.await;
                            ended.fetch_add(1, Ordering::SeqCst);
                        })
                    })
                    .collect();
                until(|| in_line.load(Ordering::SeqCst) == 100).await;
                joins[0].abort(); // in line as well
                forget(queue.get_item().await.unwrap());
                let _: &mut _ = Box::leak(Box::new(queue.get_item().await.unwrap()));
                drop(queue.get_item().await.unwrap());
                queue.get_item().await.unwrap().into_inner();
                queue.task_done();
                for _ in 0..10 {
                    yield_now().await;
                }
                assert_eq!((ended.load(Ordering::SeqCst), queue.unfinished()), (0, 1), "{name}");
                queue.task_done();
                for (index, join) in joins.into_iter().enumerate() {
                    assert_eq!(join.await.is_ok(), index > 0, "{name}");
                }
                assert_eq!(ended.load(Ordering::SeqCst), 99, "{name}");
                queue.join().await;
            });
        }
    }
}

#[test]
fn syn_05_a_close_sends_every_putter_home_with_his_own_item_and_leaves_what_is_in() {
    for (name, runtime) in runtimes() {
        for index in 0..3 {
            let ledger = Ledger::new(52);
            let queue = Arc::new(of_each_kind(2).into_iter().nth(index).unwrap());
            assert!([50, 51].into_iter().all(|number| queue.try_put(ledger.item(number)).is_ok()));
            runtime.block_on(async {
                let begun = Arc::new(AtomicUsize::new(0));
                let putters: Vec<_> = (0..50)
                    .map(|number| {
                        let (queue, item, begun) = (queue.clone(), ledger.item(number), begun.clone());
                        mainspring::spawn(async move {
                            begun.fetch_add(1, Ordering::SeqCst);
                            queue.put(item).await.map_err(|error| error.0.number).err()
                        })
                    })
                    .collect();
                let other = queue.clone();
                let join = mainspring::spawn(async move { other.join().await });
                until(|| begun.load(Ordering::SeqCst) == 50).await;
                putters[49].abort();
                queue.close();
                for (number, putter) in putters.into_iter().enumerate() {
                    let outcome = putter.await;
                    // The one that was cancelled may have heard of the close first.
                    assert!(
                        outcome.as_ref().is_ok_and(|own| *own == Some(number)) || number == 49,
                        "{name}: {outcome:?}"
                    );
                    assert_eq!(ledger.dropped(number), 1, "{name}");
                }
                assert!(!join.is_finished() && queue.len() == 2 && queue.is_closed());
                let mut left = [queue.get_item().await, queue.get_item().await].map(|item| item.unwrap().number);
                left.sort_unstable();
                assert_eq!((left, queue.try_get().err()), ([50, 51], Some(TryGetError::Closed)), "{name}");
                join.await.unwrap();
            });
            assert!(ledger.odd_ones().is_empty());
        }
    }
}

#[test]
fn syn_04_syn_05_a_waker_may_close_the_queue_that_wakes_it() {
    for index in 0..3 {
        let of_kind = || Arc::new(of_each_kind(1).into_iter().nth(index).unwrap());
        let closer = |queue: &Arc<Queue<u32>>| {
            let theirs = queue.clone();
            waker(move |deed| {
                if deed == "wake" {
                    theirs.close()
                }
            })
            .0
        };
        // Who puts, and is in when the getter's waker closes.
        let queue = of_kind();
        let mut get = Box::pin(queue.get());
        assert!(poll(&mut get, &closer(&queue)).is_pending());
        assert_eq!((queue.try_put(1), queue.try_put(2)), (Ok(()), Err(TryPutError::Closed(2))));
        assert_eq!(poll(&mut get, Waker::noop()), Poll::Ready(Ok(1)));
        // Who gets, and gives room to a putter whose waker closes before he takes it.
        let queue = of_kind();
        let (bell, good) = Bell::new();
        let (mut first, mut second) = (Box::pin(queue.put(2)), Box::pin(queue.put(3)));
        assert_eq!(queue.try_put(1), Ok(()));
        assert!(poll(&mut first, &closer(&queue)).is_pending() && poll(&mut second, &good).is_pending());
        assert_eq!((queue.try_get(), bell.rings(), queue.is_closed()), (Ok(1), 1, true));
        assert!(matches!(poll(&mut first, &good), Poll::Ready(Err(error)) if error.0 == 2));
        assert!(matches!(poll(&mut second, &good), Poll::Ready(Err(error)) if error.0 == 3));
        // Who marks the last one as done.
        let queue = of_kind();
        let (mut join, mut get) = (Box::pin(queue.join()), Box::pin(queue.get()));
        assert!(queue.try_put(1).is_ok() && poll(&mut join, &closer(&queue)).is_pending());
        drop(queue.try_get_item());
        assert!(queue.is_closed() && poll(&mut join, &good).is_ready() && poll(&mut get, &good).is_ready());
        assert_eq!(queue.unfinished(), 0);
    }
}

/// What becomes of a put that is closed on, by how far it has come. It ends by a poll or by being dropped.
fn close_on_a_put(queue: &Queue<Strange>, polled: bool, granted: bool, is_dropped: bool) {
    let ledger = Ledger::new(3);
    assert!(queue.try_put(ledger.item(0)).is_ok());
    let (mut put, mut next) = (Box::pin(queue.put(ledger.item(1))), Box::pin(queue.put(ledger.item(2))));
    if polled {
        assert!(poll(&mut put, Waker::noop()).is_pending() && poll(&mut next, Waker::noop()).is_pending());
    }
    if granted {
        drop(queue.try_get_item());
    }
    queue.close();
    assert_eq!((ledger.dropped(1), queue.len()), (0, usize::from(!granted)));
    if is_dropped {
        drop(put);
        assert_eq!(ledger.dropped(1), 1);
    } else {
        let Poll::Ready(Err(error)) = poll(&mut put, Waker::noop()) else { panic!("a closed queue takes nothing") };
        drop(put);
        assert_eq!((error.0.number, ledger.dropped(1)), (1, 0), "it is the caller's now");
    }
    assert!(matches!(poll(&mut next, Waker::noop()), Poll::Ready(Err(error)) if error.0.number == 2));
    assert_eq!(queue.try_get_item().is_ok(), !granted);
    assert_eq!((ledger.odd_ones(), queue.len(), queue.unfinished()), (vec![], 0, 0));
}

#[test]
fn syn_05_a_put_that_is_closed_on_brings_its_item_back_or_drops_it_once_however_far_it_was() {
    for (polled, granted) in [(false, false), (true, false), (true, true), (false, true)] {
        for is_dropped in [false, true] {
            of_each_kind(1).iter().for_each(|queue| close_on_a_put(queue, polled, granted, is_dropped));
        }
    }
}

#[test]
fn mis_11_a_queue_that_dies_full_with_futures_forgotten_in_its_lines_drops_what_is_in_it() {
    for index in 0..3 {
        let (ledger, bell) = (Ledger::new(6), Bell::new());
        let queue = of_each_kind(2).into_iter().nth(index).unwrap();
        assert!([0, 1].into_iter().all(|number| queue.try_put(ledger.item(number)).is_ok()));
        let (mut granted, mut in_line) = (Box::pin(queue.put(ledger.item(2))), Box::pin(queue.put(ledger.item(3))));
        let (mut stays, mut join) = (Box::pin(queue.put(ledger.item(4))), Box::pin(queue.join()));
        assert!(poll(&mut granted, &bell.1).is_pending() && poll(&mut in_line, &bell.1).is_pending());
        assert!(poll(&mut stays, Waker::noop()).is_pending() && poll(&mut join, Waker::noop()).is_pending());
        drop(queue.try_get_item());
        assert_eq!(bell.0.rings(), 1);
        // The place that one of them was given is lost with him, and so is the next; but the others move up.
        forget((granted, in_line, join, queue.put(ledger.item(5))));
        drop(queue.try_get_item());
        assert!(poll(&mut stays, Waker::noop()).is_pending(), "one place each for the two that are forgotten");
        drop(stays);
        // And those who get, in line and with an item in hand.
        let (mut granted, mut in_line) = (Box::pin(queue.get()), Box::pin(queue.get()));
        assert!(poll(&mut granted, Waker::noop()).is_pending() && poll(&mut in_line, Waker::noop()).is_pending());
        forget((granted, in_line));
        assert!(queue.try_put(ledger.item(5)).is_err() && queue.try_get().is_err());
        drop(queue);
        let dropped: Vec<_> = (0..6).map(|number| ledger.dropped(number)).collect();
        assert_eq!(dropped, [1, 1, 0, 0, 1, 1], "those in forgotten hands leak, and no other");
    }
    // The same with items that are meant for forgotten getters, while it is full.
    for index in 0..3 {
        let (ledger, queue) = (Ledger::new(2), of_each_kind(2).into_iter().nth(index).unwrap());
        let mut gets = [(); 3].map(|()| Box::pin(queue.get()));
        assert!(gets.iter_mut().all(|get| poll(get, Waker::noop()).is_pending()));
        assert!([0, 1].into_iter().all(|number| queue.try_put(ledger.item(number)).is_ok()));
        forget(gets);
        assert_eq!((queue.is_full(), queue.try_get().err()), (true, Some(TryGetError::Empty)));
        drop(queue);
        assert!(ledger.odd_ones().is_empty());
    }
}

/// Tasks of the runtime and plain threads put and get each as many, and a thread waits until all is done.
fn share(runtime: &Runtime, queue: &Arc<Queue<Strange>>) {
    const EACH: usize = 200;
    let ledger = Ledger::new(4 * EACH);
    thread::scope(|scope| {
        for first in [0, EACH] {
            let ledger = ledger.clone();
            scope.spawn(move || (first..first + EACH).all(|number| queue.blocking_put(ledger.item(number)).is_ok()));
            scope.spawn(move || {
                if first == 0 {
                    while queue.blocking_get_item().is_ok() {}
                } else {
                    while queue.blocking_get().is_ok_and(|_| {
                        queue.task_done();
                        true
                    }) {}
                }
            });
        }
        runtime.block_on(async {
            let putters = [2 * EACH, 3 * EACH].map(|first| {
                let (queue, ledger) = (queue.clone(), ledger.clone());
                mainspring::spawn(async move {
                    for number in first..first + EACH {
                        assert!(queue.put(ledger.item(number)).await.is_ok());
                    }
                })
            });
            let other = queue.clone();
            let getter = mainspring::spawn(async move { while other.get_item().await.is_ok() {} });
            for putter in putters {
                putter.await.unwrap();
            }
            // The threads may have put nothing yet, and then a join would end: all that they will put must be dropped.
            until(|| ledger.odd_ones().is_empty()).await;
            let other = queue.clone();
            mainspring::task::spawn_blocking(move || other.blocking_join()).await.unwrap();
            queue.close();
            getter.await.unwrap();
        });
    });
    assert_eq!((queue.len(), queue.unfinished(), ledger.odd_ones()), (0, 0, vec![]));
}

#[test]
fn syn_11_threads_that_block_and_tasks_that_wait_share_one_queue() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        let runtime = builder.build().unwrap();
        of_each_kind(2).into_iter().for_each(|queue| share(&runtime, &Arc::new(queue)));
    }
}

#[test]
fn syn_11_a_blocking_call_that_is_refused_drops_its_item_once_and_takes_nothing() {
    for (name, runtime) in runtimes() {
        let (ledger, queue) = (Ledger::new(3), Arc::new(Queue::bounded(1)));
        let refused = |call: fn(&Queue<Strange>, Strange), number| {
            let item = ledger.item(number);
            runtime.block_on(async { panic_of(|| call(&queue, item)) })
        };
        // The future that `block_on` runs is a task as any other.
        assert!(refused(|queue, item| drop(queue.blocking_put(item)), 0).contains("`blocking_put` inside"), "{name}");
        assert!(queue.try_put(ledger.item(1)).is_ok());
        assert!(
            refused(|queue, _| drop(queue.blocking_get_item()), 2).contains("`blocking_get_item` inside"),
            "{name}"
        );
        assert!((ledger.dropped(0), ledger.dropped(1), queue.len()) == (1, 0, 1), "{name}");
        // A job may wait; in a simulation, where it runs among the tasks, for what is there already and for nothing else.
        let job = |call: fn(&Queue<Strange>)| {
            let queue = queue.clone();
            let outcome = runtime.block_on(async { mainspring::task::spawn_blocking(move || call(&queue)).await });
            outcome.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        };
        job(|queue| drop(queue.blocking_get_item()));
        job(|queue| queue.blocking_join());
        if name == "simulated" {
            assert!(panic_of(|| job(|queue| drop(queue.blocking_get()))).contains("in a blocking job of a simulation"));
            assert!(queue.try_put(ledger.item(2)).is_ok() && queue.try_get_item().is_ok(), "nobody is left in line");
        }
        assert_eq!((ledger.dropped(0), ledger.dropped(1), queue.len()), (1, 1, 0), "{name}");
        assert_room(&queue, 1);
    }
}
