//! mainspring and tokio: the two that `cargo bench` compares.

mod channels;
mod doors_of_mainspring;
mod doors_of_tokio;
mod locks;
mod on_mainspring;
mod on_tokio;

use crate::benches::common::case::{Case, Field, OutsideWorkload, Workload, case, floor, outside_case};

/// Both crates in all flavours, and the floor below them.
pub(crate) struct Ours;

impl Field for Ours {
    fn cases<W: Workload>() -> Vec<Case> {
        let all = [
            case::<W, on_mainspring::MultiThread>(),
            case::<W, doors_of_mainspring::MultiThreadPool>(),
            case::<W, on_tokio::MultiThread>(),
            floor::<W>(),
            case::<W, on_mainspring::CurrentThread>(),
            case::<W, doors_of_mainspring::CurrentThreadPool>(),
            case::<W, on_mainspring::Local>(),
            case::<W, on_tokio::CurrentThread>(),
            case::<W, on_tokio::Local>(),
        ];
        all.into_iter().flatten().collect()
    }

    fn outside_cases<W: OutsideWorkload>() -> Vec<Case> {
        vec![
            outside_case::<W, on_mainspring::MultiThread>(),
            outside_case::<W, on_tokio::MultiThread>(),
            outside_case::<W, on_mainspring::CurrentThread>(),
            outside_case::<W, on_tokio::CurrentThread>(),
        ]
    }
}
