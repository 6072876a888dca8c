//! SYN-05: the ends that close and go, with slots reserved and values on the way; each value is received, given back or dropped,
//! once.

use crate::runtimes;
use crate::sync::kit::{Bell, now, poll};
use mainspring::sync::mpsc::error::{SendError, TryRecvError, TrySendError};
use mainspring::sync::mpsc::{channel, unbounded_channel};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;

/// How many are alive.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn syn_05_threads_send_while_the_receiver_closes_or_goes_and_no_value_is_lost() {
    for round in 0..300 {
        let alive = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = channel(1 + round % 4);
        let start = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (sender, alive, start) = (sender.clone(), alive.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let mut sent = 0;
                    for n in 0..50 {
                        let value = Counted::new(&alive);
                        let result = match n % 3 {
                            0 => sender.blocking_send(value),
                            1 => match sender.try_send(value) {
                                Err(TrySendError::Full(value)) => sender.blocking_send(value),
                                Err(TrySendError::Closed(value)) => Err(SendError(value)),
                                Ok(()) => Ok(()),
                            },
                            _ => sender
                                .try_reserve()
                                .map(|permit| permit.send(value))
                                .map_err(|_| SendError(Counted::new(&alive))),
                        };
                        sent += usize::from(result.is_ok());
                    }
                    sent
                })
            })
            .collect();
        drop(sender);
        start.wait();
        let mut received = (0..round % 20).map_while(|_| receiver.blocking_recv()).count();
        let closes = round % 2 == 0;
        if closes {
            receiver.close();
            received += std::iter::from_fn(|| receiver.blocking_recv()).count();
        }
        drop(receiver);
        let sent: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(if closes { sent == received } else { sent >= received }, "{sent} sent, {received} received");
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_closed_channel_gives_what_was_sent_then_waits_for_the_permits_then_ends() {
    let (sender, mut receiver) = channel(3);
    sender.try_send(1).unwrap();
    let permits = sender.try_reserve_many(2).unwrap();
    let mut waits = Box::pin(sender.send(9));
    assert!(poll(&mut waits, Waker::noop()).is_pending());
    receiver.close();
    assert_eq!(poll(&mut waits, Waker::noop()), Poll::Ready(Err(SendError(9))));
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(now(sender.send(9)), Err(SendError(9)));
    assert!(now(sender.reserve()).is_err() && now(sender.reserve_many(0)).is_err());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "permits are out");
    let (bell, waker) = Bell::new();
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, &waker).is_pending());
    let mut permits = permits.into_iter();
    permits.next().unwrap().send(2);
    assert_eq!((bell.rings(), poll(&mut recv, &waker)), (1, Poll::Ready(Some(2))));
    drop(recv);
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(&mut recv, &waker).is_pending(), "one is still out");
    drop(permits);
    assert_eq!((bell.rings(), poll(&mut recv, &waker)), (2, Poll::Ready(None)));
    drop(recv);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!((receiver.capacity(), receiver.len()), (3, 0));
}

#[test]
fn a_sender_whose_slot_was_granted_before_the_close_still_sends_or_lets_go() {
    for sends in [true, false] {
        let (sender, mut receiver) = channel(1);
        sender.try_send(1).unwrap();
        let mut waits = Box::pin(sender.send(2));
        assert!(poll(&mut waits, Waker::noop()).is_pending());
        assert_eq!(receiver.try_recv(), Ok(1));
        receiver.close();
        let (bell, waker) = Bell::new();
        let mut recv = Box::pin(receiver.recv());
        assert!(poll(&mut recv, &waker).is_pending());
        if sends {
            assert_eq!(poll(&mut waits, Waker::noop()), Poll::Ready(Ok(())));
        } else {
            drop(waits);
        }
        assert_eq!(bell.rings(), 1);
        assert_eq!(poll(&mut recv, &waker), Poll::Ready(sends.then_some(2)));
    }
}

#[test]
fn what_is_sent_to_nobody_comes_back_or_is_dropped_at_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = channel(2);
    let permit = sender.try_reserve().unwrap();
    let owned = sender.clone().try_reserve_owned().unwrap();
    let mut granted = Box::pin(sender.send(Counted::new(&alive)));
    assert!(poll(&mut granted, Waker::noop()).is_pending());
    drop(owned);
    assert!(receiver.try_recv().is_err());
    drop(receiver);
    permit.send(Counted::new(&alive));
    assert_eq!(alive.load(Ordering::SeqCst), 1, "the one that nobody wants is gone, the waiting one is in its future");
    let Poll::Ready(Err(SendError(back))) = poll(&mut granted, Waker::noop()) else { panic!("nobody is there") };
    drop(back);
    assert_eq!((alive.load(Ordering::SeqCst), sender.capacity()), (0, 2));
}

#[test]
fn the_end_is_heard_by_all_who_wait_for_it_in_every_flavour() {
    for (name, runtime) in runtimes() {
        for closes in [true, false] {
            runtime.block_on(async {
                let (sender, mut receiver) = channel::<u8>(1);
                let (other, mut also) = unbounded_channel::<u8>();
                let tasks: Vec<_> = (0..3)
                    .map(|_| {
                        let (sender, other) = (sender.clone(), other.clone());
                        mainspring::spawn(async move {
                            sender.closed().await;
                            other.closed().await;
                            sender.is_closed() && other.is_closed()
                        })
                    })
                    .collect();
                mainspring::task::yield_now().await;
                if closes {
                    receiver.close();
                    also.close();
                } else {
                    drop((receiver, also));
                }
                for task in tasks {
                    assert!(task.await.unwrap(), "{name}");
                }
                assert!(other.send(1).is_err() && sender.send(1).await.is_err(), "{name}");
            });
        }
    }
}

#[test]
fn weak_senders_keep_nothing_open_and_count() {
    let (sender, mut receiver) = channel(1);
    let weak = sender.downgrade();
    let other = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count(), receiver.sender_weak_count()), (1, 2, 2));
    let permit = sender.clone().try_reserve_owned().unwrap();
    assert_eq!((weak.strong_count(), receiver.sender_strong_count()), (2, 2), "a permit has one in it");
    drop(sender);
    assert!(!receiver.is_closed());
    drop(permit.send(7));
    assert!(receiver.is_closed() && weak.upgrade().is_none());
    drop(other);
    assert_eq!((weak.weak_count(), weak.strong_count()), (1, 0));
    assert_eq!((now(receiver.recv()), now(receiver.recv())), (Some(7), None));
    let (sender, receiver) = unbounded_channel::<u8>();
    let weak = sender.downgrade();
    drop(receiver);
    assert!(weak.upgrade().unwrap().is_closed() && weak.upgrade().unwrap().same_channel(&sender));
}
