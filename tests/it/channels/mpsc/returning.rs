//! SYN-04, TSK-16, MIS-10: wakers that come back to the channel that clones, wakes or drops them, wakers that panic, and
//! executors that are none of ours.

use crate::panic_quietly;
use crate::sync::kit::{Bell, now, poll};
use crate::sync::strangers::waker;
use mainspring::sync::mpsc::{Receiver, Sender, channel};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

type Ends = Arc<Mutex<(Option<Sender<u32>>, Option<Receiver<u32>>)>>;

/// Everything that takes a lock of the channel.
fn use_all(ends: &Ends) {
    let Ok(mut ends) = ends.try_lock() else { return };
    let (sender, receiver) = &mut *ends;
    if let Some(sender) = sender {
        let _ = poll(&mut Box::pin(sender.send(1)), Waker::noop());
        drop(poll(&mut Box::pin(sender.reserve_many(2)), Waker::noop()));
        let _ = poll(&mut Box::pin(sender.closed()), Waker::noop());
        drop(sender.try_reserve());
        assert!(sender.capacity() <= 2 && !format!("{sender:?}").is_empty());
        drop(sender.clone());
    }
    if let Some(receiver) = receiver {
        assert!(receiver.len() <= 2 && !format!("{receiver:?}").is_empty());
        let _ = receiver.try_recv();
    }
}

#[test]
fn syn_04_a_waker_may_use_the_channel_that_clones_wakes_or_drops_it() {
    for leaves in [false, true] {
        let (sender, mut receiver) = channel(2);
        let ends: Ends = Arc::new(Mutex::new((Some(sender.clone()), None)));
        let theirs = ends.clone();
        let (waker, deeds) = waker(move |_| use_all(&theirs));
        // The receiver waits, and is woken by a value, by a new waker, by the close.
        let recv = poll(&mut Box::pin(receiver.recv()), &waker);
        assert!(
            recv.is_ready() || poll(&mut Box::pin(receiver.recv()), Waker::noop()).is_pending() || !receiver.is_empty()
        );
        let _ = poll(&mut Box::pin(receiver.recv()), &waker);
        while receiver.try_recv().is_ok() {}
        let _ = poll(&mut Box::pin(receiver.recv()), &waker);
        let _ = sender.try_send(7);
        // Senders wait, and get slots, or leave.
        while sender.try_send(7).is_ok() {}
        let mut send = Box::pin(sender.send(8));
        let mut closed = Box::pin(sender.closed());
        let _ = poll(&mut send, &waker);
        assert!(poll(&mut closed, &waker).is_pending());
        ends.lock().unwrap().1 = Some(receiver);
        if leaves {
            drop((send, closed));
        } else {
            let taken = ends.lock().unwrap().1.as_mut().unwrap().try_recv();
            assert!(taken.is_ok());
            let _ = poll(&mut send, &waker);
            drop(send);
        }
        let receiver = ends.lock().unwrap().1.take();
        drop(receiver);
        assert!(sender.is_closed());
        *ends.lock().unwrap() = (None, None);
        assert!(deeds.count.load(Ordering::SeqCst) > 5, "the waker was cloned, woken and dropped");
    }
}

#[test]
fn tsk_16_a_waker_that_panics_when_it_is_cloned_woken_or_dropped_harms_nobody_else() {
    for what in ["clone", "wake", "drop"] {
        let (bad, _deeds) = waker(move |deed| {
            if deed == what {
                panic_quietly(format!("in {what}"));
            }
        });
        let (sender, mut receiver) = channel(1);
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut Box::pin(receiver.recv()), &bad).is_pending()));
        assert_eq!(polled.is_ok(), what != "clone", "a clone's panic is the poll's, and no other");
        // The sender does not suffer from a receiver's waker.
        assert_eq!(sender.try_send(1), Ok(()));
        let (bell, good) = Bell::new();
        let (mut first, mut second) = (Box::pin(sender.send(2)), Box::pin(sender.send(3)));
        let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut first, &bad)));
        assert!(poll(&mut second, &good).is_pending());
        assert_eq!(receiver.try_recv(), Ok(1), "nor the receiver from a sender's");
        if what == "clone" {
            // The first never stood in line.
            assert_eq!((bell.rings(), poll(&mut second, &good)), (1, Poll::Ready(Ok(()))));
            assert!(poll(&mut first, &good).is_pending());
        } else {
            assert_eq!((bell.rings(), poll(&mut first, &good)), (0, Poll::Ready(Ok(()))));
        }
        assert!(receiver.try_recv().is_ok());
        assert_eq!(bell.rings(), 1 + usize::from(what == "clone"));
        let last = if what == "clone" { &mut first } else { &mut second };
        assert_eq!(poll(last, &good), Poll::Ready(Ok(())));
        let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut Box::pin(receiver.recv()), &bad)));
        let mut closed = Box::pin(sender.closed());
        let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut closed, &bad)));
        drop(receiver);
        assert!(poll(&mut closed, &good).is_ready());
        // Its last drop may panic, too, and that is ours.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(bad)));
    }
}

#[test]
fn mis_10_another_executor_and_plain_threads_share_our_channel() {
    let (sender, mut receiver) = channel(2);
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for who in 0..3_u32 {
        let sender = sender.clone();
        other.spawn(async move {
            for n in 0..200 {
                sender.send(who * 1_000 + n).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let thread = thread::spawn(move || (0..200).for_each(|n| sender.blocking_send(3_000 + n).unwrap()));
    let ours = mainspring::runtime::Runtime::new().unwrap();
    let received = ours.block_on(async {
        mainspring::spawn(async move {
            let mut received = Vec::new();
            while let Some(n) = receiver.recv().await {
                received.push(n);
            }
            received
        })
        .await
        .unwrap()
    });
    thread.join().unwrap();
    assert_eq!(received.len(), 800);
    for who in 0..4 {
        assert!(received.iter().copied().filter(|n| n / 1_000 == who).eq(who * 1_000..who * 1_000 + 200));
    }
}

#[test]
fn mis_10_our_task_receives_from_tokios_channel_and_tokios_from_ours() {
    let ours = mainspring::runtime::Runtime::new().unwrap();
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (to_ours, mut from_theirs) = tokio::sync::mpsc::channel(1);
    let (to_theirs, mut from_ours) = channel(1);
    let echo = other.spawn(async move {
        while let Some(n) = from_ours.recv().await {
            to_ours.send(n).await.unwrap();
        }
    });
    let sum: u32 = ours.block_on(async {
        let mut sum = 0;
        for n in 0..200 {
            to_theirs.send(n).await.unwrap();
            sum += from_theirs.recv().await.unwrap();
        }
        drop(to_theirs);
        sum
    });
    assert_eq!(sum, 199 * 100);
    other.block_on(echo).unwrap();
    let (sender, mut receiver) = channel::<u8>(1);
    drop(sender);
    assert_eq!(now(receiver.recv()), None);
}
