//! `block_in_place` around things that wait: a `block_on` that comes late, a lock.
//!
//! Cases of the catalogue: SHD-02, SYN-11.

use super::PATIENCE;
use mainspring::runtime::Builder;
use mainspring::spawn;
use mainspring::task::block_in_place;
use mainspring::time::{Duration, sleep};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn shd_02_block_on_in_place_that_begins_after_the_shutdown_has_goes_on_to_its_end() {
    crate::in_child(|| {
        let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
        let handle = runtime.handle().clone();
        let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let seen = (begun.clone(), ended.clone());
        drop(runtime.spawn(async move {
            begun.store(true, Ordering::Release);
            // Who comes too late is refused at once.
            while !handle.spawn(pending::<()>()).is_finished() {
                thread::yield_now();
            }
            block_in_place(|| handle.block_on(sleep(Duration::from_millis(5))));
            ended.store(true, Ordering::Release);
        }));
        while !seen.0.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let report = runtime.shutdown_timeout(PATIENCE / 2);
        assert!(seen.1.load(Ordering::Acquire), "its timer has fired: {report:?}");
    });
}

#[test]
fn syn_11_a_task_in_place_may_wait_for_a_lock_on_its_thread() {
    let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
    let sum = runtime.block_on(async {
        let lock = Arc::new(mainspring::sync::Mutex::new(0));
        let held = lock.clone().lock_owned().await;
        let waiting = spawn({
            let lock = lock.clone();
            async move { block_in_place(|| *lock.blocking_lock() += 1) }
        });
        drop(spawn(async move {
            sleep(Duration::from_millis(1)).await;
            drop(held);
        }));
        waiting.await.unwrap();
        *lock.lock().await
    });
    assert_eq!(sum, 1);
}
