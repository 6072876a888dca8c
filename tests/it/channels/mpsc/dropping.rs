//! Values whose destructors come back to the channel that drops them, or panic.

use crate::panic_quietly;
use crate::sync::kit::{now, poll};
use mainspring::sync::mpsc::{Sender, UnboundedSender, channel, unbounded_channel};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

/// Sends to where it came from when it is dropped, and asks what there is to ask.
struct Boomerang {
    home: Sender<Option<Boomerang>>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Boomerang {
    fn drop(&mut self) {
        assert!(!format!("{:?}", self.home).is_empty());
        let is_refused = self.home.try_send(None).is_err();
        assert_eq!(is_refused, self.home.is_closed() || self.home.capacity() == 0);
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn syn_04_a_value_that_is_dropped_may_use_its_channel() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = channel(300);
    let boomerang = || Some(Boomerang { home: sender.clone(), drops: drops.clone() });
    (0..200).for_each(|_| assert!(sender.try_send(boomerang()).is_ok()));
    // Received and dropped.
    for n in 1..=10 {
        drop(now(receiver.recv()));
        assert_eq!(drops.load(Ordering::SeqCst), n);
    }
    assert_eq!(receiver.len(), 200, "ten went and ten came");
    // In a send that is given up, in line.
    let permits = sender.try_reserve_many(100).unwrap();
    let mut waits = Box::pin(sender.send(boomerang()));
    assert!(poll(&mut waits, Waker::noop()).is_pending());
    drop(waits);
    // Refused.
    drop(sender.try_send(boomerang()));
    assert_eq!(drops.load(Ordering::SeqCst), 12);
    // With the receiver, and by a permit that comes too late.
    drop(receiver);
    assert_eq!(drops.load(Ordering::SeqCst), 202);
    permits.take(1).for_each(|permit| permit.send(boomerang()));
    drop(sender.try_send(boomerang()));
    assert_eq!(drops.load(Ordering::SeqCst), 204);
    assert_eq!(sender.strong_count(), 1);
}

/// Writes down that it was dropped.
struct Listed(u32, Arc<Mutex<Vec<u32>>>);

impl Drop for Listed {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[test]
fn what_was_not_received_is_dropped_in_the_order_in_which_it_was_sent() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut receiver) = channel(600);
    (0..200).for_each(|n| assert!(sender.try_send(Listed(n, log.clone())).is_ok()));
    drop(now(receiver.recv()));
    (200..600).for_each(|n| assert!(sender.try_send(Listed(n, log.clone())).is_ok()));
    drop(receiver);
    assert!(log.lock().unwrap().iter().copied().eq(0..600));
}

/// A sender that goes with the value that it has sent.
struct Last(#[allow(dead_code, reason = "it is there to be dropped")] UnboundedSender<Last>);

#[test]
fn the_last_sender_may_lie_in_the_channel_itself() {
    let (sender, mut receiver) = unbounded_channel();
    let inner = Last(sender.clone());
    assert!(sender.send(inner).is_ok());
    drop(sender);
    assert!(!receiver.is_closed());
    drop(now(receiver.recv()));
    assert!(now(receiver.recv()).is_none());
    let (sender, receiver) = unbounded_channel();
    let weak = sender.downgrade();
    let inner = Last(sender.clone());
    assert!(sender.send(inner).is_ok());
    drop((sender, receiver));
    assert_eq!(weak.strong_count(), 0);
}

/// Panics when it is dropped, if it is told to.
struct Bomb(bool, Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if self.0 {
            panic_quietly("a value's own");
        }
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_costs_the_others_nothing() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = channel(500);
    for n in 0..400 {
        assert!(sender.try_send(Bomb(n == 250, drops.clone())).is_ok());
    }
    drop(now(receiver.recv()));
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, Waker::noop()).is_pending());
    let panic = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
    assert!(panic.is_err(), "it is whoever drops the receiver that hears of it");
    assert_eq!(drops.load(Ordering::SeqCst), 400, "each was dropped, once");
    assert!(poll(&mut closed, Waker::noop()).is_ready() && sender.is_closed());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(sender.try_send(Bomb(true, drops.clone()))))).is_err());
    assert_eq!(sender.capacity(), 101, "what was dropped unreceived keeps its slot, and nobody wants it");
}
