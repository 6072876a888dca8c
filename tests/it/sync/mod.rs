//! Locks and their like: against plain references, under strangers' wakers, in every flavour.

mod conditions;
pub(crate) mod kit;
mod leaving;
mod meetings;
mod misuse;
mod models;
mod passing;
mod passing_strangers;
pub(crate) mod strangers;
mod waiting;
