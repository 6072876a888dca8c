//! SYN-01, SYN-06: every message to everybody, against a plain reference.

use crate::sync::kit::{Bell, Boxed, check, poll};
use mainspring::sync::broadcast::error::{RecvError, TryRecvError};
use mainspring::sync::broadcast::{self, Receiver, Sender, WeakSender};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Subscribe,
    CloneSender,
    DropSender,
    Downgrade,
    Upgrade,
    Resubscribe(usize),
    Drop(usize),
    Try(usize),
    Recv(usize),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0_usize..1_000;
    prop_oneof![
        9 => any::<u8>().prop_map(Step::Send),
        2 => Just(Step::Subscribe),
        1 => Just(Step::CloneSender),
        1 => Just(Step::DropSender),
        1 => Just(Step::Downgrade),
        1 => Just(Step::Upgrade),
        1 => index().prop_map(Step::Resubscribe),
        2 => index().prop_map(Step::Drop),
        6 => index().prop_map(Step::Try),
        8 => index().prop_map(Step::Recv),
        3 => index().prop_map(Step::Leave),
    ]
}

/// A message that says how many of it there are.
type Message = (u8, Arc<()>);

/// A future that borrows its receiver, with its waker.
type Waiting = (Boxed<'static, Result<Message, RecvError>>, Arc<Bell>, Waker);

/// A receiver, and the number of the message that it has next.
struct Listener {
    receiver: Rc<RefCell<Receiver<Message>>>,
    next: usize,
    waiting: Option<Waiting>,
}

impl Listener {
    fn new(receiver: Receiver<Message>, next: usize) -> Self {
        Self { receiver: Rc::new(RefCell::new(receiver)), next, waiting: None }
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "nobody else borrows it while this one waits")]
    fn wait(&self) -> Waiting {
        let (bell, waker) = Bell::new();
        let receiver = self.receiver.clone();
        (Box::pin(async move { receiver.borrow_mut().recv().await }), bell, waker)
    }
}

/// The reference: everything that was ever sent.
struct Plain {
    capacity: usize,
    sent: Vec<u8>,
    senders: Vec<Sender<Message>>,
    weak: Vec<WeakSender<Message>>,
    listeners: Vec<Listener>,
    /// Counts the messages that are alive.
    alive: Arc<()>,
}

impl Plain {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = broadcast::channel(capacity);
        let listeners = vec![Listener::new(receiver, 0)];
        Self { capacity, sent: Vec::new(), senders: vec![sender], weak: Vec::new(), listeners, alive: Arc::new(()) }
    }

    fn oldest(&self) -> usize {
        self.sent.len().saturating_sub(self.capacity)
    }

    /// What a receiver must be told.
    fn next(&mut self, index: usize) -> Result<u8, TryRecvError> {
        let (oldest, is_closed) = (self.oldest(), self.senders.is_empty());
        let next = &mut self.listeners[index].next;
        if *next < oldest {
            return Err(TryRecvError::Lagged((oldest - std::mem::replace(next, oldest)) as u64));
        }
        let Some(message) = self.sent.get(*next) else {
            return Err(if is_closed { TryRecvError::Closed } else { TryRecvError::Empty });
        };
        *next += 1;
        Ok(*message)
    }

    fn send(&mut self, step: &Step) {
        match step {
            Step::Upgrade => {
                let upgraded = self.weak.pop().map(|weak| weak.upgrade());
                assert!(upgraded.as_ref().is_none_or(|it| it.is_some() != self.senders.is_empty()));
                self.senders.extend(upgraded.flatten());
            }
            Step::DropSender => drop(self.senders.pop()),
            _ => {}
        }
        let Some(sender) = self.senders.first() else { return };
        match *step {
            Step::Send(value) => {
                let outcome = sender.send((value, self.alive.clone()));
                let count = self.listeners.len();
                assert_eq!(outcome.map_err(|error| error.0.0), if count > 0 { Ok(count) } else { Err(value) });
                self.sent.extend((count > 0).then_some(value));
            }
            Step::CloneSender => self.senders.push(sender.clone()),
            Step::Downgrade => self.weak.push(sender.downgrade()),
            Step::Subscribe => self.listeners.push(Listener::new(sender.subscribe(), self.sent.len())),
            _ => {}
        }
    }

    fn listen(&mut self, step: &Step, index: usize) {
        match step {
            Step::Leave(_) => self.listeners[index].waiting = None,
            Step::Recv(_) => return self.recv(index),
            _ => {}
        }
        if self.listeners[index].waiting.is_some() {
            return; // its future has the receiver
        }
        let receiver = self.listeners[index].receiver.clone();
        let mut receiver = receiver.borrow_mut();
        match step {
            Step::Resubscribe(_) => self.listeners.push(Listener::new(receiver.resubscribe(), self.sent.len())),
            Step::Try(_) => assert_eq!(receiver.try_recv().map(|message| message.0), self.next(index)),
            Step::Drop(_) => drop(self.listeners.remove(index)),
            _ => assert_eq!(receiver.len(), self.sent.len() - self.listeners[index].next),
        }
    }

    fn recv(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        let mut waiting = listener.waiting.take().unwrap_or_else(|| listener.wait());
        let answer = match poll(&mut waiting.0, &waiting.2) {
            Poll::Pending => {
                listener.waiting = Some(waiting);
                Err(TryRecvError::Empty)
            }
            Poll::Ready(Ok(message)) => Ok(message.0),
            Poll::Ready(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            Poll::Ready(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
        };
        assert_eq!(answer, self.next(index));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Resubscribe(index)
            | Step::Drop(index)
            | Step::Try(index)
            | Step::Recv(index)
            | Step::Leave(index) => {
                if !self.listeners.is_empty() {
                    self.listen(&step, index % self.listeners.len());
                }
            }
            _ => self.send(&step),
        }
        self.compare();
    }

    fn compare(&self) {
        for listener in &self.listeners {
            if let Some((_, bell, _)) = &listener.waiting {
                let is_told = listener.next < self.sent.len() || self.senders.is_empty();
                assert_eq!(bell.rings(), usize::from(is_told), "woken once, when there is something");
            }
        }
        let needed_from = self.listeners.iter().map(|listener| listener.next).min().unwrap_or(self.sent.len());
        let kept = self.sent.len() - needed_from.max(self.oldest());
        assert_eq!(Arc::strong_count(&self.alive), 1 + kept, "what nobody needs is dropped, and nothing else");
        let Some(sender) = self.senders.first() else { return };
        assert_eq!((sender.len(), sender.is_empty()), (kept, kept == 0));
        assert_eq!((sender.strong_count(), sender.weak_count()), (self.senders.len(), self.weak.len()));
        assert_eq!(sender.receiver_count(), self.listeners.len());
    }
}

#[test]
fn syn_01_syn_06_a_broadcast_does_what_the_reference_does() {
    check((step(), 1_usize..5), |steps| {
        let mut plain = Plain::new(steps[0].1);
        steps.into_iter().for_each(|(step, _)| plain.take(step));
    });
}
