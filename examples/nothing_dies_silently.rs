//! What becomes of tasks that fail, are cancelled, or will not end: each is told to somebody.
//!
//! Two panic messages on stderr belong to the show.
//!
//! Run it: `cargo run --example nothing_dies_silently`

use mainspring::runtime::Runtime;
use mainspring::task;
use mainspring::time::{Duration, sleep};
use std::future::pending;

/// A panic ends its own task and nothing else; whoever joins receives it.
async fn a_panic_reaches_whoever_joins() {
    let broken = task::spawn(async { panic!("out of cheese") });
    let error = broken.await.map(|()| "fine").expect_err("the task panics");
    println!("joined:   {error}");
    let payload = error.into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"out of cheese"));
}

/// An aborted task is dropped where it stands, and its handle says so.
async fn an_abort_reaches_whoever_joins() {
    let endless = task::spawn(pending::<()>());
    endless.abort();
    let error = endless.await.expect_err("the task was aborted");
    println!("aborted:  {error}");
    assert!(error.is_cancelled());
}

/// With nobody left to tell, a panic goes to stderr with the task's name and the place that spawned it.
async fn a_panic_nobody_joins_is_reported() {
    drop(task::Builder::new().name("lonely").spawn(async { panic!("nobody is listening") }));
    sleep(Duration::from_millis(20)).await;
}

fn main() -> std::io::Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        a_panic_reaches_whoever_joins().await;
        an_abort_reaches_whoever_joins().await;
        a_panic_nobody_joins_is_reported().await;
        // Detached, and never to end: it is still there when `block_on` returns.
        drop(task::Builder::new().name("endless").spawn(pending::<()>()));
        task::yield_now().await;
    });
    // A shutdown never hangs silently: it says what it found running, and where that was spawned.
    let report = runtime.shutdown_timeout(Duration::from_secs(1));
    println!("{report}");
    Ok(())
}
