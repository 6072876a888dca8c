//! The questions, one file each, and what they share.
//!
//! Three programs include this folder as their module `benches`: `cargo bench` (`main.rs`), the race
//! (`examples/race`), and the package `peers`, which brings the runtimes that are not ours to build every day.
//!
//! A new question is a file here with a `cases` function like its neighbours', and one line in each of the two
//! lists below; it is then asked of every runtime there is.

mod blocking;
mod channels;
mod children;
pub(crate) mod common;
mod connections;
mod echo;
mod files;
mod loader;
mod locks;
mod memory;
mod outside;
mod parallel;
mod ping_pong;
mod proxy;
mod spawn;
mod timers;
mod turns;

use common::case::{Case, Field};

/// Every question, put to everybody in the field.
pub(crate) fn cases<F: Field>() -> Vec<Case> {
    let questions = [
        spawn::cases::<F>,
        turns::cases::<F>,
        ping_pong::cases::<F>,
        locks::cases::<F>,
        channels::cases::<F>,
        timers::cases::<F>,
        memory::cases::<F>,
        parallel::cases::<F>,
        echo::cases::<F>,
        connections::cases::<F>,
        proxy::cases::<F>,
        outside::cases::<F>,
        blocking::cases::<F>,
        loader::cases::<F>,
        files::cases::<F>,
        children::cases::<F>,
    ];
    questions.into_iter().flat_map(|cases| cases()).collect()
}
