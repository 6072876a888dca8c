//! What several tasks inherit they share, and what goes to another thread must be Send.
use std::cell::Cell;
use std::rc::Rc;

mainspring::task_local! { //~ E0277: `Cell<u32>` cannot be shared between threads safely
    static COUNT: Cell<u32> => tasks;
}

mainspring::task_local! { static HERE: Rc<u32>; }

pub fn task_local_sent() {
    drop(mainspring::spawn(HERE.scope(Rc::new(1), async {}))); //~ E0277: `Rc<u32>` cannot be sent between threads safely
}
