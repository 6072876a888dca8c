//! Shutting a runtime down takes it.
use mainspring::runtime::Runtime;

pub fn runtime_used_after_shutdown(runtime: Runtime) {
    runtime.shutdown_background();
    runtime.block_on(async {}); //~ E0382: borrow of moved value: `runtime`
}
