//! The handle of a local task gives out what only this thread may have.
use std::rc::Rc;

pub fn local_handle_sent() {
    let handle = mainspring::spawn_local(async { Rc::new(1) });
    std::thread::spawn(move || drop(handle)); //~ E0277: `Rc<i32>` cannot be sent between threads safely
}
