//! MIS: calls in the wrong place, numbers that cannot be, guards in the wrong order, wakers of strangers.

mod builder;
mod guards;
mod outside;
mod strangers;
