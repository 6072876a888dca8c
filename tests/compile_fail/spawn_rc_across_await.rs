//! What lives across an await is part of the future.
use std::rc::Rc;

pub fn spawn_rc_across_await() {
    drop(mainspring::spawn(async { //~ error: future cannot be sent between threads safely
        let count = Rc::new(1);
        mainspring::task::yield_now().await;
        drop(count);
    }));
}
