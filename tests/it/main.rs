//! What the crate promises, through its public interface: one binary, one file a module. Here stands what they share.
//!
//! The ids in the names (`tsk_01_...`) are those of the catalogue of cases that a runtime must survive. A case that may
//! hang or take the process along runs in a child process under a watchdog, see [`in_child`].

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests race the runtime with std's threads")]
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]
#![allow(clippy::async_yields_async, reason = "handles are carried out of `block_on` to be used outside")]

mod auto_traits;
mod blocking;
mod channels;
mod fs;
mod group;
mod in_place;
mod in_place_waits;
mod io;
mod local;
mod macros;
mod map_on;
mod map_on_ends;
mod misuse;
mod net;
mod places;
mod process;
mod sched;
mod sending;
mod shutdown;
mod simulated;
mod standard_streams;
mod sync;
mod task;
mod task_local;
mod task_matrix;
mod threads;
mod time;
mod waits;

use mainspring::runtime::{Builder, Runtime};
use mainspring::task::{JoinError, JoinHandle, yield_now};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{any, env, thread};

/// Whoever waits longer than this has been forgotten. What is waited for takes some milliseconds at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A builder of each flavour, by name.
pub(crate) fn builders() -> [(&'static str, Builder); 3] {
    [
        ("current thread", Builder::new_current_thread()),
        ("multi thread", Builder::new_multi_thread().workers(2)),
        ("simulated", Builder::new_simulated(1)),
    ]
}

/// A runtime of each flavour, by name.
pub(crate) fn runtimes() -> impl Iterator<Item = (&'static str, Runtime)> {
    builders().into_iter().map(|(name, builder)| (name, builder.build().unwrap()))
}

/// The panics that a runtime's hook has seen; and since the runtime owns its hook, the proof that it was freed. A
/// runtime is freed only after the last of its cells, so this finds leaked tasks as well.
pub(crate) struct Watch(Arc<Mutex<Vec<String>>>);

impl Watch {
    /// Builds a runtime under watch.
    pub(crate) fn build(builder: Builder) -> (Runtime, Self) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let hook = move |panic: &mainspring::runtime::UnhandledPanic<'_>| {
            log.lock().unwrap().push(panic.message().to_owned());
        };
        (builder.on_unhandled_panic(hook).build().unwrap(), Self(seen))
    }

    /// What the hook was told, in the order of the alphabet.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort();
        seen
    }

    /// Everything of the runtime is dropped by the test: then it must be gone. Its threads may take a moment.
    #[track_caller]
    pub(crate) fn assert_freed(self) {
        let start = Instant::now();
        while Arc::strong_count(&self.0) > 1 {
            assert!(start.elapsed() < PATIENCE, "the runtime was not freed: a task or a reference has leaked");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Steps aside until something is so, which may be another thread's doing.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came about");
        yield_now().await;
    }
}

/// Polls once.
pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// The result of a task that has ended, for a thread that cannot wait.
#[track_caller]
pub(crate) fn result_of<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll_with(&mut handle, Waker::noop()) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task has not ended"),
    }
}

/// Panics without a word on stderr.
pub(crate) fn panic_quietly(message: impl Into<String>) -> ! {
    resume_unwind(Box::new(message.into()))
}

/// What a panic said.
pub(crate) fn message_of(payload: Box<dyn any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&'static str>().expect("a message in words")).to_owned(),
    }
}

/// The variable that tells a child which test it is.
const CHILD: &str = "MAINSPRING_TEST_CHILD";

/// Runs the body in a process of its own, which must end well. Called by a test, with a closure of that test: its type's
/// name says which test the child must run.
#[track_caller]
pub(crate) fn in_child<F: FnOnce()>(body: F) {
    if let Some(output) = child_of(body) {
        let words = words_of(&output);
        assert!(output.status.success(), "{:?}\n{words}", output.status);
        assert!(words.contains("1 passed"), "the child ran another test, or none: {words}");
    }
}

/// As `in_child`, but it is for the caller to judge how the child ended. `None` in the child itself.
pub(crate) fn child_of<F: FnOnce()>(body: F) -> Option<Output> {
    let path = any::type_name::<F>().split("::{{closure}}").next().expect("a first part");
    let (_crate, test) = path.split_once("::").expect("a test in a module");
    if env::var(CHILD).as_deref() == Ok(test) {
        thread::spawn(|| {
            thread::sleep(PATIENCE);
            eprintln!("the watchdog ends a child that hangs");
            std::process::abort();
        });
        body();
        return None;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, test);
    Some(child.output().unwrap())
}

/// What a child has printed.
pub(crate) fn words_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
