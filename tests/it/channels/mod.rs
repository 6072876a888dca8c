//! Channels: in every order, under strangers' wakers, from plain threads, in every flavour.

mod oneshot;
