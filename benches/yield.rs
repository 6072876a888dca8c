//! What a turn through the run queue costs, with a queue that is never empty.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench stands outside the runtime and reads the true clock"
)]

#[allow(dead_code, reason = "each bench uses its own part of what they share")]
mod common;

use common::runner::{self, Figures, Size, Workload, on_all};
use common::runtime::{Leaves as _, Runtime};
use std::process::ExitCode;

fn main() -> ExitCode {
    runner::main(&on_all::<YieldMany>())
}

/// A thousand tasks, a thousand yields each.
struct YieldMany;

impl Workload for YieldMany {
    const NAME: &'static str = "yield_many";

    fn run<R: Runtime>(size: Size) -> Figures {
        const TASKS: usize = 1_000;
        let yields = size.of(1_000);
        runner::per_operation::<R>(TASKS * yields, |runtime| {
            let yielded = runtime.run(async move {
                let tasks: Vec<_> = (0..TASKS).map(|_| R::spawn(yield_often::<R>(yields))).collect();
                let mut yielded = 0;
                for task in tasks {
                    yielded += task.await.expect("yielding does not panic");
                }
                yielded
            });
            assert_eq!(yielded, TASKS * yields, "every task yields as often as it was told");
        })
    }
}

async fn yield_often<R: Runtime>(yields: usize) -> usize {
    for _ in 0..yields {
        <R::Leaves>::yield_now().await;
    }
    yields
}
