//! The door `time`, by its behaviour: nearly all of it in virtual time, where a wait is exact and costs nothing.

mod kit;

mod limiting;
mod runtimes;
mod sleeping;
mod ticking;
