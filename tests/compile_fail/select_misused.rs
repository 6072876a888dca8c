//! MIS-07: what is wrong with a branch is said in a sentence, at the line of the `select!`.
use mainspring::select;
use std::future::ready;

pub async fn nothing() {
    select! {} //~ error: `select!` needs a branch: `pattern = future => handler`
}

pub async fn only_biased() {
    select! { biased; } //~ error: `select!` needs a branch: `pattern = future => handler`
}

pub async fn biased_without_a_semicolon() {
    select! { biased, _ = ready(1) => {} } //~ error: `select!` wants a semicolon here: `biased;`
}

pub async fn no_future() {
    select! { //~ error: this branch of `select!` names no future: write `Some(x) = future => handler`
        Some(x) => x,
    }
}

pub async fn no_handler() {
    select! { //~ error: this branch of `select!` has no handler: write `pattern = future => handler`
        x = ready(1),
    }
}

pub async fn a_precondition_and_no_handler() {
    select! { //~ error: this branch of `select!` has no handler: write `pattern = future, if precondition => handler`
        x = ready(1), if true
    }
}

pub async fn precondition_before_the_future() {
    select! { //~ error: in `select!` the precondition follows the future
        x if true = ready(1) => x,
    }
}

pub async fn else_in_the_middle() {
    select! { //~ error: in `select!` the last branch is `else => handler`, and nothing follows it
        else => 1,
        x = ready(1) => x,
    }
}

pub async fn no_comma() {
    select! { //~ error: with a comma after a handler that is no block; it stopped at `x = ready(1) => x y = ready(2) => y,`
        x = ready(1) => x
        y = ready(2) => y,
    }
}
