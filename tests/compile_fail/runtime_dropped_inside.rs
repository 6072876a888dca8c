//! So does `block_on`.
use mainspring::runtime::Runtime;

pub fn runtime_dropped_inside(runtime: Runtime) {
    runtime.block_on(async move { drop(runtime) }); //~ E0505: cannot move out of `runtime` because it is borrowed
}
