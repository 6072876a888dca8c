//! The peers' part of the race: the same questions, put to the runtimes that are not ours.
//!
//! ```text
//!   peers --list                       what it can measure, a line each
//!   peers --child WORKLOAD RUNTIME full   measures that and prints the figures
//!   peers                              tries everything once, in a tiny size
//! ```
//!
//! Each crate is used as its own documentation shows, and is behind a feature of its name.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the benches stand outside any runtime")]

#[path = "../../mod.rs"]
#[allow(dead_code, reason = "this program only answers the race, which holds the rest")]
mod benches;
mod channels;
#[cfg(feature = "compio")]
mod doors_of_compio;
#[cfg(feature = "glommio")]
mod doors_of_glommio;
#[cfg(feature = "monoio")]
mod doors_of_monoio;
#[cfg(feature = "nio")]
mod doors_of_nio;
#[cfg(feature = "smol")]
mod doors_of_smol;
#[allow(dead_code, reason = "which parts are used depends on the features")]
mod kit;
mod locks;
#[cfg(feature = "compio")]
mod on_compio;
#[cfg(feature = "glommio")]
mod on_glommio;
#[cfg(feature = "monoio")]
mod on_monoio;
#[cfg(feature = "nio")]
mod on_nio;
#[cfg(feature = "smol")]
mod on_smol;

use benches::common::case::{Case, Field, OutsideWorkload, Workload, case, outside_case};
use benches::common::runner;
use std::env;
use std::process::ExitCode;
use std::thread;

/// Those that were built in.
struct Peers;

impl Field for Peers {
    fn cases<W: Workload>() -> Vec<Case> {
        let all: Vec<Option<Case>> = vec![
            #[cfg(feature = "smol")]
            case::<W, on_smol::MultiThread>(),
            #[cfg(feature = "nio")]
            case::<W, on_nio::MultiThread>(),
            #[cfg(feature = "smol")]
            case::<W, on_smol::Local>(),
            #[cfg(feature = "nio")]
            case::<W, on_nio::Local>(),
            #[cfg(feature = "monoio")]
            case::<W, on_monoio::Epoll>(),
            #[cfg(feature = "compio")]
            case::<W, on_compio::Compio>(),
            #[cfg(feature = "glommio")]
            case::<W, on_glommio::Glommio>(),
        ];
        all.into_iter().flatten().collect()
    }

    fn outside_cases<W: OutsideWorkload>() -> Vec<Case> {
        vec![
            #[cfg(feature = "smol")]
            outside_case::<W, on_smol::MultiThread>(),
            #[cfg(feature = "nio")]
            outside_case::<W, on_nio::MultiThread>(),
            #[cfg(feature = "smol")]
            outside_case::<W, on_smol::OneThread>(),
            #[cfg(feature = "nio")]
            outside_case::<W, on_nio::Local>(),
        ]
    }
}

fn main() -> ExitCode {
    let cases = benches::cases::<Peers>();
    let words: Vec<String> = env::args().skip(1).collect();
    let wanted = |case: &Case| words.iter().all(|word| format!("{}/{}", case.workload, case.runtime).contains(word));
    if let Some(code) = runner::run_as_helper(&cases) {
        return code;
    }
    for case in cases.into_iter().filter(wanted) {
        // A thread for each: nio allows one runtime of its local kind on a thread, ever.
        let tried = thread::spawn(move || runner::try_all(&[case])).join();
        if tried.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
