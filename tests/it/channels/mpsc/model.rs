//! SYN-01, SYN-05, SYN-06: random sequences of everything that can be done, on a channel and on a plain reference; no answer, no
//! wake-up, no length and no count differs, and every value is somewhere, once.

use crate::sync::kit::{Bell, Boxed, check, poll};
use mainspring::sync::mpsc::error::{TryRecvError, TrySendError};
use mainspring::sync::mpsc::{self, Bounded, Kind, OwnedPermit, Receiver, Sender, Unbounded, WeakSender};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A number, and proof of its life.
type Value = (u64, Arc<()>);

/// What a future at the senders' end gives: a permit, or nothing because it has sent; or the values that it could not send.
type Sent = Result<Option<OwnedPermit<Value>>, Vec<Value>>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    TrySend,
    /// So many in slots that are reserved at once.
    SendMany(usize),
    Reserve,
    TryReserve,
    Poll(usize),
    Leave(usize),
    Use(usize),
    GiveBack(usize, bool),
    Recv,
    TryRecv,
    RecvMany(usize),
    Close,
    DropReceiver,
    Clone,
    DropSender,
    Upgrade,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0_usize..1 << 20;
    prop_oneof![
        8 => Just(Step::Send),
        4 => Just(Step::TrySend),
        2 => (0_usize..4).prop_map(Step::SendMany),
        3 => Just(Step::Reserve),
        2 => Just(Step::TryReserve),
        5 => which().prop_map(Step::Poll),
        3 => which().prop_map(Step::Leave),
        3 => which().prop_map(Step::Use),
        2 => (which(), any::<bool>()).prop_map(|(which, drops)| Step::GiveBack(which, drops)),
        8 => Just(Step::Recv),
        3 => Just(Step::TryRecv),
        2 => (0_usize..4).prop_map(Step::RecvMany),
        1 => Just(Step::Close),
        1 => Just(Step::DropReceiver),
        1 => Just(Step::Clone),
        2 => Just(Step::DropSender),
        1 => Just(Step::Upgrade),
    ]
}

/// Both ends.
type Ends<K> = (Sender<Value, K>, Receiver<Value, K>);
type TrySent = Result<(), TrySendError<Value>>;
type TryReserved = Result<OwnedPermit<Value>, TrySendError<()>>;
/// Waits to send, or for a slot.
type Future = Boxed<'static, Sent>;

/// What only one of the two kinds has.
struct Calls<K: Kind> {
    slots: usize,
    new: fn(usize) -> Ends<K>,
    send: fn(Sender<Value, K>, Vec<Value>) -> Future,
    try_send: fn(&Sender<Value, K>, Value) -> TrySent,
    reserve: Option<fn(Sender<Value, K>) -> Future>,
    try_reserve: fn(Sender<Value, K>) -> TryReserved,
    free: fn(&Receiver<Value, K>) -> Option<usize>,
}

const BOUNDED: Calls<Bounded> = Calls {
    slots: 3,
    new: mpsc::channel,
    send: |sender, mut values| {
        Box::pin(async move {
            if values.len() == 1 {
                let value = values.pop().unwrap();
                return sender.send(value).await.map(|()| None).map_err(|error| vec![error.0]);
            }
            match sender.reserve_many(values.len()).await {
                Ok(permits) => permits.zip(values).for_each(|(permit, value)| permit.send(value)),
                Err(_) => return Err(values),
            }
            Ok(None)
        })
    },
    try_send: |sender, value| sender.try_send(value),
    reserve: Some(|sender| Box::pin(async { sender.reserve_owned().await.map(Some).map_err(|_| Vec::new()) })),
    try_reserve: |sender| {
        sender.try_reserve_owned().map_err(|error| match error {
            TrySendError::Full(_) => TrySendError::Full(()),
            TrySendError::Closed(_) => TrySendError::Closed(()),
        })
    },
    free: |receiver| Some(receiver.capacity()),
};

const UNBOUNDED: Calls<Unbounded> = Calls {
    slots: usize::MAX,
    new: |_| mpsc::unbounded_channel(),
    send: |sender, values| {
        Box::pin(async move {
            let unsent: Vec<_> = values.into_iter().filter_map(|value| sender.send(value).err()).collect();
            if unsent.is_empty() { Ok(None) } else { Err(unsent.into_iter().map(|error| error.0).collect()) }
        })
    },
    try_send: |sender, value| sender.send(value).map_err(Into::into),
    reserve: None,
    try_reserve: |_| unreachable!("only where there are slots"),
    free: |_| None,
};

/// Somebody in line, on both sides.
struct Waiting {
    future: Future,
    bell: Arc<Bell>,
    waker: Waker,
    /// The numbers that he wants to send.
    values: Vec<u64>,
    slots: usize,
    /// What the reference has given: nothing yet, slots, or the news of the end.
    given: Option<bool>,
}

/// Both sides.
struct Channel<K: Kind> {
    calls: Calls<K>,
    proof: Arc<()>,
    senders: Vec<Sender<Value, K>>,
    weak: WeakSender<Value, K>,
    receiver: Option<Receiver<Value, K>>,
    bell: Arc<Bell>,
    waker: Waker,
    permits: Vec<OwnedPermit<Value>>,
    /// In the order in which they came, those who were given something included.
    waiting: Vec<Waiting>,
    queue: VecDeque<u64>,
    closed: bool,
    next: u64,
    /// Does the receiver wait, and how often was it to be woken?
    parked: bool,
    rings: usize,
}

impl<K: Kind> Channel<K> {
    fn new(calls: Calls<K>) -> Self {
        let (sender, receiver) = (calls.new)(calls.slots);
        let (bell, waker) = Bell::new();
        Self {
            weak: sender.downgrade(),
            senders: vec![sender],
            receiver: Some(receiver),
            proof: Arc::new(()),
            permits: Vec::new(),
            waiting: Vec::new(),
            queue: VecDeque::new(),
            closed: false,
            next: 0,
            parked: false,
            rings: 0,
            calls,
            bell,
            waker,
        }
    }

    fn value(&mut self) -> Value {
        self.next += 1;
        (self.next, self.proof.clone())
    }

    fn used(&self) -> usize {
        let granted = |waiting: &&Waiting| waiting.given == Some(true);
        let granted: usize = self.waiting.iter().filter(granted).map(|waiting| waiting.slots).sum();
        self.queue.len() + self.permits.len() + granted
    }

    fn free(&self) -> usize {
        self.calls.slots - self.used()
    }

    fn strong(&self) -> usize {
        self.senders.len() + self.permits.len() + self.waiting.len()
    }

    fn is_over(&self) -> bool {
        self.queue.is_empty() && (self.strong() == 0 || (self.closed && self.used() == 0))
    }

    fn at_once(&self, slots: usize) -> Result<(), TrySendError<()>> {
        if self.closed || slots > self.calls.slots {
            return Err(TrySendError::Closed(()));
        }
        let has_line = self.waiting.iter().any(|waiting| waiting.given.is_none());
        let fits = slots == 0 || (!has_line && slots <= self.free());
        fits.then_some(()).ok_or(TrySendError::Full(()))
    }

    fn arrives(&mut self, value: u64) {
        if self.receiver.is_some() {
            self.queue.push_back(value);
        }
    }

    /// Gives to whoever is first as long as there is enough, and wakes the receiver if there is a reason.
    fn settle(&mut self) {
        for index in 0..self.waiting.len() {
            if self.waiting[index].given.is_some() {
                continue;
            }
            if self.closed {
                self.waiting[index].given = Some(false);
            } else if self.waiting[index].slots <= self.free() {
                self.waiting[index].given = Some(true);
            } else {
                break;
            }
        }
        if self.parked && (!self.queue.is_empty() || self.is_over()) {
            self.parked = false;
            self.rings += 1;
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send | Step::SendMany(_) | Step::Reserve | Step::TrySend | Step::TryReserve => {
                let Some(sender) = self.senders.last().cloned() else { return };
                self.enter(step, sender);
            }
            Step::Poll(which) if !self.waiting.is_empty() => self.poll(which % self.waiting.len()),
            Step::Leave(which) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(which % self.waiting.len()));
            }
            Step::Use(which) if !self.permits.is_empty() => {
                let value = self.value();
                self.arrives(value.0);
                let permit = self.permits.remove(which % self.permits.len());
                drop(permit.send(value));
            }
            Step::GiveBack(which, drops) if !self.permits.is_empty() => {
                let permit = self.permits.remove(which % self.permits.len());
                if drops { drop(permit) } else { drop(permit.release()) }
            }
            Step::Recv | Step::TryRecv | Step::RecvMany(_) => self.receive(step),
            Step::Close => {
                let Some(receiver) = &mut self.receiver else { return };
                receiver.close();
                self.closed = true;
            }
            Step::DropReceiver => {
                self.closed |= self.receiver.take().is_some();
                self.parked &= self.receiver.is_some();
                self.queue.clear();
            }
            Step::Clone => self.senders.extend(self.senders.last().cloned()),
            Step::DropSender => drop(self.senders.pop()),
            Step::Upgrade => {
                let revived = self.weak.upgrade();
                assert_eq!(revived.is_some(), self.strong() > 0);
                self.senders.extend(revived);
            }
            _ => return,
        }
        self.settle();
        self.compare();
    }

    /// Somebody wants to send, or slots.
    fn enter(&mut self, step: Step, sender: Sender<Value, K>) {
        let expected = self.at_once(if let Step::SendMany(count) = step { count } else { 1 });
        match (step, self.calls.reserve) {
            (Step::TrySend, _) => {
                let value = self.value();
                let number = value.0;
                match (self.calls.try_send)(&sender, value) {
                    Ok(()) => self.arrives(number),
                    Err(TrySendError::Full(value)) => {
                        assert_eq!((value.0, &expected), (number, &Err(TrySendError::Full(()))))
                    }
                    Err(TrySendError::Closed(value)) => {
                        assert_eq!((value.0, &expected), (number, &Err(TrySendError::Closed(()))));
                    }
                }
            }
            (Step::TryReserve, Some(_)) => {
                let permit = (self.calls.try_reserve)(sender);
                assert_eq!(permit.as_ref().err(), expected.as_ref().err());
                self.permits.extend(permit);
            }
            (Step::Reserve, Some(reserve)) => self.wait(reserve(sender), Vec::new(), 1, expected),
            (Step::Send | Step::SendMany(_), _) => {
                let count = if let Step::SendMany(count) = step { count } else { 1 };
                let values: Vec<_> = (0..count).map(|_| self.value()).collect();
                let numbers = values.iter().map(|value| value.0).collect();
                self.wait((self.calls.send)(sender, values), numbers, count, expected);
            }
            _ => {}
        }
    }

    /// A first poll.
    fn wait(&mut self, mut future: Future, values: Vec<u64>, slots: usize, expected: Result<(), TrySendError<()>>) {
        let (bell, waker) = Bell::new();
        match (poll(&mut future, &waker), expected) {
            (Poll::Ready(Ok(permit)), Ok(())) => {
                self.permits.extend(permit);
                values.into_iter().for_each(|value| self.arrives(value));
            }
            (Poll::Ready(Err(unsent)), Err(TrySendError::Closed(()))) => {
                assert_eq!(unsent.iter().map(|value| value.0).collect::<Vec<_>>(), values);
            }
            (Poll::Ready(Ok(None)), _) if slots == 0 && self.calls.reserve.is_none() => {}
            (Poll::Pending, Err(TrySendError::Full(()))) => {
                self.waiting.push(Waiting { future, bell, waker, values, slots, given: None });
            }
            (_, expected) => panic!("should have been {expected:?}"),
        }
    }

    /// A later one.
    fn poll(&mut self, index: usize) {
        let waiting = &mut self.waiting[index];
        let answer = poll(&mut waiting.future, &waiting.waker);
        assert_eq!(answer.is_ready(), waiting.given.is_some());
        let Poll::Ready(answer) = answer else { return };
        let Waiting { values, given, .. } = self.waiting.remove(index);
        match answer {
            Ok(permit) => {
                assert_eq!(given, Some(true));
                self.permits.extend(permit);
                values.into_iter().for_each(|value| self.arrives(value));
            }
            // A slot that was granted before the receiver went is of no use.
            Err(unsent) => {
                assert!(given == Some(false) || self.receiver.is_none());
                assert_eq!(unsent.iter().map(|value| value.0).collect::<Vec<_>>(), values);
            }
        }
    }

    fn receive(&mut self, step: Step) {
        let is_over = self.is_over();
        let Some(receiver) = &mut self.receiver else { return };
        let mut cx = Context::from_waker(&self.waker);
        match step {
            Step::Recv => match receiver.poll_recv(&mut cx) {
                Poll::Ready(Some(value)) => assert_eq!(Some(value.0), self.queue.pop_front()),
                Poll::Ready(None) => assert!(is_over),
                Poll::Pending => {
                    assert!(self.queue.is_empty() && !is_over);
                    self.parked = true;
                }
            },
            Step::RecvMany(limit) => {
                let mut buffer = Vec::new();
                let count = self.queue.len().min(limit);
                let expected: Vec<_> = self.queue.drain(..count).collect();
                match receiver.poll_recv_many(&mut cx, &mut buffer, limit) {
                    Poll::Ready(got) => {
                        assert_eq!((got, count > 0), (count, !(limit == 0 || is_over)));
                        assert_eq!(buffer.iter().map(|value| value.0).collect::<Vec<_>>(), expected);
                    }
                    Poll::Pending => {
                        assert!(limit > 0 && count == 0 && !is_over);
                        self.parked = true;
                    }
                }
            }
            _ => match receiver.try_recv() {
                Ok(value) => assert_eq!(Some(value.0), self.queue.pop_front()),
                Err(TryRecvError::Disconnected) => assert!(is_over),
                Err(TryRecvError::Empty) => assert!(self.queue.is_empty() && !is_over),
            },
        }
    }

    fn compare(&self) {
        assert_eq!((self.weak.strong_count(), self.weak.weak_count()), (self.strong(), 1));
        if let Some(receiver) = &self.receiver {
            assert_eq!((receiver.len(), receiver.is_empty()), (self.queue.len(), self.queue.is_empty()));
            assert_eq!(receiver.is_closed(), self.closed || self.strong() == 0);
            assert!((self.calls.free)(receiver).is_none_or(|free| free == self.free()), "SYN-06");
        }
        assert!(self.senders.iter().all(|sender| sender.is_closed() == self.closed));
        for waiting in &self.waiting {
            let expected = usize::from(waiting.given.is_some());
            assert_eq!(waiting.bell.rings(), expected, "woken once, when there is something for him");
        }
        assert_eq!(self.bell.rings(), self.rings, "the receiver is woken once each time that it waits");
        let in_hands: usize = self.waiting.iter().map(|waiting| waiting.values.len()).sum();
        assert_eq!(Arc::strong_count(&self.proof), 1 + self.queue.len() + in_hands, "SYN-05: each is somewhere, once");
    }

    /// All go, in an order that the sequence has chosen; nothing is left.
    fn end(self) {
        drop((self.waiting, self.permits, self.senders, self.receiver));
        assert_eq!(Arc::strong_count(&self.proof), 1);
        assert_eq!(Arc::strong_count(&self.bell), 2, "the waker here, and none in the channel");
        assert_eq!(self.weak.strong_count(), 0);
    }
}

fn check_channels<K: Kind>(calls: fn() -> Calls<K>) {
    check(step(), |steps| {
        let mut channel = Channel::new(calls());
        steps.into_iter().for_each(|step| channel.take(step));
        channel.end();
    });
}

#[test]
fn syn_01_a_bounded_channel_does_what_the_reference_does() {
    check_channels(|| BOUNDED);
}

#[test]
fn syn_01_an_unbounded_channel_does_what_the_reference_does() {
    check_channels(|| UNBOUNDED);
}
