//! Awaiting a handle takes it.
use mainspring::task::JoinHandle;

pub async fn joined_twice(handle: JoinHandle<u8>) {
    drop(handle.await);
    drop(handle.await); //~ E0382: use of moved value: `handle`
}
