//! Waiting for the last receiver to go: the future of `closed`, the same for every channel that counts its receivers.

use super::wait_list::{Entered, Locked, Operation, WaitList};
use crate::task::wait::{self, WaitKind};
use std::panic::Location;

/// A channel as those see it who wait for its last receiver to go.
pub trait Closable {
    /// Where they wait.
    fn closings(&self) -> &WaitList<(), Ticket>;

    /// How many receivers there are.
    fn receivers(&self) -> usize;
}

/// Waiting for the last receiver to go.
pub struct Closing(pub(super) ());

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// The last one went.
    Closed,
}

impl<X: Closable> Operation<&X> for Closing {
    type State = ();
    type Ticket = Ticket;
    type Output = ();

    const NAME: &'static str = "Closed";

    fn list(channel: &X) -> &WaitList<(), Ticket> {
        channel.closings()
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Closed, object, at });
    }

    fn enter(&mut self, channel: &&X, _: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        if channel.receivers() == 0 { Entered::Granted(Ticket::Closed) } else { Entered::Waits(Ticket::Waits) }
    }

    fn finish(&mut self, _: &X, _: Ticket, _: &'static Location<'static>) {}

    /// Others that wait were told, too.
    fn give_back(&mut self, _: &&X, _: Ticket) {}
}
