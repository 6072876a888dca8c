//! The body may end before its children do, so they cannot borrow from it.
use mainspring::group::scope_send;

pub async fn scope_send_borrows_its_body() {
    let _ = scope_send(async |scope| {
        let text = String::from("the body's own");
        drop(scope.spawn(async { Ok::<_, std::io::Error>(text.len()) })); //~ E0373: async block may outlive the current function
        Ok(())
    })
    .await;
}
