//! Nor can they keep what must stay on one thread.
use mainspring::group::scope;
use std::rc::Rc;

pub async fn scope_child_rc(shared: Rc<u8>) {
    let _ = scope(async move |group| {
        drop(group.spawn(async move { Ok::<_, std::io::Error>(drop(shared)) })); //~ error: future cannot be sent between threads safely
        Ok(())
    })
    .await;
}
