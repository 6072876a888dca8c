//! Channels: in every order, under strangers' wakers, from plain threads, in every flavour.

mod broadcast;
mod broadcast_model;
mod mpsc;
mod oneshot;
mod watch;
mod watch_model;
