//! What the hook sees belongs to a task that is about to go.
use mainspring::runtime::Builder;
use std::sync::Mutex;

static KEPT: Mutex<Option<&'static str>> = Mutex::new(None);

pub fn panic_escapes_the_hook() -> Builder {
    Builder::new_current_thread().on_unhandled_panic(|panic| *KEPT.lock().unwrap() = Some(panic.message())) //~ E0521: borrowed data escapes outside of closure
}
