//! A part that is a task of its own may run on when what awaits it is leaked: so it cannot borrow.
use mainspring::group::spawned;

pub async fn spawned_borrows() -> usize {
    let text = String::from("short");
    spawned(async { text.len() }).await //~ E0373: async block may outlive the current function
}
