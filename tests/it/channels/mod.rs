//! Channels: in every order, under strangers' wakers, from plain threads, in every flavour.

mod broadcast;
mod broadcast_model;
mod mpsc;
mod oneshot;
mod queue;
mod queue_churn;
mod queue_done;
mod queue_ends;
mod queue_hostile;
mod queue_model;
mod watch;
mod watch_model;
