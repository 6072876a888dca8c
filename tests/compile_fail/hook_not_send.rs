//! The hook is called on whatever thread drops the output.
use mainspring::runtime::Builder;
use std::cell::Cell;
use std::rc::Rc;

pub fn hook_not_send(count: Rc<Cell<u8>>) -> Builder {
    Builder::new_multi_thread().on_unhandled_panic(move |_| count.set(1)) //~ E0277: `Rc<Cell<u8>>` cannot be s
}
