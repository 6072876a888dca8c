//! Many send, one receives.

mod closing;
mod counting;
mod dropping;
mod misuse;
mod model;
mod returning;
mod waiting;
