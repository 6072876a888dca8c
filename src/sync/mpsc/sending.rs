//! What can be waited for at the senders' end: a slot and the sending with it, slots, the end.

use super::super::bringing::{Bringing, Takes, Value};
use super::super::wait_list::{Entered, Handle, Locked, Operation, WaitList};
use super::error::SendError;
use super::permits::{OwnedPermit, Permit, PermitIterator};
use super::sender::Sender;
use super::shared::{NoSlot, Shared, State, Ticket};
use crate::task::wait::{self, WaitKind};
use std::panic::Location;
use std::sync::Arc;

fn note_send(object: u64, at: &'static Location<'static>) {
    wait::note(wait::Wait { kind: WaitKind::Send, object, at });
}

/// What can be said without the line: a grant, the news of the end, or nothing.
fn ticket_of(outcome: Result<(), NoSlot>, granted: Ticket) -> Option<Ticket> {
    match outcome {
        Ok(()) => Some(granted),
        Err(NoSlot::Closed) => Some(Ticket::Closed),
        Err(NoSlot::Full) => None,
    }
}

impl<T> Takes<Value> for Shared<T> {
    type Item = T;
}

/// A handle with the value that is to be sent.
type WithValue<'a, T> = Bringing<&'a Shared<T>, Value>;

/// A value waits for its slot.
pub struct Sends(pub(super) ());

impl<'a, T> Operation<WithValue<'a, T>> for Sends {
    type State = State<T>;
    type Ticket = Ticket;
    type Output = Result<(), SendError<T>>;

    const NAME: &'static str = "Send";

    fn list(shared: &Shared<T>) -> &WaitList<State<T>, Ticket> {
        shared.list()
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        note_send(object, at);
    }

    #[inline]
    fn try_now(&mut self, with_value: &mut WithValue<'a, T>) -> Option<Ticket> {
        let mut value = with_value.item.take();
        let outcome = with_value.send_now(&mut value);
        with_value.item = value;
        ticket_of(outcome, Ticket::Sent)
    }

    fn enter(&mut self, shared: &WithValue<'a, T>, locked: &mut Locked<'_, State<T>, Ticket>) -> Entered<Ticket> {
        shared.enter(locked, 1)
    }

    #[inline]
    fn finish(&mut self, with_value: WithValue<'a, T>, ticket: Ticket, _: &'static Location<'static>) -> Self::Output {
        if ticket == Ticket::Sent {
            return Ok(());
        }
        let (shared, value) = with_value.into_parts();
        if ticket == Ticket::Granted { shared.send_reserved(value).map_err(SendError) } else { Err(SendError(value)) }
    }

    fn give_back(&mut self, shared: &WithValue<'a, T>, ticket: Ticket) {
        if ticket == Ticket::Granted {
            shared.free(1);
        }
    }

    /// Whoever stood behind may want less.
    fn left(&mut self, shared: &WithValue<'a, T>, locked: &mut Locked<'_, State<T>, Ticket>) {
        shared.settle(locked);
    }
}

/// Slots are wanted; what they become is said by `B`.
pub struct Reserves<B> {
    /// So many.
    count: usize,
    /// What they become when they are granted.
    becomes: B,
}

/// What granted slots become.
pub trait Becomes<P> {
    /// What the user gets.
    type Permits;

    /// The future's name.
    const NAME: &'static str;

    /// They are granted.
    fn become_permits(&mut self, shared: P, count: usize) -> Self::Permits;
}

impl<B> Reserves<B> {
    pub(super) fn new(count: usize, becomes: B) -> Self {
        Self { count, becomes }
    }
}

impl<T, P: Handle<Target = Shared<T>>, B: Becomes<P>> Operation<P> for Reserves<B> {
    type State = State<T>;
    type Ticket = Ticket;
    type Output = Result<B::Permits, SendError<()>>;

    const NAME: &'static str = B::NAME;

    fn list(shared: &Shared<T>) -> &WaitList<State<T>, Ticket> {
        shared.list()
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        note_send(object, at);
    }

    fn try_now(&mut self, shared: &mut P) -> Option<Ticket> {
        if self.count > shared.slots() {
            return Some(Ticket::Closed);
        }
        ticket_of(shared.reserve_now(self.count), Ticket::Granted)
    }

    fn enter(&mut self, shared: &P, locked: &mut Locked<'_, State<T>, Ticket>) -> Entered<Ticket> {
        shared.enter(locked, self.count)
    }

    fn finish(&mut self, shared: P, ticket: Ticket, _: &'static Location<'static>) -> Self::Output {
        match ticket {
            Ticket::Granted => Ok(self.becomes.become_permits(shared, self.count)),
            _ => Err(SendError(())),
        }
    }

    fn give_back(&mut self, shared: &P, ticket: Ticket) {
        if ticket == Ticket::Granted {
            shared.free(self.count);
        }
    }

    fn left(&mut self, shared: &P, locked: &mut Locked<'_, State<T>, Ticket>) {
        shared.settle(locked);
    }
}

/// One slot becomes a [`Permit`].
pub struct One;

impl<'a, T> Becomes<&'a Shared<T>> for One {
    type Permits = Permit<'a, T>;

    const NAME: &'static str = "Reserve";

    fn become_permits(&mut self, shared: &'a Shared<T>, _: usize) -> Permit<'a, T> {
        Permit::new(shared)
    }
}

/// Slots become a [`PermitIterator`].
pub struct Many;

impl<'a, T> Becomes<&'a Shared<T>> for Many {
    type Permits = PermitIterator<'a, T>;

    const NAME: &'static str = "ReserveMany";

    fn become_permits(&mut self, shared: &'a Shared<T>, count: usize) -> PermitIterator<'a, T> {
        PermitIterator::new(shared, count)
    }
}

impl<T> Takes<Owned> for Shared<T> {
    type Item = Sender<T>;
}

/// One slot becomes an [`OwnedPermit`], with the sender that is kept in the handle meanwhile.
pub struct Owned;

impl<T> Becomes<Bringing<Arc<Shared<T>>, Self>> for Owned {
    type Permits = OwnedPermit<T>;

    const NAME: &'static str = "ReserveOwned";

    fn become_permits(&mut self, with_sender: Bringing<Arc<Shared<T>>, Self>, _: usize) -> OwnedPermit<T> {
        OwnedPermit::new(with_sender.into_parts().1)
    }
}

/// The receiver is to close, or to go.
pub struct Closes {
    /// The channel's number in wait reasons.
    number: u64,
}

impl Closes {
    pub(super) fn new() -> Self {
        Self { number: 0 }
    }
}

impl<'a, T> Operation<&'a Shared<T>> for Closes {
    type State = bool;
    type Ticket = ();
    type Output = ();

    const NAME: &'static str = "Closed";

    fn list(shared: &Shared<T>) -> &WaitList<bool, ()> {
        shared.closing()
    }

    fn note(&self, _: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Closed, object: self.number, at });
    }

    fn try_now(&mut self, shared: &mut &'a Shared<T>) -> Option<()> {
        let is_closed = shared.is_closed();
        if !is_closed {
            self.number = shared.number();
        }
        is_closed.then_some(())
    }

    fn enter(&mut self, _: &&'a Shared<T>, locked: &mut Locked<'_, bool, ()>) -> Entered<()> {
        if **locked { Entered::Granted(()) } else { Entered::Waits(()) }
    }

    fn finish(&mut self, _: &'a Shared<T>, (): (), _: &'static Location<'static>) {}

    fn give_back(&mut self, _: &&'a Shared<T>, (): ()) {}
}
