//! Waiting for something else, but not for ever.

use super::kit::{HOUR, MS, NS, SECOND, poll_once, simulated};
use mainspring::runtime::Builder;
use mainspring::time::{Duration, Elapsed, Instant, Timeout, sleep, timeout};
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

#[test]
fn timeout_lets_the_value_win_a_tie_and_otherwise_ends_on_the_deadline() {
    simulated().block_on(async {
        let start = Instant::now();
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(timeout(MS, sleep(MS)).await, Ok(()));
        let elapsed: Elapsed = timeout(MS, sleep(MS + NS)).await.unwrap_err();
        assert_eq!((elapsed.to_string().as_str(), start.elapsed()), ("deadline has elapsed", 2 * MS));
        assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
        let nested = timeout(HOUR, timeout(2 * MS, timeout(SECOND, pending::<()>()))).await;
        assert!(matches!(nested, Ok(Err(_))));
        assert_eq!(start.elapsed(), 4 * MS);
    });
}

#[test]
fn timeout_gives_its_future_back_and_drops_it_with_itself() {
    simulated().block_on(async {
        let token = Arc::new(());
        let held = token.clone();
        let mut limited: Timeout<_> = timeout(
            MS,
            Box::pin(async move {
                sleep(HOUR).await;
                drop(held);
            }),
        );
        assert!((&mut limited).await.is_err());
        assert!(poll_once(limited.get_mut().as_mut(), Waker::noop()).is_pending());
        let _: &Pin<Box<_>> = limited.get_ref();
        assert_eq!(Arc::strong_count(&token), 2);
        let inner = limited.into_inner();
        assert!(timeout(HOUR, inner).await.is_ok());
        assert_eq!(Arc::strong_count(&token), 1);

        let held = token.clone();
        drop(timeout(MS, async move { drop(held) }));
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

/// TIM-10. On the real loop, because virtual time stands still while a task is busy.
#[test]
fn tim_10_a_timeout_ends_a_loop_over_operations_that_are_always_ready() {
    let runtime = Builder::new_current_thread().build().expect("an event loop can be had");
    let busy = async {
        loop {
            sleep(Duration::ZERO).await;
        }
    };
    let ended: Result<(), Elapsed> = runtime.block_on(async { timeout(MS, busy).await });
    assert!(ended.is_err());
}
