//! Local tasks end with `block_on`, but their spawner may end before them: they borrow nothing of it either.
pub fn spawn_local_borrow() {
    let text = String::from("mine");
    drop(mainspring::spawn_local(async { text.len() })); //~ E0373: may outlive the current function
}
