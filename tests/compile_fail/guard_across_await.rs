//! A task may be on another thread after an await, and the guard would not be.
use mainspring::runtime::Handle;

pub fn guard_across_await(handle: Handle) {
    drop(mainspring::spawn(async move { //~ error: future cannot be sent between threads safely
        let guard = handle.enter();
        mainspring::task::yield_now().await;
        drop(guard);
    }));
}
