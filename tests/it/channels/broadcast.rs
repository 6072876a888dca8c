//! Every message, to everybody.

use crate::sync::kit::{Bell, now, poll};
use crate::sync::strangers::waker;
use crate::{message_of, panic_quietly, runtimes};
use mainspring::runtime::Builder;
use mainspring::sync::broadcast::error::{RecvError, TryRecvError};
use mainspring::sync::broadcast::{self, Receiver, Sender};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// What a closure panics with.
#[track_caller]
fn panic_of<R>(body: impl FnOnce() -> R) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(body())));
    message_of(outcome.expect_err("it must panic"))
}

#[test]
fn messages_and_the_end_go_between_tasks_in_every_flavour() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (sender, receiver) = broadcast::channel(100);
            let tasks: Vec<_> = (0..5)
                .map(|_| {
                    let mut receiver = receiver.resubscribe();
                    mainspring::spawn(async move {
                        let mut had = Vec::new();
                        while let Ok(message) = receiver.recv().await {
                            had.push(message);
                        }
                        had
                    })
                })
                .collect();
            drop(receiver);
            for message in 0..50 {
                assert_eq!(sender.send(message), Ok(5));
                if message % 7 == 0 {
                    mainspring::task::yield_now().await;
                }
            }
            drop(sender);
            for task in tasks {
                assert!(task.await.unwrap().into_iter().eq(0..50), "{name}");
            }
        });
    }
}

/// Says how often it was cloned.
#[derive(Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

#[test]
fn syn_09_ten_thousand_receivers_cost_one_wake_up_and_one_clone_each() {
    let sender = Sender::new(4);
    let mut receivers: Vec<_> = (0..10_000).map(|_| sender.subscribe()).collect();
    let (bell, waker) = Bell::new();
    let mut sent = 0;
    for waiting in [0, 1, 10, 10_000] {
        let message = Counted::default();
        let (clones, rings) = (message.0.clone(), bell.rings());
        let mut futures: Vec<_> =
            receivers.iter_mut().rev().take(waiting).map(|receiver| Box::pin(receiver.recv())).collect();
        // Those that are slow have something to be had at once.
        let waits = futures.iter_mut().filter_map(|future| poll(future, &waker).is_pending().then_some(())).count();
        assert_eq!(sender.send(message).ok(), Some(10_000));
        sent += 1;
        assert_eq!(bell.rings() - rings, waits, "one step for each that waits, and none for the others");
        drop(futures);
        let mut had = 0;
        for receiver in &mut receivers {
            while receiver.try_recv().is_ok() {
                had += 1;
            }
        }
        assert_eq!((waits, had), (waiting, 10_000));
        assert_eq!((clones.load(Ordering::SeqCst), sender.len()), (9_999, 0), "the last one has the message itself");
    }
    assert_eq!(sent, 4);
}

#[test]
fn syn_09_whoever_lags_is_told_of_exactly_what_is_lost() {
    for capacity in [1, 2, 3, 64, 1_000] {
        let (sender, mut lags) = broadcast::channel(capacity);
        let mut follows = lags.resubscribe();
        for sent in 0..capacity * 3 + 1 {
            assert_eq!(sender.send(sent), Ok(2));
            assert_eq!(follows.try_recv(), Ok(sent));
            assert!(sender.len() <= capacity);
        }
        assert_eq!((lags.len(), sender.len()), (capacity * 3 + 1, capacity));
        assert_eq!(now(lags.recv()), Err(RecvError::Lagged((capacity * 2 + 1) as u64)));
        assert_eq!(lags.len(), capacity);
        for had in capacity * 2 + 1..capacity * 3 + 1 {
            assert_eq!(now(lags.recv()), Ok(had));
        }
        assert_eq!(lags.try_recv(), Err(TryRecvError::Empty));
        assert!(lags.is_empty() && sender.is_empty());
    }
}

#[test]
fn syn_03_a_waiter_that_is_dropped_after_its_wake_up_has_taken_nothing() {
    let (sender, mut receiver) = broadcast::channel(4);
    let (bell, waker) = Bell::new();
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, &waker).is_pending());
    assert_eq!(sender.send(1), Ok(1));
    assert_eq!(bell.rings(), 1);
    drop(recv);
    assert_eq!((receiver.len(), sender.len(), now(receiver.recv())), (1, 1, Ok(1)));
    // One that was woken and is then too slow hears of it.
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, &waker).is_pending());
    (2..8).for_each(|n| assert_eq!(sender.send(n), Ok(1)));
    assert_eq!(poll(&mut recv, &waker), Poll::Ready(Err(RecvError::Lagged(2))));
}

#[test]
fn a_sender_that_waits_to_be_closed_hears_of_the_last_receiver_and_may_leave_before() {
    let (sender, receiver) = broadcast::channel::<u8>(1);
    let other = sender.subscribe();
    let ((bell, waker), (left, leaver)) = (Bell::new(), Bell::new());
    let (mut closed, mut leaves) = (Box::pin(sender.closed()), Box::pin(sender.closed()));
    assert!(poll(&mut closed, &waker).is_pending() && poll(&mut leaves, &leaver).is_pending());
    drop((leaves, other));
    assert_eq!(bell.rings(), 0);
    drop(receiver);
    assert_eq!((bell.rings(), left.rings()), (1, 0));
    let _receiver = sender.subscribe();
    assert!(poll(&mut closed, &waker).is_ready(), "for a moment there was no receiver");
    assert!(poll(&mut Box::pin(sender.closed()), &waker).is_pending());
}

/// A message that comes back to its channel when it is cloned and dropped, and may panic then.
struct Returning {
    sender: Sender<Returning>,
    panics: &'static str,
}

impl Returning {
    fn act(&self, deed: &str) {
        assert!(self.sender.len() < 100 && format!("{:?}", self.sender).contains("waiters"));
        drop(self.sender.subscribe());
        if deed == self.panics {
            panic_quietly(format!("in {deed}"));
        }
    }
}

impl Clone for Returning {
    fn clone(&self) -> Self {
        self.act("clone");
        Self { sender: self.sender.clone(), panics: self.panics }
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.act("drop");
    }
}

#[test]
fn snd_04_syn_04_a_message_that_comes_back_or_panics_costs_nobody_anything() {
    for panics in ["nothing", "clone", "drop"] {
        let (sender, mut first) = broadcast::channel(1);
        let mut second = sender.subscribe();
        let message = || Returning { sender: sender.clone(), panics };
        let (bell, waker) = Bell::new();
        let mut waits = Box::pin(second.recv());
        assert!(poll(&mut waits, &waker).is_pending());
        assert!(sender.send(message()).is_ok());
        assert_eq!(bell.rings(), 1);
        // The first clones it, unless that panics; either way it has had it.
        let outcome = catch_unwind(AssertUnwindSafe(|| first.try_recv().map(forget).is_ok()));
        assert_eq!(outcome.ok(), (panics != "clone").then_some(true));
        assert_eq!(first.len(), 0);
        // The second has the message itself.
        let had = poll(&mut waits, &waker);
        let Poll::Ready(Ok(had)) = had else { panic!("it was sent") };
        forget(had);
        drop(waits);
        assert!(sender.is_empty());
        // One that has to make room, and one that is left when its last receiver goes.
        assert!(sender.send(message()).is_ok());
        let mut waits = Box::pin(sender.closed());
        assert!(poll(&mut waits, &waker).is_pending());
        let outcome = catch_unwind(AssertUnwindSafe(|| sender.send(message()).is_ok()));
        assert_eq!(outcome.ok(), (panics != "drop").then_some(true));
        assert_eq!((first.len(), second.len(), sender.len()), (2, 2, 1));
        drop(first);
        let outcome = catch_unwind(AssertUnwindSafe(|| drop(second)));
        assert_eq!(outcome.is_ok(), panics != "drop");
        assert_eq!((sender.receiver_count(), sender.len()), (0, 0));
        assert!(poll(&mut waits, &waker).is_ready());
        drop(waits);
        // It comes back to whoever cannot send it.
        forget(sender.send(message()).unwrap_err().0);
    }
}

#[test]
fn syn_04_tsk_16_wakers_that_come_back_or_panic_cost_nobody_anything() {
    for what in ["nothing", "clone", "wake", "drop"] {
        let (sender, mut receiver) = broadcast::channel(8);
        let sender = Arc::new(sender);
        let theirs = sender.clone();
        let (bad, deeds) = waker(move |deed| {
            let mut new = theirs.subscribe();
            assert_eq!(new.try_recv(), Err(TryRecvError::Empty));
            assert!(format!("{theirs:?}").contains("waiters"));
            if deed == what {
                panic_quietly(format!("in {what}"));
            }
        });
        let (bell, good) = Bell::new();
        let mut second = receiver.resubscribe();
        {
            let (mut bad_one, mut good_one) = (Box::pin(receiver.recv()), Box::pin(second.recv()));
            let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut bad_one, &bad).is_pending()));
            assert_eq!(polled.is_ok(), what != "clone");
            assert!(poll(&mut good_one, &good).is_pending());
            assert_eq!(sender.send(1), Ok(2));
            assert_eq!(bell.rings(), 1);
            assert_eq!(poll(&mut bad_one, &good), Poll::Ready(Ok(1)));
            assert_eq!(poll(&mut good_one, &good), Poll::Ready(Ok(1)));
        }
        let mut closed = Box::pin(sender.closed());
        let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut closed, &bad).is_pending()));
        drop((receiver, second));
        let _ = poll(&mut closed, &good);
        assert!(deeds.count.load(Ordering::SeqCst) > 1);
        let _ = catch_unwind(AssertUnwindSafe(|| drop((closed, bad))));
    }
}

/// Counts what a receiver has and what it is told to have missed, to the end; in order for each sender.
fn listen(mut receiver: Receiver<(usize, u64)>) -> u64 {
    let (mut count, mut last) = (0, [0; 3]);
    loop {
        match receiver.blocking_recv() {
            Ok((sender, number)) => {
                assert!(number > std::mem::replace(&mut last[sender], number));
                count += 1;
            }
            Err(RecvError::Lagged(missed)) => count += missed,
            Err(RecvError::Closed) => return count,
        }
    }
}

#[test]
fn syn_05_what_threads_send_is_had_or_counted_as_missed_by_every_receiver() {
    for capacity in [1, 16, 10_000] {
        let (sender, receiver) = broadcast::channel(capacity);
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let receiver = receiver.resubscribe();
                thread::spawn(move || listen(receiver))
            })
            .collect();
        drop(receiver);
        let senders: Vec<_> = (0..3)
            .map(|index| {
                let sender = sender.clone();
                thread::spawn(move || (1..=1_000).for_each(|number| assert!(sender.send((index, number)).is_ok())))
            })
            .collect();
        senders.into_iter().for_each(|thread| thread.join().unwrap());
        drop(sender);
        receivers.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 3_000));
    }
}

#[test]
fn syn_05_receivers_that_come_and_go_while_others_send_leave_nothing_behind() {
    let alive = Arc::new(());
    let sender = Sender::<Arc<()>>::new(8);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for turn in 0..500 {
                    let mut receiver = sender.subscribe();
                    for _ in 0..turn % 3 {
                        let _ = receiver.try_recv();
                    }
                }
            });
            scope.spawn(|| (0..500).for_each(|_| drop(sender.send(alive.clone()))));
        }
    });
    assert_eq!((sender.len(), Arc::strong_count(&alive)), (0, 1));
}

#[test]
fn syn_11_a_plain_thread_may_block_and_a_task_may_not() {
    for (name, runtime) in runtimes() {
        let (_sender, mut receiver) = broadcast::channel::<u8>(1);
        let panic =
            runtime.block_on(async { mainspring::spawn(async move { receiver.blocking_recv() }).await }).unwrap_err();
        assert!(message_of(panic.into_panic()).contains("`blocking_recv` inside an async task"), "{name}");
    }
}

#[test]
fn mis_04_a_future_polled_after_its_end_panics_and_says_so() {
    let (sender, mut receiver) = broadcast::channel(1);
    assert_eq!(sender.send(1), Ok(1));
    let mut recv = Box::pin(receiver.recv());
    assert_eq!(poll(&mut recv, Waker::noop()), Poll::Ready(Ok(1)));
    assert!(panic_of(|| poll(&mut recv, Waker::noop()).is_ready()).contains("`Recv` was polled after it was ready"));
    drop(recv);
    drop(receiver);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, Waker::noop()).is_ready());
    assert!(
        panic_of(|| poll(&mut closed, Waker::noop()).is_ready()).contains("`Closed` was polled after it was ready")
    );
}

#[test]
fn mis_08_a_capacity_of_nothing_or_of_too_much_is_refused_in_words() {
    assert!(panic_of(|| broadcast::channel::<u8>(0)).contains("its capacity cannot be 0"));
    assert!(panic_of(|| Sender::<u8>::new(0)).contains("its capacity cannot be 0"));
    for capacity in [usize::MAX, usize::MAX / 2 + 1] {
        assert!(panic_of(|| Sender::<u8>::new(capacity)).contains("at most `usize::MAX / 2` messages"));
    }
    // The most that may be kept costs nothing as long as nothing is.
    let (sender, mut receiver) = broadcast::channel(usize::MAX / 2);
    assert_eq!((sender.send(1), receiver.try_recv()), (Ok(1), Ok(1)));
}

#[test]
fn mis_10_strangers_executors_and_plain_threads_have_every_message() {
    let (sender, receiver) = broadcast::channel(16);
    let threads = [false, true].map(|is_plain| {
        let mut receiver = receiver.resubscribe();
        thread::spawn(move || {
            if is_plain {
                return [receiver.blocking_recv(), receiver.blocking_recv(), receiver.blocking_recv()];
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { [receiver.recv().await, receiver.recv().await, receiver.recv().await] })
        })
    });
    assert_eq!((sender.send(1), sender.send(2)), (Ok(3), Ok(3)));
    drop(sender);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), [Ok(1), Ok(2), Err(RecvError::Closed)]);
    }
}

#[test]
fn mis_11_what_is_forgotten_only_leaks() {
    let (sender, mut receiver) = broadcast::channel(2);
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, Waker::noop()).is_pending());
    forget(recv);
    forget(sender.subscribe());
    (0..5).for_each(|n| assert_eq!(sender.send(n), Ok(2)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(3)));
    assert_eq!((sender.len(), sender.receiver_count()), (2, 2));
    forget(sender);
    assert!(!receiver.is_closed());
}

#[test]
fn a_task_that_always_finds_a_message_lets_others_run() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (sender, mut receiver) = broadcast::channel(100_000);
        (0..100_000).for_each(|n| assert_eq!(sender.send(n), Ok(1)));
        let had = Arc::new(Mutex::new(0));
        let count = had.clone();
        let task = mainspring::spawn(async move {
            for _ in 0..100_000 {
                receiver.recv().await.unwrap();
                *count.lock().unwrap() += 1;
            }
        });
        mainspring::task::yield_now().await;
        assert!((1..100_000).contains(&*had.lock().unwrap()));
        task.await.unwrap();
    });
}

#[test]
fn a_simulation_names_the_line_of_a_receiver_that_waits_for_ever() {
    let runtime = Builder::new_simulated(1).build().unwrap();
    let (sender, mut receiver) = broadcast::channel::<u8>(8);
    let shown = format!("{sender:?} {:?} {receiver:?}", sender.downgrade());
    assert!(shown.contains("kept: 0") && shown.contains("receivers: 1"), "{shown}");
    let message = panic_of(|| runtime.block_on(async { receiver.recv().await }));
    assert!(message.contains("a message on channel") && message.contains("broadcast.rs"), "{message}");
}
