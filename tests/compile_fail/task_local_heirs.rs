//! MIS-07: who can inherit is said where somebody else is named.
mainspring::task_local! { //~ error: a task-local is inherited by `tasks`, by `threads`, or by both, and not by `processes`
    static NAME: String => tasks, processes;
}
