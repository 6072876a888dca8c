//! SYN-01: the latest value, against a plain reference.

use crate::sync::kit::{Bell, Boxed, check, poll};
use mainspring::sync::watch::{self, Receiver, Sender, error::RecvError};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(Clone, Debug)]
enum Step {
    Send(u32),
    Modify(u32, bool),
    Replace(u32),
    CloneSender,
    DropSender,
    Subscribe,
    Clone(usize),
    Drop(usize),
    Look(usize),
    Update(usize),
    Mark(usize, bool),
    Wait(usize),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0_usize..1_000;
    prop_oneof![
        3 => (0_u32..9).prop_map(Step::Send),
        2 => (0_u32..9, any::<bool>()).prop_map(|(value, tells)| Step::Modify(value, tells)),
        1 => (0_u32..9).prop_map(Step::Replace),
        1 => Just(Step::CloneSender),
        1 => Just(Step::DropSender),
        1 => Just(Step::Subscribe),
        1 => index().prop_map(Step::Clone),
        1 => index().prop_map(Step::Drop),
        1 => index().prop_map(Step::Look),
        2 => index().prop_map(Step::Update),
        1 => (index(), any::<bool>()).prop_map(|(index, seen)| Step::Mark(index, seen)),
        8 => index().prop_map(Step::Wait),
        3 => index().prop_map(Step::Leave),
    ]
}

/// A future that borrows its receiver, with its waker.
type Waiting = (Boxed<'static, Result<(), RecvError>>, Arc<Bell>, Waker);

/// A receiver, and what the reference knows of it.
struct Looker {
    receiver: Rc<RefCell<Receiver<u32>>>,
    has_seen: bool,
    waiting: Option<Waiting>,
}

impl Looker {
    fn new(receiver: Receiver<u32>, has_seen: bool) -> Self {
        Self { receiver: Rc::new(RefCell::new(receiver)), has_seen, waiting: None }
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "nobody else borrows it while this one waits")]
    fn wait(&self) -> Waiting {
        let (bell, waker) = Bell::new();
        let receiver = self.receiver.clone();
        (Box::pin(async move { receiver.borrow_mut().changed().await }), bell, waker)
    }

    /// Polls, and compares with what the reference says.
    fn poll(&mut self, is_closed: bool) {
        let mut waiting = self.waiting.take().unwrap_or_else(|| self.wait());
        match poll(&mut waiting.0, &waiting.2) {
            Poll::Pending => {
                assert!(self.has_seen && !is_closed);
                self.waiting = Some(waiting);
            }
            Poll::Ready(Ok(())) => assert!(!std::mem::replace(&mut self.has_seen, true)),
            Poll::Ready(Err(_)) => assert!(self.has_seen && is_closed),
        }
    }
}

/// The reference.
struct Plain {
    value: u32,
    senders: Vec<Sender<u32>>,
    lookers: Vec<Looker>,
}

impl Plain {
    fn new() -> Self {
        let (sender, receiver) = watch::channel(0);
        Self { value: 0, senders: vec![sender], lookers: vec![Looker::new(receiver, true)] }
    }

    fn changed(&mut self, value: u32) {
        self.value = value;
        self.lookers.iter_mut().for_each(|looker| looker.has_seen = false);
    }

    fn send(&mut self, step: &Step) {
        let Some(sender) = self.senders.first() else { return };
        match *step {
            Step::Send(value) => {
                let sent = sender.send(value);
                assert_eq!(sent.err().map(|error| error.0), self.lookers.is_empty().then_some(value));
                if !self.lookers.is_empty() {
                    self.changed(value);
                }
            }
            Step::Modify(value, tells) => {
                let change = |now: &mut u32| *now = value;
                if tells {
                    sender.send_modify(change);
                    self.changed(value);
                } else {
                    assert!(!sender.send_if_modified(|now| std::mem::replace(now, value) > 100));
                    self.value = value;
                }
            }
            Step::Replace(value) => {
                assert_eq!(sender.send_replace(value), self.value);
                self.changed(value);
            }
            Step::CloneSender => self.senders.push(self.senders[0].clone()),
            Step::Subscribe => self.lookers.push(Looker::new(sender.subscribe(), true)),
            _ => drop(self.senders.pop()),
        }
    }

    fn look(&mut self, step: &Step, index: usize) {
        let is_closed = self.senders.is_empty();
        let looker = &mut self.lookers[index];
        match step {
            Step::Wait(_) => return looker.poll(is_closed),
            Step::Leave(_) => looker.waiting = None,
            _ => {}
        }
        if looker.waiting.is_some() {
            return; // its future has the receiver
        }
        let mut receiver = looker.receiver.borrow_mut();
        match *step {
            Step::Clone(_) => {
                let clone = Looker::new(receiver.clone(), looker.has_seen);
                drop(receiver);
                self.lookers.push(clone);
            }
            Step::Drop(_) => {
                drop(receiver);
                self.lookers.remove(index);
            }
            Step::Look(_) => {
                let value = receiver.borrow();
                assert_eq!((*value, value.has_changed()), (self.value, !looker.has_seen));
                assert_eq!(receiver.has_changed().ok(), (!is_closed).then_some(!looker.has_seen));
            }
            Step::Update(_) => {
                let value = receiver.borrow_and_update();
                assert_eq!((*value, value.has_changed()), (self.value, !looker.has_seen));
                looker.has_seen = true;
            }
            Step::Mark(_, seen) => {
                if seen {
                    receiver.mark_unchanged();
                } else {
                    receiver.mark_changed();
                }
                looker.has_seen = seen;
            }
            _ => {}
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Clone(index)
            | Step::Drop(index)
            | Step::Look(index)
            | Step::Update(index)
            | Step::Mark(index, _)
            | Step::Wait(index)
            | Step::Leave(index) => {
                if !self.lookers.is_empty() {
                    self.look(&step, index % self.lookers.len());
                }
            }
            _ => self.send(&step),
        }
        self.compare();
    }

    fn compare(&self) {
        for looker in &self.lookers {
            if let Some((_, bell, _)) = &looker.waiting {
                let is_told = !looker.has_seen || self.senders.is_empty();
                assert_eq!(bell.rings(), usize::from(is_told), "woken once, when there is something to see");
            }
        }
        if let Some(sender) = self.senders.first() {
            assert_eq!((sender.sender_count(), sender.receiver_count()), (self.senders.len(), self.lookers.len()));
            assert_eq!(*sender.borrow(), self.value);
            assert!(!sender.borrow().has_changed());
        }
    }
}

#[test]
fn syn_01_a_watch_does_what_the_reference_does() {
    check(step(), |steps| {
        let mut plain = Plain::new();
        steps.into_iter().for_each(|step| plain.take(step));
    });
}
