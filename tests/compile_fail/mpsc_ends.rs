//! One receives at a time, a permit is tied to its sender, and what may not leave its thread is not sent away in a channel.
use mainspring::sync::mpsc::{self, Receiver, Sender, UnboundedSender};
use std::rc::Rc;

pub fn two_receive_at_once(receiver: &mut Receiver<u8>) {
    let first = receiver.recv();
    let second = receiver.recv(); //~ E0499: cannot borrow `*receiver` as mutable more than once
    drop((first, second));
}

pub async fn permit_outlives_its_sender(sender: Sender<u8>) {
    let permit = sender.reserve().await.unwrap();
    drop(sender); //~ E0505: cannot move out of `sender`
    permit.send(1);
}

pub async fn permit_across_spawn(sender: &Sender<u8>) {
    let permit = sender.reserve().await.unwrap();
    drop(mainspring::spawn(async move { permit.send(1) })); //~ E0521: borrowed data escapes
}

pub fn rc_sent_away(sender: Sender<Rc<u8>>) {
    drop(mainspring::spawn(async move { drop(sender) })); //~ error: future cannot be sent between threads safely
}

pub fn slots_where_there_are_none(sender: &UnboundedSender<u8>) {
    drop(sender.reserve()); //~ E0599: no method named `reserve` found
}

pub fn stream_read_while_it_receives() {
    let (_sender, mut receiver) = mpsc::channel::<u8>(1);
    let recv = receiver.recv();
    drop(receiver.len()); //~ E0502: cannot borrow `receiver` as immutable
    drop(recv);
}
