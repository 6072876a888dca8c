//! Channels: in every order, under strangers' wakers, from plain threads, in every flavour.

mod oneshot;
mod watch;
mod watch_model;
