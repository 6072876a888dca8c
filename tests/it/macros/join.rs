//! All of several.

use super::{Noted, SECOND, simulate};
use crate::runtimes;
use mainspring::runtime::Builder;
use mainspring::task::{self, yield_now};
use mainspring::time::{Instant, sleep, timeout};
use mainspring::{join, try_join};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

#[test]
fn a_join_waits_for_all_and_gives_the_outputs_in_order() {
    for (_, runtime) in runtimes() {
        let got = runtime.block_on(async {
            let steps = |n: usize| async move {
                for _ in 0..n {
                    yield_now().await;
                }
                n
            };
            let one = join!(steps(1));
            let (a, b, c) = join!(steps(3), async { "b" }, steps(1));
            (one, a, b, c)
        });
        assert_eq!(got, ((1,), 3, "b", 1));
    }
    let () = join!();
}

#[test]
fn a_joined_future_is_dropped_when_it_has_its_output_and_may_be_given_by_reference() {
    let log = RefCell::new(Vec::new());
    simulate(1, async {
        /// Ready at its first poll; holds something that it drops with itself only.
        struct Holder<'a>(#[allow(dead_code, reason = "held to be dropped")] Noted<'a>);
        impl Future for Holder<'_> {
            type Output = ();
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                Poll::Ready(())
            }
        }
        let mut kept = pin!(async {
            yield_now().await;
            log.borrow_mut().push("the kept one is done");
            5
        });
        let (first, (), ()) = join!(&mut kept, Holder(Noted(&log, "the holder is gone")), async {
            for _ in 0..10 {
                yield_now().await;
            }
            log.borrow_mut().push("the last one is done");
        });
        assert_eq!(first, 5);
    });
    assert_eq!(*log.borrow(), ["the holder is gone", "the kept one is done", "the last one is done"]);
}

#[test]
fn the_futures_of_a_join_take_turns_at_being_first_unless_biased() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let log = RefCell::new(String::new());
    let steps = |name: char| {
        let log = &log;
        async move {
            for _ in 0..4 {
                log.borrow_mut().push(name);
                yield_now().await;
            }
        }
    };
    runtime.block_on(async { join!(steps('a'), steps('b'), steps('c')) });
    assert_eq!(log.take(), "abcbcacababc");
    runtime.block_on(async { join!(biased; steps('a'), steps('b'), steps('c')) });
    assert_eq!(log.take(), "abcabcabcabc");
    let orders: BTreeSet<String> = (0..200)
        .map(|seed| {
            simulate(seed, async { join!(steps('a'), steps('b')) });
            log.take()
        })
        .collect();
    assert_eq!(orders.len(), 16, "in a simulation any may be first in each of the four polls");
}

#[test]
fn a_joined_future_that_is_always_ready_does_not_eat_the_budget_of_the_others() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let done = Cell::new(false);
        let greedy = async {
            let mut rounds = 0_u32;
            while !done.get() {
                // Each costs a unit, so a poll has room for 128 of them.
                timeout(SECOND, task::spawn(async {})).await.unwrap().unwrap();
                rounds += 1;
                assert!(rounds < 1_000_000);
            }
        };
        let modest = async {
            for _ in 0..10 {
                task::spawn(async {}).await.unwrap();
            }
            done.set(true);
        };
        join!(greedy, modest);
    });
}

#[test]
fn a_try_join_gives_all_values_or_the_first_error_and_drops_the_rest() {
    let log = RefCell::new(Vec::new());
    simulate(1, async {
        let good = |n: u32| async move {
            sleep(SECOND).await;
            Ok::<u32, &str>(n)
        };
        assert_eq!(try_join!(good(1), good(2), async { Ok("x") }), Ok((1, 2, "x")));
        let start = Instant::now();
        let bad = async {
            sleep(SECOND / 2).await;
            Err::<(), _>("bad")
        };
        let slow = async {
            let _noted = Noted(&log, "the slow one is gone");
            sleep(SECOND).await;
            Ok(())
        };
        let ready = async { Ok(Noted(&log, "the value is gone")) };
        let outcome = try_join!(biased; slow, bad, ready).map(|_| ());
        assert_eq!((outcome, start.elapsed()), (Err("bad"), SECOND / 2));
        assert_eq!(log.borrow().len(), 2, "{:?}", log.borrow());
    });
}
