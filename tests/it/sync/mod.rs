//! Locks and their like: against plain references, under strangers' wakers, in every flavour.

mod kit;
mod leaving;
mod meetings;
mod misuse;
mod models;
mod strangers;
mod waiting;
