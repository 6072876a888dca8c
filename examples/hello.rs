//! The first steps: start a runtime, spawn two tasks, sleep, and collect what they return.
//!
//! Run it: `cargo run --example hello`

use mainspring::runtime::Runtime;
use mainspring::time::{Duration, Instant, sleep};

/// Sleeping costs a timer, not a thread: a million tasks can do this at once.
async fn slowly(word: &'static str) -> &'static str {
    sleep(Duration::from_millis(50)).await;
    word
}

fn main() -> std::io::Result<()> {
    // One worker a core. `block_on` runs the future on this very thread and returns its output.
    let runtime = Runtime::new()?;
    let greeting = runtime.block_on(async {
        let start = Instant::now();

        // A task starts at once, whether anybody waits for it or not.
        let hello = mainspring::spawn(slowly("hello"));
        let world = mainspring::spawn(slowly("world"));

        // Joining gives the output, or says that the task panicked or was cancelled.
        let hello = hello.await.expect("`slowly` does not panic, and nobody aborts it");
        let world = world.await.expect("`slowly` does not panic, and nobody aborts it");

        println!("two sleeps of 50 ms, side by side, took {} ms", start.elapsed().as_millis());
        format!("{hello}, {world}")
    });
    println!("{greeting}");
    assert_eq!(greeting, "hello, world");
    Ok(())
}
