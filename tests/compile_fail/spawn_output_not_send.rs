//! The output comes to the joiner on the joiner's thread.
use std::rc::Rc;

pub fn spawn_output_not_send() {
    drop(mainspring::spawn(async { Rc::new(1_u8) })); //~ E0277: `Rc<u8>` cannot be sent between threads safely
}
