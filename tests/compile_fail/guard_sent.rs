//! A guard is about its own thread.
use mainspring::runtime::Runtime;

pub fn guard_sent(runtime: &'static Runtime) {
    let guard = runtime.enter();
    std::thread::spawn(move || drop(guard)); //~ E0277: cannot be sent between threads safely
}
