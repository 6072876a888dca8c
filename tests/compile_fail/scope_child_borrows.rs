//! The children of a `scope` may outlive it if it is dropped, so they cannot borrow.
use mainspring::group::scope;

pub async fn scope_child_borrows() {
    let text = String::from("local");
    let _ = scope(async |group| { //~ E0597: `text` does not live long enough
        drop(group.spawn(async { Ok::<_, std::io::Error>(text.len()) }));
        Ok(())
    })
    .await;
}
