#![allow(unsafe_code, reason = "forks, and watches and ends the children")]
//! PRC-10: forks of a process with a runtime in it. The child has one thread, and the parent's descriptors.

use crate::fork_kit::{Forked, KNOWN, PLACES, Place, exit, fork, fork_to, in_place, panic_of, poll_once, raise};
use crate::kit::{Load, current_thread, echo, everywhere, join_all, listen, multi_thread, once, tcp_pair};
use crate::probe::{eventually, others_sleep, threads};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::process::{Command, Stdio};
use mainspring::runtime::{Handle, Runtime};
use mainspring::signal::{Signal, SignalKind, signal};
use mainspring::sync::mpsc;
use mainspring::task::{JoinHandle, spawn_blocking, spawn_local, yield_now};
use mainspring::time::sleep;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

cases! { CASES:
    60 => [
        prc_10_a_child_may_exec_or_exit_within_the_poll,
        prc_10_a_child_that_comes_back_from_a_poll_ends_with_a_line_and_runs_nothing,
        prc_10_in_a_child_everything_of_the_parents_runtime_refuses,
        prc_10_what_waits_in_the_parents_runtime_refuses_and_goes_on_in_a_new_one,
        prc_10_a_new_runtime_in_the_child_works,
        prc_10_a_childs_child_may_have_a_new_runtime_too,
        prc_10_a_child_of_the_parents_is_neither_killed_nor_reaped,
        prc_10_signals_go_to_the_process_that_they_are_sent_to,
    ],
    120 => [ prc_10_the_parent_loses_no_answer_and_no_signal ],
}

/// The code with which a child ends that comes back from a poll.
const CAME_BACK: i32 = 70;
/// How a message begins to say what to do.
const CURE: &str = "start programs with `process::Command`, or call exec or _exit";

/// Tasks that would end a forked process with another code, should one ever be polled in it.
fn spawn_tasks_that_belong_here(runtime: &Runtime) {
    let parent = std::process::id();
    for _ in 0..8 {
        drop(runtime.spawn(async move {
            loop {
                if std::process::id() != parent {
                    exit(99);
                }
                yield_now().await;
            }
        }));
    }
}

fn exec() -> Option<Forked> {
    let Some(child) = fork() else {
        let args = [c"sh".as_ptr(), c"-c".as_ptr(), c"exit 7".as_ptr(), ptr::null()];
        // SAFETY: strings that end with a zero, and a list that ends with a null.
        unsafe { libc::execv(c"/bin/sh".as_ptr(), args.as_ptr()) };
        exit(98);
    };
    Some(child)
}

fn leave_at_once() -> Option<Forked> {
    Some(fork_to(|| ()))
}

fn prc_10_a_child_may_exec_or_exit_within_the_poll() {
    everywhere(&[1, 2], |runtime| {
        spawn_tasks_that_belong_here(runtime);
        for place in PLACES {
            let (status, said) = place(runtime, exec).expect("this is the parent").end();
            assert_eq!((status.code(), said.as_str()), (Some(7), ""));
            assert_eq!(place(runtime, leave_at_once).expect("this is the parent").assert_fine(), "");
        }
    });
}

fn panics_in_the_child() -> Option<Forked> {
    let forked = fork();
    assert!(forked.is_some(), "the child panics");
    forked
}

fn prc_10_a_child_that_comes_back_from_a_poll_ends_with_a_line_and_runs_nothing() {
    let ends = |runtime: &Runtime, place: Place, is_known: bool| {
        for fork in [fork, panics_in_the_child] {
            let (status, said) = place(runtime, fork).expect("in the child it does not return").end();
            assert_eq!(status.code(), Some(CAME_BACK), "{status}: {said}");
            let lines = said
                .lines()
                .filter(|line| line.starts_with("mainspring: a forked process came back from the poll of "));
            let lines: Vec<&str> = lines.collect();
            assert!(lines.len() == 1 && lines[0].contains(CURE), "{said}");
            assert!(!is_known || lines[0].contains("spawned at tests/real/fork_kit.rs:"), "{said}");
        }
    };
    everywhere(&[1, 2], |runtime| {
        spawn_tasks_that_belong_here(runtime);
        PLACES.into_iter().enumerate().for_each(|(index, place)| ends(runtime, place, index < KNOWN));
    });
    PLACES.into_iter().for_each(|place| ends(&current_thread(), place, true));
    let runtime = multi_thread(2);
    spawn_tasks_that_belong_here(&runtime);
    ends(&runtime, in_place, false);
}

/// What a runtime says in a child of its process, and everything that belongs to it.
fn assert_refuses(runtime: Runtime, old: &TcpStream) {
    let (handle, cure) = (runtime.handle().clone(), |what: &str, said: String| {
        assert!(said.starts_with(&format!("`{what}` in a forked process")) && said.contains(CURE), "{said}");
    });
    cure("spawn", panic_of(|| handle.spawn(async {})));
    cure("spawn", panic_of(|| mainspring::spawn(async {})));
    cure("spawn_local", panic_of(|| spawn_local(async {})));
    cure("spawn_blocking", panic_of(|| handle.spawn_blocking(|| ())));
    cure("spawn_blocking", panic_of(|| spawn_blocking(|| ())));
    cure("thread::spawn", panic_of(|| mainspring::thread::spawn(|| ())));
    cure("block_on", panic_of(|| runtime.block_on(async {})));
    cure("block_on", panic_of(|| runtime.run(async {})));
    cure("enter", panic_of(|| drop(runtime.enter())));
    cure("sleep", panic_of(|| sleep(Duration::from_secs(1))));
    cure("Handle::current", panic_of(Handle::current));
    assert!(Handle::try_current().is_err());
    // A socket of the parent's, which is registered there, and a new one.
    let refused = |outcome: Poll<std::io::Result<usize>>| match outcome {
        Poll::Ready(Err(error)) => assert!(error.to_string().contains(CURE), "{error}"),
        other => panic!("{other:?}"),
    };
    refused(poll_once(old.read(&mut [0; 8])));
    let (near, _far) = std::os::unix::net::UnixStream::pair().expect("descriptors are to be had");
    near.set_nonblocking(true).expect("it is open");
    let near = mainspring::net::UnixStream::from_std(near).expect("a socket");
    refused(poll_once(near.read(&mut [0; 8])));
    drop(runtime);
}

fn prc_10_in_a_child_everything_of_the_parents_runtime_refuses() {
    everywhere(&[2], |runtime| {
        let (old, other) = runtime.block_on(async {
            let (old, other) = tcp_pair().await;
            assert!(once(old.read(&mut [0; 8])).await.is_none(), "it is registered now");
            (old, other)
        });
        let _load = Load::on(runtime, 4);
        let _inside = runtime.enter();
        // SAFETY: a second owner, for the child alone: the parent's copy of it is forgotten below.
        let copy = std::mem::ManuallyDrop::new(unsafe { ptr::read(runtime) });
        let said = fork_to(|| assert_refuses(std::mem::ManuallyDrop::into_inner(copy), &old)).assert_fine();
        let line = said
            .lines()
            .filter(|line| line.starts_with("mainspring: a runtime was dropped in a process forked from"))
            .count();
        assert_eq!(line, 1, "{said}");
        assert!(!said.contains("panicked at src/"), "each panic names the line of who called: {said}");
        // And none of it has reached the parent.
        runtime.block_on(async {
            other.write_all(b"still").await.expect("it is open");
            let mut answer = [0; 5];
            old.read_exact(&mut answer).await.expect("it comes");
            assert_eq!(&answer, b"still");
        });
    });
}

fn prc_10_what_waits_in_the_parents_runtime_refuses_and_goes_on_in_a_new_one() {
    everywhere(&[2], |runtime| {
        let mut nap = Box::pin(runtime.block_on(async { Some(sleep(Duration::from_millis(20))) }).expect("just made"));
        runtime.block_on(async { assert!(poll_once(nap.as_mut()).is_pending(), "its timer is set now") });
        let (listener, address) = runtime.block_on(async {
            let listener = listen().await;
            assert!(once(listener.accept()).await.is_none(), "it is registered now");
            let address = listener.local_addr().expect("it is bound");
            (listener, address)
        });
        let mut nap = Some(nap);
        let child = fork_to(|| {
            let mut nap = nap.take().expect("it is there");
            let said = panic_of(|| poll_once(nap.as_mut()));
            assert!(said.starts_with("`sleep` in a forked process"), "{said}");
            current_thread().block_on(async {
                nap.await;
                let client = mainspring::spawn(async move { TcpStream::connect(address).await.map(drop) });
                listener.accept().await.expect("the listener is shared, as servers that fork have it");
                client.await.expect("no panic").expect("it listens");
            });
        });
        child.assert_fine();
        runtime.block_on(nap.take().expect("the parent's is where it was"));
        let client = runtime.spawn(async move { TcpStream::connect(address).await.map(drop) });
        runtime.block_on(listener.accept()).expect("the parent's registration is as it was");
        runtime.block_on(client).expect("no panic").expect("it listens");
    });
}

/// So much echo that every part of a runtime has worked.
async fn echo_for(rounds: usize) {
    let (near, far) = tcp_pair().await;
    let server = mainspring::spawn(echo(far));
    for _ in 0..rounds {
        near.write_all(b"12345678").await.expect("it is open");
        let mut answer = [0; 8];
        near.read_exact(&mut answer).await.expect("it comes back");
        assert_eq!(&answer, b"12345678");
    }
    drop(near);
    server.await.expect("no panic");
}

/// Everything that a runtime does, and everything that is one for the whole process.
fn use_a_new_runtime(runtime: Runtime) {
    runtime.block_on(async {
        echo_for(50).await;
        sleep(Duration::from_millis(2)).await;
        assert_eq!(spawn_blocking(|| 42).await.expect("no panic"), 42);
        let dedicated = mainspring::thread::spawn(|| 43).expect("threads are to be had");
        assert_eq!(dedicated.await.expect("no panic"), 43);
        let manifest = mainspring::fs::read("Cargo.toml").await.expect("tests run beside it");
        assert!(manifest.starts_with(b"[package]"));
        let mut listener = signal(SignalKind::user_defined1()).expect("it may be listened to");
        for _ in 0..3 {
            assert_eq!(once(listener.recv()).await, None);
            raise(SignalKind::user_defined1());
            assert_eq!(listener.recv().await, Some(()));
        }
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", "echo out; exit 5"]).output().await.expect("it can be started");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), b"out\n".as_slice()));
    });
    // One that outlives the runtime is reaped by a thread of this process.
    let (started, input) = runtime.block_on(async {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().expect("it can be started");
        (cat.id(), cat.stdin.take())
    });
    drop(runtime);
    drop(input);
    let pid = i32::try_from(started.expect("it runs")).expect("process ids are positive");
    // SAFETY: two integers; no signal is sent.
    eventually("it is reaped", || unsafe { libc::kill(pid, 0) } != 0);
    eventually("all threads of the runtime are gone", || threads() == 1);
}

fn prc_10_a_new_runtime_in_the_child_works() {
    for listens_before in [false, true] {
        everywhere(&[2], |runtime| {
            let mut old = listens_before.then(|| signal(SignalKind::user_defined1()).expect("it may be listened to"));
            // No load, and nobody who begins or ends: of what other threads had locked at the fork nothing is promised.
            let at_rest = || eventually("the parent's other threads sleep", others_sleep);
            let new: fn() -> Option<Forked> = || {
                Some(fork_to(|| {
                    use_a_new_runtime(current_thread());
                    use_a_new_runtime(multi_thread(2));
                }))
            };
            // In a plain thread, and wherever the parent's tasks run: in the child that is over.
            at_rest();
            let mut children = vec![new()];
            for place in PLACES {
                at_rest();
                children.push(place(runtime, new));
            }
            children.into_iter().flatten().for_each(|child| drop(child.assert_fine()));
            if let Some(old) = &mut old {
                assert_eq!(runtime.block_on(once(old.recv())), None, "the children's signals are theirs");
            }
        });
    }
}

fn prc_10_a_childs_child_may_have_a_new_runtime_too() {
    let runtime = multi_thread(2);
    eventually("all other threads sleep", others_sleep);
    let child = fork_to(|| {
        let runtime = multi_thread(2);
        runtime.block_on(echo_for(10));
        eventually("all other threads sleep", others_sleep);
        let grandchild = fork_to(|| {
            assert!(panic_of(|| runtime.block_on(async {})).starts_with("`block_on` in a forked process"));
            use_a_new_runtime(multi_thread(2));
        });
        grandchild.assert_fine();
        use_a_new_runtime(runtime);
    });
    child.assert_fine();
    use_a_new_runtime(runtime);
}

fn prc_10_a_child_of_the_parents_is_neither_killed_nor_reaped() {
    everywhere(&[2], |runtime| {
        let start = || Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut cat = Some(start().expect("it can be started"));
        let waits = runtime.block_on(async { once(cat.as_mut().expect("it is there").wait()).await });
        assert!(waits.is_none());
        let mut second = Some(start().expect("it can be started"));
        let child = fork_to(|| {
            let mut cat = cat.take().expect("it is there");
            let lost = |error: std::io::Error| assert_eq!(error.raw_os_error(), Some(libc::ECHILD), "{error}");
            lost(cat.start_kill().expect_err("it is not ours"));
            lost(current_thread().block_on(cat.wait()).expect_err("it is not ours"));
            drop(cat);
            drop(second.take());
        });
        child.assert_fine();
        let mut second = second.take().expect("the parent's is where it was");
        assert_eq!(second.try_wait().expect("it runs"), None, "and nobody has killed it");
        runtime.block_on(async {
            second.stdin.as_ref().expect("piped").write_all(b"alive").await.expect("it reads");
            let output = second.wait_with_output().await.expect("it is ours");
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"alive".as_slice()));
        });
        // `wait` has closed its input, so it ends by itself.
        assert_eq!(runtime.block_on(cat.as_mut().expect("it is there").wait()).expect("it is ours").code(), Some(0));
    });
}

/// Hears one signal, with a bound that only a failing case meets.
async fn hears(listener: &mut Signal) -> bool {
    let heard = mainspring::time::timeout(Duration::from_secs(10), listener.recv()).await;
    heard.expect("it comes").is_some()
}

fn prc_10_signals_go_to_the_process_that_they_are_sent_to() {
    everywhere(&[2], |runtime| {
        let mut old = signal(SignalKind::user_defined2()).expect("it may be listened to");
        assert_eq!(runtime.block_on(once(old.recv())), None);
        let child = fork_to(|| {
            // The handler is the parent's, so the default action does not end this process; nobody hears.
            raise(SignalKind::user_defined2());
            current_thread().block_on(async {
                assert_eq!(old.recv().await, None, "the parent's listener is at an end here");
                let mut new = signal(SignalKind::user_defined2()).expect("it may be listened to");
                assert_eq!(once(new.recv()).await, None, "what came before is not heard");
                raise(SignalKind::user_defined2());
                assert!(hears(&mut new).await);
            });
        });
        child.assert_fine();
        runtime.block_on(async {
            assert_eq!(once(old.recv()).await, None, "the child's signals are the child's");
            raise(SignalKind::user_defined2());
            assert!(hears(&mut old).await);
            assert_eq!(once(old.recv()).await, None);
        });
    });
}

/// Answers that came back in the parent.
static ANSWERS: AtomicUsize = AtomicUsize::new(0);

const CLIENTS: usize = 8;
const ROUNDS: usize = 500;

/// A client that forks now and then, and whose child lets go of all that the client has, in the worst way it can. (Not of the channel: what many
/// threads lock may be locked at the fork, and then it is in the child for ever.)
async fn client(number: usize, address: std::net::SocketAddr, tell: mpsc::Sender<usize>) {
    let mut stream = Some(TcpStream::connect(address).await.expect("it listens"));
    let bystander = mainspring::spawn(std::future::pending::<()>());
    for round in 0..ROUNDS {
        let near = stream.as_ref().expect("the parent keeps it");
        near.write_all(b"12345678").await.expect("it is open");
        let mut answer = [0; 8];
        near.read_exact(&mut answer).await.expect("it comes back");
        ANSWERS.fetch_add(1, Ordering::SeqCst);
        let mut nap = Some(Box::pin(sleep(Duration::from_micros(50))));
        assert!(once(nap.as_mut().expect("it is there").as_mut()).await.is_none() || nap.is_some());
        if round % 50 == number {
            let child = fork_to(|| {
                drop(stream.take());
                drop(nap.take());
                bystander.abort();
                raise(SignalKind::user_defined1());
                if round % 100 == number {
                    current_thread().block_on(echo_for(3));
                }
            });
            spawn_blocking(move || child.assert_fine()).await.expect("no panic");
        }
        tell.send(round).await.expect("somebody listens");
    }
    assert!(!bystander.is_finished(), "it was aborted in the children, and lives here");
    bystander.abort();
}

/// Sends signals one by one, each when the one before was heard, and counts them.
async fn count_signals(count: usize) -> usize {
    let mut listener = signal(SignalKind::user_defined1()).expect("it may be listened to");
    let mut heard = 0;
    for _ in 0..count {
        raise(SignalKind::user_defined1());
        heard += usize::from(hears(&mut listener).await);
        assert_eq!(once(listener.recv()).await, None, "and it is heard once");
        sleep(Duration::from_millis(1)).await;
    }
    heard
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("descriptors are to be had");
        drop(mainspring::spawn(echo(stream)));
    }
}

fn prc_10_the_parent_loses_no_answer_and_no_signal() {
    everywhere(&[2], |runtime| {
        ANSWERS.store(0, Ordering::SeqCst);
        let (tell, mut told) = mpsc::channel(16);
        let started: Pin<Box<dyn Future<Output = Vec<JoinHandle<()>>>>> = Box::pin(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback is up");
            let address = listener.local_addr().expect("it is bound");
            drop(mainspring::spawn(serve(listener)));
            (0..CLIENTS).map(|number| mainspring::spawn(client(number, address, tell.clone()))).collect()
        });
        let clients = runtime.block_on(started);
        drop(tell);
        let signals = runtime.spawn(count_signals(200));
        let sum = runtime.spawn(async move {
            let (mut count, mut sum) = (0, 0);
            while let Some(round) = told.recv().await {
                (count, sum) = (count + 1, sum + round);
            }
            (count, sum)
        });
        // Beside them, forks from a plain thread, whose children let go of the runtime.
        let forks = thread::scope(|scope| {
            let forks = scope.spawn(|| {
                for _ in 0..20 {
                    // SAFETY: a second owner, for the child alone: the parent's copy of it is forgotten.
                    let copy = std::mem::ManuallyDrop::new(unsafe { ptr::read(runtime) });
                    fork_to(|| drop(std::mem::ManuallyDrop::into_inner(copy))).assert_fine();
                }
            });
            runtime.block_on(join_all(clients));
            forks.join()
        });
        forks.expect("no panic");
        assert_eq!(ANSWERS.load(Ordering::SeqCst), CLIENTS * ROUNDS);
        assert_eq!(runtime.block_on(signals).expect("no panic"), 200);
        let expected = (CLIENTS * ROUNDS, CLIENTS * (0..ROUNDS).sum::<usize>());
        assert_eq!(runtime.block_on(sum).expect("no panic"), expected);
    });
}
