//! `select!`, `join!` and `try_join!`: who wins, who is dropped and when, what handlers may do, and in which order.

mod join;
mod select;

use mainspring::runtime::Builder;
use mainspring::task::{self, yield_now};
use mainspring::time::{Duration, sleep};
use mainspring::{join, select};
use std::cell::RefCell;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn simulate<F: Future>(seed: u64, main: F) -> F::Output {
    Builder::new_simulated(seed).build().unwrap().block_on(main)
}

/// Notes that it was dropped.
pub(crate) struct Noted<'a>(pub(crate) &'a RefCell<Vec<&'static str>>, pub(crate) &'static str);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn a_select_of_send_futures_is_send_and_is_as_large_as_they_are() {
    async fn large() -> u8 {
        let data = [1_u8; 1_000];
        yield_now().await;
        data[5]
    }
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let one = size_of_val(&large());
    let of_select = size_of_val(&is_send(async {
        select! { n = large() => n, m = large() => m }
    }));
    let of_join = size_of_val(&is_send(async { join!(large(), large()) }));
    assert!(one >= 1_000);
    assert!(of_select <= 2 * one + 80, "{of_select} for two of {one}");
    assert!(of_join <= 2 * one + 80, "{of_join} for two of {one}");
}

#[test]
fn the_macros_work_in_a_task_that_another_thread_runs() {
    let runtime = Builder::new_multi_thread().workers(2).build().unwrap();
    let tasks: Vec<_> = (0..100_u32)
        .map(|n| {
            runtime.spawn(async move {
                let (a, b) = join!(task::spawn(async move { n }), async {
                    select! {
                        m = task::spawn(async move { n }) => m.unwrap(),
                        () = sleep(60 * SECOND) => unreachable!(),
                    }
                });
                a.unwrap() + b
            })
        })
        .collect();
    let sum: u32 = runtime.block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, 9_900);
}
