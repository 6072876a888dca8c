//! A task may outlive its spawner, so it borrows nothing of it.
pub fn spawn_borrow() {
    let text = String::from("mine");
    drop(mainspring::spawn(async { text.len() })); //~ E0373: may outlive the current function
}
