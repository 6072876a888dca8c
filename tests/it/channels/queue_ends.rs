//! Work for many: what strangers, panics, threads and misuse do to it.

use super::queue::{of_each_kind, panic_of};
use crate::sync::kit::{Bell, now, poll};
use crate::sync::strangers::waker;
use crate::{message_of, panic_quietly, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::Semaphore;
use mainspring::sync::queue::Queue;
use mainspring::sync::queue::error::{TryGetError, TryPutError};
use std::cell::Cell;
use std::cmp::Ordering as Compared;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::thread;

/// Something that a comparison does to the queue it is made for.
type Deed = fn(&Queue<Odd>);

thread_local! {
    /// What the comparisons of this thread do.
    static DEED: Cell<Option<Deed>> = const { Cell::new(None) };
}

/// An item whose comparison does something.
struct Odd(u32, Arc<Queue<Odd>>);

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Odd {}

impl PartialOrd for Odd {
    fn partial_cmp(&self, other: &Self) -> Option<Compared> {
        Some(self.cmp(other))
    }
}

impl Ord for Odd {
    fn cmp(&self, other: &Self) -> Compared {
        if let Some(deed) = DEED.get() {
            deed(&self.1);
        }
        self.0.cmp(&other.0)
    }
}

#[test]
fn snd_04_syn_04_a_comparison_that_panics_or_comes_back_costs_no_item() {
    let queue = Arc::new(Queue::bounded(8).priority());
    for item in [3, 1, 2, 5, 4] {
        assert!(queue.try_put(Odd(item, queue.clone())).is_ok(), "who puts compares nothing");
    }
    DEED.set(Some(|_| panic_quietly("in a comparison")));
    for _ in 0..3 {
        assert_eq!(panic_of(|| queue.try_get().is_ok()), "in a comparison");
        assert_eq!(panic_of(|| now(queue.get()).is_ok()), "in a comparison");
        assert_eq!(panic_of(|| now(queue.get_item()).is_ok()), "in a comparison");
        assert_eq!((queue.len(), queue.unfinished()), (5, 5));
    }
    // One that was given an item while it waited.
    DEED.set(Some(|queue| {
        assert!(format!("{queue:?}").contains("by priority") && queue.len() <= 8);
        let Err(TryPutError::Full(odd)) = queue.try_put(Odd(9, Arc::new(Queue::unbounded()))) else { return };
        forget(odd);
    }));
    assert_eq!(queue.try_get().ok().map(|odd| odd.0), Some(1), "what was put meanwhile waits for the next turn");
    DEED.set(Some(|queue| drop(queue.try_get())));
    assert!(
        panic_of(|| queue.try_get().is_ok()).contains("`get` inside a comparison of items of the queue would wait")
    );
    DEED.set(None);
    let mut got = Vec::new();
    while let Ok(odd) = queue.try_get() {
        got.push(odd.0);
    }
    assert!(got.is_sorted() && got.iter().filter(|&&item| item < 9).eq(&[2, 3, 4, 5]), "{got:?}");
}

#[test]
fn those_who_put_do_not_wait_for_a_comparison_of_another_thread() {
    /// Tells that it is being compared, and waits for a word.
    struct Slow(u32, mpsc::Sender<()>, Arc<std::sync::Mutex<mpsc::Receiver<()>>>);
    impl PartialEq for Slow {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Slow {}
    impl PartialOrd for Slow {
        fn partial_cmp(&self, other: &Self) -> Option<Compared> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Slow {
        fn cmp(&self, other: &Self) -> Compared {
            self.1.send(()).unwrap();
            self.2.lock().unwrap().recv().unwrap();
            self.0.cmp(&other.0)
        }
    }
    let ((tells, told), (word, words)) = (mpsc::channel(), mpsc::channel());
    let words = Arc::new(std::sync::Mutex::new(words));
    let queue = Queue::unbounded().priority();
    let slow = |key| Slow(key, tells.clone(), words.clone());
    assert!(queue.try_put(slow(2)).is_ok() && queue.try_put(slow(1)).is_ok());
    thread::scope(|scope| {
        let getter = scope.spawn(|| queue.try_get().ok().map(|slow| slow.0));
        told.recv().unwrap(); // it compares now
        assert!(queue.try_put(slow(0)).is_ok());
        assert_eq!(queue.len(), 3);
        word.send(()).unwrap();
        assert_eq!(getter.join().unwrap(), Some(1));
    });
}

#[test]
fn syn_04_tsk_16_wakers_that_come_back_or_panic_cost_nobody_anything() {
    for what in ["nothing", "clone", "wake", "drop"] {
        for queue in of_each_kind(1) {
            let queue = Arc::new(queue);
            let theirs = queue.clone();
            let (bad, deeds) = waker(move |deed| {
                let _ = poll(&mut Box::pin(theirs.get()), Waker::noop()).map(|_| theirs.try_put(1));
                assert!(format!("{theirs:?}").contains("unfinished"));
                let _ = poll(&mut Box::pin(theirs.join()), Waker::noop());
                if deed == what {
                    panic_quietly(format!("in {what}"));
                }
            });
            let (bell, good) = Bell::new();
            let (mut first, mut second) = (Box::pin(queue.get()), Box::pin(queue.get()));
            let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut first, &bad).is_pending()));
            assert_eq!(polled.is_ok(), what != "clone");
            assert!(poll(&mut second, &good).is_pending());
            queue.close();
            assert_eq!(bell.rings(), 1);
            assert!(poll(&mut second, &good).is_ready() && poll(&mut first, &good).is_ready());
            assert!(deeds.count.load(Ordering::SeqCst) > 0);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(bad)));
        }
    }
}

#[test]
fn syn_05_every_item_that_threads_put_is_got_or_comes_back_when_it_is_closed() {
    for round in 0..60 {
        for queue in of_each_kind(2) {
            let (got, put) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while queue.blocking_get_item().is_ok() {
                            got.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                    scope.spawn(|| {
                        for item in 0..100 {
                            match queue.blocking_put(item) {
                                Ok(()) => drop(put.fetch_add(1, Ordering::SeqCst)),
                                Err(error) => assert_eq!(error.0, item),
                            }
                        }
                    });
                }
                for _ in 0..round {
                    thread::yield_now();
                }
                queue.close();
            });
            // Somebody who was given an item, and to whom another left it, may have been the last to look.
            while queue.try_get_item().is_ok() {
                got.fetch_add(1, Ordering::SeqCst);
            }
            assert_eq!((got.into_inner(), queue.unfinished()), (put.into_inner(), 0));
        }
    }
}

#[test]
fn snd_04_an_item_whose_end_panics_is_done_all_the_same() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_quietly("in drop");
        }
    }
    let queue = Queue::bounded(2);
    assert!(queue.try_put(Bomb).is_ok() && queue.try_put(Bomb).is_ok());
    let item = queue.try_get_item().ok().unwrap();
    assert_eq!(panic_of(|| drop(item)), "in drop");
    assert_eq!((queue.unfinished(), queue.len()), (1, 1));
    assert_eq!(panic_of(|| drop(queue)), "in drop");
    // And one that was marked by hand before says so.
    let queue = Queue::bounded(2);
    assert!(queue.try_put(1).is_ok());
    let item = queue.try_get_item().unwrap();
    queue.task_done();
    assert!(panic_of(|| item.into_inner()).contains("for an item that marks itself as done"));
}

#[test]
fn syn_11_a_plain_thread_may_block_and_a_task_may_not() {
    for (name, runtime) in runtimes() {
        let queue = Arc::new(Queue::bounded(1));
        let blocking = |call: fn(&Queue<u8>)| {
            let queue = queue.clone();
            let task = runtime.block_on(async { mainspring::spawn(async move { call(&queue) }).await });
            message_of(task.unwrap_err().into_panic())
        };
        assert!(blocking(|queue| drop(queue.blocking_get())).contains("`blocking_get` inside an async task"), "{name}");
        assert!(blocking(|queue| drop(queue.blocking_get_item())).contains("`blocking_get_item` inside"), "{name}");
        assert!(blocking(|queue| queue.blocking_put(1).unwrap()).contains("`blocking_put` inside"), "{name}");
        assert!(blocking(|queue| queue.blocking_join()).contains("`blocking_join` inside"), "{name}");
        assert_eq!((queue.len(), queue.unfinished()), (0, 0), "{name}");
    }
}

#[test]
fn mis_04_a_future_polled_after_its_end_panics_and_says_so() {
    let queue = Queue::bounded(2);
    macro_rules! again {
        ($($future:expr, $name:literal;)*) => {$({
            let mut future = Box::pin($future);
            assert!(poll(&mut future, Waker::noop()).is_ready());
            let message = panic_of(|| poll(&mut future, Waker::noop()).is_ready());
            assert!(message.contains(concat!("a `", $name, "` was polled after it was ready")), "{message}");
        })*};
    }
    again! {
        queue.put(1), "Put";
        queue.put(2), "Put";
        queue.get(), "Get";
        queue.get_item(), "GetItem";
    }
    queue.task_done();
    again! { queue.join(), "Join"; }
}

#[test]
fn mis_08_room_for_nothing_or_for_too_much_is_refused_in_words() {
    assert!(panic_of(|| Queue::<u8>::bounded(0)).contains("at least one item: use `Queue::unbounded`"));
    assert!(panic_of(|| Queue::<u8>::bounded(usize::MAX)).contains("at most `Semaphore::MAX_PERMITS` items"));
    for queue in [Queue::bounded(Semaphore::MAX_PERMITS), Queue::unbounded()] {
        // Giving room back to one that has had all of it is no overflow.
        for item in 0..100 {
            assert_eq!((queue.try_put(item), queue.try_get()), (Ok(()), Ok(item)));
        }
        assert!(!queue.is_full());
    }
}

#[test]
fn mis_10_strangers_executors_and_plain_threads_share_the_work() {
    let queue = Queue::bounded(1);
    let sum = AtomicUsize::new(0);
    thread::scope(|scope| {
        for is_plain in [false, true] {
            let (queue, sum) = (&queue, &sum);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                loop {
                    let got = if is_plain { queue.blocking_get() } else { runtime.block_on(queue.get()) };
                    let Ok(item) = got else { return };
                    sum.fetch_add(item, Ordering::SeqCst);
                    queue.task_done();
                }
            });
        }
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for item in 1..=100 {
                queue.put(item).await.unwrap();
            }
            queue.join().await;
        });
        queue.close();
    });
    assert_eq!(sum.into_inner(), 5_050);
}

#[test]
fn mis_11_what_is_forgotten_only_leaks() {
    let queue = Queue::bounded(1);
    let mut get = Box::pin(queue.get());
    assert!(poll(&mut get, Waker::noop()).is_pending());
    forget(get);
    assert_eq!(queue.try_put(1), Ok(()));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty), "it is for the one that is forgotten");
    queue.close();
    forget(queue.try_get_item().ok());
    assert!(poll(&mut Box::pin(queue.join()), Waker::noop()).is_pending());
    assert_eq!((queue.len(), queue.unfinished()), (0, 1));
}

#[test]
fn a_simulation_names_the_line_of_whoever_waits_for_ever() {
    let runtime = Builder::new_simulated(1).build().unwrap();
    let queue = Queue::bounded(1);
    let message = panic_of(|| runtime.block_on(async { queue.get().await.is_ok() }));
    assert!(message.contains("a message on channel") && message.contains("queue_ends.rs"), "{message}");
    assert!(queue.try_put(1).is_ok());
    let runtime = Builder::new_simulated(1).build().unwrap();
    let message = panic_of(|| runtime.block_on(async { queue.put(2).await.is_ok() }));
    assert!(message.contains("room in channel") && message.contains("queue_ends.rs"), "{message}");
    let runtime = Builder::new_simulated(1).build().unwrap();
    let message = panic_of(|| runtime.block_on(async { queue.join().await }));
    assert!(message.contains("the end of the work in queue") && message.contains("queue_ends.rs"), "{message}");
    let shown = format!("{queue:?}");
    assert!(shown.contains("len: 1") && shown.contains("first in, first out"), "{shown}");
}
