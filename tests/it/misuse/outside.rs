//! MIS-01, 02, 04: outside of every runtime, in the middle of one, and after the end of a future.
//!
//! Cases of the catalogue: MIS-01, MIS-02, MIS-04.

use crate::{child_of, in_child, message_of, poll_with, runtimes, until, words_of};
use mainspring::net::{TcpListener, TcpSocket, TcpStream};
use mainspring::runtime::{Builder, Handle, Runtime};
use mainspring::task::{self, JoinError, JoinHandle, yield_now};
use mainspring::time::{Duration, Instant, interval, interval_at, sleep, sleep_until, timeout, timeout_at};
use std::future::{pending, poll_fn, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A call that needs a runtime: its name, the line it stands on, and the call.
type Call = (&'static str, u32, fn());

/// Calls that must panic outside, on their own line.
#[rustfmt::skip]
const CALLS: [Call; 12] = [
    ("spawn", line!(), || drop(mainspring::spawn(async {}))),
    ("spawn", line!(), || drop(task::spawn(async {}))),
    ("spawn", line!(), || drop(task::Builder::new().name("lost").spawn(async {}))),
    ("spawn_local", line!(), || drop(mainspring::spawn_local(async {}))),
    ("task::id", line!(), || assert_eq!(task::id(), task::id())),
    ("Handle::current", line!(), || drop(Handle::current())),
    ("sleep", line!(), || drop(sleep(Duration::ZERO))),
    ("sleep_until", line!(), || drop(sleep_until(Instant::now()))),
    ("timeout", line!(), || drop(timeout(Duration::ZERO, ready(())))),
    ("timeout_at", line!(), || drop(timeout_at(Instant::now(), ready(())))),
    ("interval", line!(), || drop(interval(Duration::from_secs(1)))),
    ("interval_at", line!(), || drop(interval_at(Instant::now(), Duration::from_secs(1)))),
];

#[test]
fn mis_01_every_call_that_needs_a_runtime_panics_on_its_own_line_and_names_the_cure() {
    // The panic hook is everybody's, so this needs a process of its own.
    in_child(|| {
        let seen = Arc::new(Mutex::new(None));
        let place = seen.clone();
        set_hook(Box::new(move |info| {
            let place_of = info.location().map(|location| (location.file().to_owned(), location.line()));
            *place.lock().unwrap() = place_of;
        }));
        let mut wrong = Vec::new();
        for (name, line, call) in CALLS {
            let payload = catch_unwind(call).expect_err(name);
            let (message, place) = (message_of(payload), seen.lock().unwrap().take().unwrap());
            let names_call = message.starts_with(&format!("`{name}` needs a "));
            let names_cure = message.contains("call it inside") && message.contains("`");
            if !names_call || !names_cure || place != (file!().to_owned(), line) {
                wrong.push(format!("{name} at line {line}: at {}:{}, {message:?}", place.0, place.1));
            }
        }
        drop(std::panic::take_hook());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn mis_01_what_only_asks_may_be_called_anywhere() {
    assert_eq!(task::try_id(), None);
    assert!(Handle::try_current().is_err_and(|error| error.to_string().contains("Handle::enter")));
    assert!(task::Builder::new().spawn_local(async {}).is_err_and(|error| error.to_string().contains("block_on")));
    assert!(Instant::now() <= Instant::now());
    let runtime = Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    // Under the guard nobody would poll a local task, and there is no task whose number could be asked.
    assert!(task::Builder::new().spawn_local(async {}).is_err());
    assert!(Handle::try_current().is_ok() && task::try_id().is_none());
}

/// What polling says, outside.
fn poll_outside<F: Future>(future: F) -> Option<String> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready())) {
        Ok(_) => None,
        Err(payload) => Some(message_of(payload)),
    }
}

#[test]
fn mis_01_a_future_made_inside_and_polled_outside_names_the_line_that_made_it_and_the_cure() {
    let output = child_of(|| {
        set_hook(Box::new(|_| {}));
        let runtime = Builder::new_current_thread().build().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listener, stream) = runtime.block_on(async {
            let listener = TcpListener::bind(address).await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let accepted = listener.accept().await.unwrap().0;
            drop(runtime.spawn(async move {
                pending::<()>().await;
                drop(accepted);
            }));
            (listener.into_std().unwrap(), stream.into_std().unwrap())
        });
        let guard = runtime.enter();
        let made = (sleep(Duration::from_secs(1)), line!());
        let (listener, stream) = (TcpListener::from_std(listener).unwrap(), TcpStream::from_std(stream).unwrap());
        drop(guard);
        let mut buffer = [0; 1];
        let (read, accept, readable) =
            ((stream.read(&mut buffer), line!()), (listener.accept(), line!()), (stream.readable(), line!()));
        let said = [
            ("sleep", made.1, poll_outside(made.0)),
            ("read", read.1, poll_outside(read.0)),
            ("accept", accept.1, poll_outside(accept.0)),
            ("readable", readable.1, poll_outside(readable.0)),
        ];
        let place = |line| format!("{}:{line}", file!());
        for (name, line, message) in said {
            let message = message.unwrap_or_else(|| "it did not panic".to_owned());
            if !message.contains(&format!("`{name}`")) || !message.contains("Handle::enter") {
                println!("WRONG {name}: neither the call nor the cure in {message:?}");
            }
            if !message.contains(&place(line)) {
                println!("WRONG {name}: no {} in {message:?}", place(line));
            }
        }
    });
    if let Some(output) = output {
        let words = words_of(&output);
        assert!(output.status.success(), "{words}");
        let wrong: Vec<_> = words.lines().filter(|line| line.contains("WRONG")).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn mis_02_block_on_inside_a_task_panics_and_says_what_to_do_instead() {
    for (flavour, runtime) in runtimes() {
        let other = Builder::new_current_thread().build().unwrap();
        let (handle, others) = (runtime.handle().clone(), other.handle().clone());
        let nested = move |handle: &Handle| handle.block_on(async { 1 });
        runtime.block_on(async {
            let mut results: Vec<Result<i32, JoinError>> = Vec::new();
            for target in [handle, others] {
                let (first, second) = (target.clone(), target.clone());
                results.push(mainspring::spawn(async move { nested(&first) }).await);
                results.push(mainspring::spawn_local(async move { nested(&second) }).await);
                assert!(catch_unwind(AssertUnwindSafe(|| nested(&target))).is_err(), "{flavour}: main is a task, too");
            }
            for result in results {
                let message = message_of(result.unwrap_err().into_panic());
                assert!(message.starts_with("`block_on` inside a task"), "{flavour}: {message}");
                assert!(message.contains("`.await`"), "{flavour}: {message}");
            }
            assert_eq!(mainspring::spawn(async { 2 }).await.unwrap(), 2, "{flavour}: nothing is broken by it");
        });
        let _guard = other.enter();
        assert_eq!(runtime.block_on(async { 3 }), 3, "{flavour}: under a guard it is allowed");
    }
}

#[test]
fn mis_02_the_panic_of_a_nested_block_on_names_the_line_of_the_call() {
    in_child(|| {
        let seen = Arc::new(Mutex::new(None));
        let place = seen.clone();
        set_hook(Box::new(move |info| *place.lock().unwrap() = info.location().map(|place| place.line())));
        let runtime = Builder::new_current_thread().build().unwrap();
        let line = runtime.block_on(async {
            let (nested, line) = (catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))), line!());
            assert!(nested.is_err());
            line
        });
        drop(std::panic::take_hook());
        assert_eq!(*seen.lock().unwrap(), Some(line));
    });
}

#[test]
fn mis_04_a_join_handle_polled_after_its_end_says_that_the_output_is_gone() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let mut handle = mainspring::spawn(async { 5 });
            assert_eq!((&mut handle).await.unwrap(), 5);
            assert!(handle.is_finished(), "{flavour}");
            let calls: [fn(&mut JoinHandle<i32>); 5] = [
                |handle| drop(poll_with(handle, Waker::noop())),
                |handle| handle.abort(),
                |handle| drop(handle.abort_handle()),
                |handle| assert_eq!(handle.id(), handle.id()),
                |handle| assert_eq!(handle.name(), None),
            ];
            for call in calls {
                let payload = catch_unwind(AssertUnwindSafe(|| call(&mut handle))).unwrap_err();
                assert!(message_of(payload).contains("awaited to its end already"), "{flavour}");
            }
            assert_eq!(format!("{handle:?}"), "JoinHandle(taken)");
        });
    }
}

#[test]
fn mis_04_sleeps_yields_and_timeouts_stay_over() {
    for (flavour, runtime) in runtimes() {
        runtime.block_on(async {
            let mut nap = pin!(sleep(Duration::from_millis(1)));
            nap.as_mut().await;
            let mut yields = yield_now();
            (&mut yields).await;
            let mut limit = Box::pin(timeout(Duration::from_millis(1), pending::<()>()));
            assert!(limit.as_mut().await.is_err());
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..3 {
                assert_eq!(nap.as_mut().poll(&mut cx), Poll::Ready(()), "{flavour}");
                assert_eq!(poll_with(&mut yields, Waker::noop()), Poll::Ready(()), "{flavour}");
                assert!(matches!(limit.as_mut().poll(&mut cx), Poll::Ready(Err(_))), "{flavour}");
            }
            // What a timeout was made for is polled on: it is its own affair what it says then.
            let mut polls = 0;
            let value = poll_fn(move |_| {
                polls += 1;
                Poll::Ready(polls)
            });
            let mut limit = timeout(Duration::from_secs(1), value);
            assert_eq!((&mut limit).await, Ok(1));
            assert_eq!((&mut limit).await, Ok(2), "{flavour}");
        });
    }
}

#[test]
fn mis_04_a_runtime_does_not_mind_being_asked_after_its_end() {
    for (flavour, runtime) in runtimes() {
        let handle = runtime.handle().clone();
        drop::<Runtime>(runtime);
        let task = handle.spawn(async { 1 });
        assert!(crate::result_of(task).unwrap_err().is_cancelled(), "{flavour}");
        assert_eq!(handle.block_on(async { 2 }), 2, "{flavour}");
        let _guard = handle.enter();
        drop(mainspring::spawn(async {}));
        assert!(
            catch_unwind(AssertUnwindSafe(|| handle.block_on(sleep(Duration::from_secs(1))))).is_err(),
            "{flavour}"
        );
        handle.block_on(until(|| true));
    }
}

#[test]
fn mis_01_sockets_can_be_made_and_used_as_far_as_they_need_not_wait() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    assert_ne!(listener.local_addr().unwrap().port(), 0);
}
