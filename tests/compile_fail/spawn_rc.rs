//! A task may run on any thread, so what it owns must be Send.
use std::rc::Rc;

pub fn spawn_rc() {
    let count = Rc::new(1);
    drop(mainspring::spawn(std::future::poll_fn(move |_| std::task::Poll::Ready(*count)))); //~ E0277: `Rc<i32>` cannot be sent between threads safely
}
