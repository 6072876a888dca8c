//! A guard borrows its runtime.
use mainspring::runtime::Runtime;

pub fn runtime_dropped_under_guard(runtime: Runtime) {
    let guard = runtime.enter();
    drop(runtime); //~ E0505: cannot move out of `runtime` because it is borrowed
    drop(guard);
}
