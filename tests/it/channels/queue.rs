//! Work for many: what it does.

use crate::sync::kit::{Bell, now, poll};
use crate::{message_of, panic_quietly, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::queue::Queue;
use mainspring::sync::queue::error::{TryGetError, TryPutError};
use mainspring::sync::{broadcast, mpsc, watch};
use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

/// What a closure panics with.
#[track_caller]
pub(super) fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(body())));
    message_of(outcome.expect_err("it must panic"))
}

/// An empty queue of each kind, with room for so many.
pub(super) fn of_each_kind<T: Ord>(capacity: usize) -> [Queue<T>; 3] {
    [Queue::bounded(capacity), Queue::bounded(capacity).lifo(), Queue::bounded(capacity).priority()]
}

#[test]
fn work_goes_between_tasks_and_is_waited_for_in_every_flavour() {
    for (name, runtime) in runtimes() {
        for queue in of_each_kind(3) {
            let (queue, sum) = (Arc::new(queue), Arc::new(AtomicUsize::new(0)));
            runtime.block_on(async {
                let workers: Vec<_> = (0..4)
                    .map(|index| {
                        let (queue, sum) = (queue.clone(), sum.clone());
                        mainspring::spawn(async move {
                            if index % 2 == 0 {
                                while let Ok(item) = queue.get_item().await {
                                    mainspring::task::yield_now().await;
                                    sum.fetch_add(*item, Ordering::SeqCst);
                                }
                            } else {
                                while let Ok(item) = queue.get().await {
                                    sum.fetch_add(item, Ordering::SeqCst);
                                    queue.task_done();
                                }
                            }
                        })
                    })
                    .collect();
                let putters: Vec<_> = (0..2)
                    .map(|_| {
                        let queue = queue.clone();
                        mainspring::spawn(async move {
                            for item in 1..=50 {
                                queue.put(item).await.unwrap();
                            }
                        })
                    })
                    .collect();
                for putter in putters {
                    putter.await.unwrap();
                }
                queue.join().await;
                assert_eq!((sum.load(Ordering::SeqCst), queue.unfinished()), (2 * 1_275, 0), "{name}");
                queue.close();
                for worker in workers {
                    worker.await.unwrap();
                }
            });
        }
    }
}

#[test]
fn a_task_may_carry_what_lives_for_ever_through_every_channel() {
    // That this compiles is the test: with the item's type in a future twice such a task is not `Send`.
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let queue = Arc::new(Queue::<&'static str>::bounded(1));
        let (sender, mut receiver) = broadcast::channel::<&'static str>(1);
        let (to_one, mut from_one) = mpsc::channel::<&'static str>(1);
        let (watched, mut watcher) = watch::channel::<&'static str>("none");
        let task = mainspring::spawn(async move {
            queue.put("a").await.unwrap();
            let had = (queue.get().await.unwrap(), receiver.recv().await.unwrap());
            to_one.send("e").await.unwrap();
            to_one.reserve_owned().await.unwrap().send("f");
            watcher.changed().await.unwrap();
            assert!(watcher.wait_for(|value| *value == "c").await.is_ok());
            queue.task_done();
            queue.join().await;
            assert!(queue.try_put("d").is_ok());
            let item = queue.get_item().await.unwrap();
            mainspring::task::yield_now().await;
            (had, *item)
        });
        assert!(sender.send("b").is_ok() && watched.send("c").is_ok());
        assert_eq!((from_one.recv().await, from_one.recv().await), (Some("e"), Some("f")));
        assert_eq!(task.await.unwrap(), (("a", "b"), "d"));
    });
}

#[test]
fn syn_03_what_comes_to_somebody_who_leaves_goes_to_the_next() {
    let queue = Queue::bounded(1);
    let ((first, first_waker), (second, second_waker)) = (Bell::new(), Bell::new());
    let (mut leaves, mut stays) = (Box::pin(queue.get()), Box::pin(queue.get()));
    assert!(poll(&mut leaves, &first_waker).is_pending() && poll(&mut stays, &second_waker).is_pending());
    assert_eq!(queue.try_put(1), Ok(()));
    assert_eq!((first.rings(), second.rings()), (1, 0));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty), "it is meant for who waits");
    drop(leaves);
    assert_eq!(second.rings(), 1);
    assert_eq!(poll(&mut stays, &second_waker), Poll::Ready(Ok(1)));

    assert_eq!(queue.try_put(2), Ok(()));
    let (mut leaves, mut stays) = (Box::pin(queue.put(3)), Box::pin(queue.put(4)));
    assert!(poll(&mut leaves, &first_waker).is_pending() && poll(&mut stays, &second_waker).is_pending());
    assert_eq!(queue.try_get(), Ok(2));
    assert_eq!((first.rings(), second.rings(), queue.try_put(5)), (2, 1, Err(TryPutError::Full(5))));
    drop(leaves);
    assert_eq!(second.rings(), 2);
    assert_eq!(poll(&mut stays, &second_waker), Poll::Ready(Ok(())));
    assert_eq!(queue.try_get(), Ok(4));
    // And the last in line may leave as if he had never come.
    let mut leaves = Box::pin(queue.get());
    assert!(poll(&mut leaves, &first_waker).is_pending());
    drop(leaves);
    assert_eq!((queue.try_put(6), queue.try_get()), (Ok(()), Ok(6)));
}

#[test]
fn syn_07_those_who_wait_are_served_in_order_though_others_come_and_try() {
    let queue = Queue::bounded(1);
    let mut getting: Vec<_> = (0..50).map(|_| Box::pin(queue.get())).collect();
    getting.iter_mut().for_each(|get| assert!(poll(get, Waker::noop()).is_pending()));
    for (item, get) in getting.iter_mut().enumerate() {
        now(queue.put(item)).unwrap();
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        assert!(poll(&mut Box::pin(queue.get()), Waker::noop()).is_pending());
        assert_eq!(poll(get, Waker::noop()), Poll::Ready(Ok(item)));
    }
    drop(getting);
    now(queue.put(100)).unwrap();
    let mut putting: Vec<_> = (0..50).map(|item| Box::pin(queue.put(item))).collect();
    putting.iter_mut().for_each(|put| assert!(poll(put, Waker::noop()).is_pending()));
    let mut last = 100;
    for (item, put) in putting.iter_mut().enumerate() {
        assert_eq!(queue.try_get(), Ok(last));
        assert_eq!(queue.try_put(200), Err(TryPutError::Full(200)));
        assert!(poll(&mut Box::pin(queue.put(200)), Waker::noop()).is_pending());
        assert_eq!(poll(put, Waker::noop()), Poll::Ready(Ok(())));
        last = item;
    }
}

#[test]
fn a_queue_that_is_put_in_another_order_keeps_its_items() {
    let queue = Queue::unbounded().priority();
    [3, 1, 2].into_iter().for_each(|item| assert!(queue.try_put(item).is_ok()));
    assert_eq!(queue.try_get(), Ok(1)); // the others lie in the heap
    assert!(queue.try_put(0).is_ok());
    let queue = queue.lifo();
    assert_eq!((queue.len(), queue.try_get(), queue.try_get()), (3, Ok(0), Ok(2)));
    let queue = queue.priority();
    assert!(queue.try_put(1).is_ok());
    assert_eq!((queue.try_get(), queue.try_get(), queue.try_get()), (Ok(1), Ok(3), Err(TryGetError::Empty)));
    let queue = Queue::unbounded().priority();
    [3, 1, 2].into_iter().for_each(|item| assert!(queue.try_put(Reverse(item)).is_ok()));
    assert_eq!(queue.try_get(), Ok(Reverse(3)));
}

#[test]
fn a_join_hears_of_work_that_ends_by_panic_or_cancel_and_of_none_before() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let queue = Arc::new(Queue::unbounded());
        (0..4).for_each(|item| assert!(queue.try_put(item).is_ok()));
        let joins: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                mainspring::spawn(async move { queue.join().await })
            })
            .collect();
        let worker = || {
            let queue = queue.clone();
            mainspring::spawn(async move {
                let item = queue.get_item().await.unwrap();
                match *item {
                    0 => std::future::pending().await,
                    1 => panic_quietly("at work"),
                    _ => item.into_inner(),
                }
            })
        };
        let workers = [worker(), worker(), worker()];
        mainspring::task::yield_now().await;
        workers[0].abort();
        let [cancelled, panicked, done] = workers;
        assert!(cancelled.await.is_err() && panicked.await.is_err());
        assert_eq!((done.await.unwrap(), queue.unfinished()), (2, 1));
        assert!(joins.iter().all(|join| !join.is_finished()));
        assert_eq!(queue.get().await, Ok(3));
        queue.task_done();
        for join in joins {
            join.await.unwrap();
        }
        assert!(panic_of(|| queue.task_done()).contains("more often than items were put"));
        queue.join().await;
    });
}
