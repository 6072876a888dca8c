//! A combinator may move between threads if its futures may.
use mainspring::group::gather;
use mainspring::task::yield_now;
use std::rc::Rc;

pub fn gather_of_rc_spawned() {
    let futures = [1, 2].map(|n| async move {
        let local = Rc::new(n);
        yield_now().await;
        Ok::<_, ()>(*local)
    });
    drop(mainspring::spawn(gather(futures))); //~ error: future cannot be sent between threads safely
}
