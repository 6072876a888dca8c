//! What a task-local shows is there for the look alone.
mainspring::task_local! { static NAME: String; }

pub async fn task_local_escapes() -> &'static str {
    let name: &String = NAME.with(|name| name); //~ error: lifetime may not live long enough
    name
}

pub fn task_local_escapes_into_a_task() {
    NAME.with(|name| {
        drop(mainspring::spawn(async move { name.len() })); //~ E0521: borrowed data escapes outside of closure
    });
}
