//! A kernel that refuses and interrupts: system calls that are made to fail, one kind at a time.
//!
//! Cases of the catalogue: NET-08, RCT-12, RCT-13, RES-04.

use crate::harness::{scratch_file, skipped};
use crate::kit::{Gate, current_thread, join_all, listen, multi_thread};
use crate::probe::{self, Hail};
use crate::smoke;
use crate::strace::{Traced, is_here, trace, under_strace};
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::{Builder, Runtime};
use mainspring::time::{sleep, timeout};
use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

cases! { CASES:
    120 => [
        rct_12_the_smoke_suite_passes_while_every_second_call_is_interrupted,
        rct_12_the_smoke_suite_passes_in_a_hail_of_signals,
        rct_12_an_interrupted_registration_is_the_error_of_the_operation_that_asked,
        rct_13_a_refusal_of_epoll_is_the_error_of_the_operation_that_asked_and_of_no_other,
        a_file_that_may_not_be_opened_so_ends_that_way_of_opening_for_no_other,
        net_08_connections_that_are_aborted_before_they_are_accepted_do_not_stop_the_loop,
    ],
    600 => [res_04_whichever_call_fails_a_life_ends_soon_with_a_result_or_a_word],
}

cases! { SCRIPTS:
    60 => [
        smoke_on_current_thread, smoke_on_multi_thread, sockets_while_epoll_refuses, greet_60_clients, live_two_short_lives,
        read_100_files,
    ],
}

fn read_100_files() {
    let file = scratch_file("read-again");
    std::fs::write(&file, "contents").expect("there is room for it");
    current_thread().block_on(async {
        for _ in 0..100 {
            assert_eq!(mainspring::fs::read(&file).await.expect("it is there"), b"contents");
        }
    });
    std::fs::remove_file(&file).expect("it is there");
}

/// EPERM, from a guard of one file (fanotify), or from one who forbids the call as such (seccomp).
fn a_file_that_may_not_be_opened_so_ends_that_way_of_opening_for_no_other() {
    if cfg!(mainspring_plain) {
        return skipped("there is one way only");
    }
    // The first read looks, and leaves the file system to a job; the second looks and opens (3), the others open.
    for when in [3, 4, 50] {
        let Some(once) = under_strace("read_100_files", &format!("openat2:error=EPERM:when={when}")) else { return };
        assert_eq!(once.injected(), 1);
        assert!(once.count("openat2(") >= 100, "the {when}th: {} calls", once.count("openat2("));
        let all = under_strace("read_100_files", &format!("openat2:error=EPERM:when={when}+"));
        let asked = all.expect("strace was there a moment ago").count("openat2(");
        assert!(asked <= when + 2, "from the {when}th on: asked {asked} times, and is told the same each time");
    }
}

fn smoke_on_current_thread() {
    smoke::run(&current_thread());
}

fn smoke_on_multi_thread() {
    smoke::run(&multi_thread(2));
}

fn rct_12_the_smoke_suite_passes_while_every_second_call_is_interrupted() {
    // What is not here, and why:
    // - `futex`: strace skips the call, and a FUTEX_WAKE that is skipped wakes nobody, which no kernel does: only FUTEX_WAIT
    //   is ever interrupted, and strace cannot tell the two apart. The hail of signals interrupts the waits.
    // - `timerfd_settime`: the kernel takes no lock and makes no sleep in it that a signal could end. That a failure of any
    //   kind ends the process with a word is RES-04.
    // - `read` of an eventfd or a timerfd: neither is ever read. Both are registered for edges; mio reads the eventfd only
    //   when its counter is full.
    // - `epoll_ctl`: never interrupted either; should it be, the operation says so, see below.
    let calls = [
        "epoll_wait:error=EINTR:when=2+2",
        "recvfrom:error=EINTR:when=2+2",
        "sendto,sendmsg:error=EINTR:when=2+2",
        // The first ones belong to the loader, which knows no EINTR.
        "read,readv:error=EINTR:when=20+2",
        "write,writev:error=EINTR:when=1+2",
        "accept4:error=EINTR:when=2+2",
        // Interrupted before it has begun. On its way only a blocking connect is interrupted, and ours never block.
        "connect:error=EINTR:when=1+2",
        "epoll_wait,recvfrom,write,sendto,accept4,connect:error=EINTR:when=3+3",
    ];
    for script in ["smoke_on_current_thread", "smoke_on_multi_thread"] {
        for call in calls {
            let Some(traced) = under_strace(script, call) else { return };
            // Plain reads are rare, and a write is a wake-up that meets a sleeper: there may be none.
            let is_rare = call.starts_with("read") || call.starts_with("write");
            assert!(is_rare || traced.injected() > 0, "{script} met no fault of {call}");
        }
    }
}

fn rct_12_the_smoke_suite_passes_in_a_hail_of_signals() {
    let hail = Hail::begin();
    for _ in 0..3 {
        smoke_on_current_thread();
        smoke_on_multi_thread();
    }
    let signals = hail.end();
    assert!(signals > 500, "only {signals} signals were handled");
}

/// Makes sockets while every third registration with epoll is refused; each refusal must come out as an error of the
/// operation that asked for it, and the runtime, its timers included, goes on.
fn sockets_while_epoll_refuses() {
    // Three registrations a driver: both are there before the first fault.
    for runtime in [Builder::new_current_thread().build(), Builder::new_multi_thread().workers(2).build()] {
        let runtime = runtime.expect("the first registrations are let through");
        let (mut served, mut refused) = (0, 0);
        let fds = probe::fds();
        runtime.block_on(async {
            for _ in 0..20 {
                match one_exchange().await {
                    Ok(()) => served += 1,
                    Err(error) => {
                        println!("refused with {}", error.raw_os_error().expect("the kernel's own error"));
                        refused += 1;
                    }
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        println!("served {served}, refused {refused}");
        assert!(refused > 0, "the fault was not injected");
        assert_eq!(probe::fds(), fds, "a refused socket is closed all the same");
    }
}

async fn one_exchange() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    let mut byte = [0];
    let waits = timeout(Duration::from_millis(1), server.read(&mut byte)).await;
    if let Ok(outcome) = waits {
        outcome?;
    }
    client.write_all(b"x").await?;
    server.read_exact(&mut byte).await.map(drop)
}

/// Refuses registrations with this error, and judges that it came out, and no other.
fn registrations_fail_with(name: &str, errno: i32) {
    let fault = format!("epoll_ctl:error={name}:when=12+3");
    let Some(traced) = under_strace("sockets_while_epoll_refuses", &fault) else { return };
    let refusals: Vec<_> = traced.said.lines().filter(|line| line.starts_with("refused with")).collect();
    assert!(!refusals.is_empty(), "{}", traced.said);
    let expected = format!("refused with {errno}");
    assert!(refusals.iter().all(|line| **line == expected), "{}", traced.said);
}

fn rct_13_a_refusal_of_epoll_is_the_error_of_the_operation_that_asked_and_of_no_other() {
    registrations_fail_with("ENOSPC", libc::ENOSPC);
    registrations_fail_with("ENOMEM", libc::ENOMEM);
}

fn rct_12_an_interrupted_registration_is_the_error_of_the_operation_that_asked() {
    registrations_fail_with("EINTR", libc::EINTR);
}

/// So many are served in each flavour.
const CLIENTS: usize = 60;

/// Serves clients that come some at once and some one by one. An error of `accept` ends it, for the documentation says that
/// a client that has gone is passed over.
fn greet_60_clients() {
    for runtime in [current_thread(), multi_thread(2)] {
        runtime.block_on(async {
            let listener = listen().await;
            let address = listener.local_addr().expect("it is bound");
            let server = mainspring::spawn(async move {
                for _ in 0..CLIENTS {
                    let (stream, _) = listener.accept().await.expect("clients that have gone are passed over");
                    stream.write_all(b"!").await.expect("the client waits for it");
                }
            });
            let client = move || async move {
                let stream = TcpStream::connect(address).await.expect("it listens");
                assert_eq!(stream.read(&mut [0; 2]).await.expect("it is greeted"), 1);
            };
            for _ in 0..CLIENTS / 2 {
                client().await;
            }
            join_all((0..CLIENTS / 2).map(|_| mainspring::spawn(client())).collect::<Vec<_>>()).await;
            server.await.expect("no panic");
        });
    }
}

fn net_08_connections_that_are_aborted_before_they_are_accepted_do_not_stop_the_loop() {
    for (error, when) in [("ECONNABORTED", "2+3"), ("ECONNABORTED", "1+2"), ("EPROTO", "2+3"), ("ENETDOWN", "2+3")] {
        let Some(traced) = under_strace("greet_60_clients", &format!("accept4:error={error}:when={when}")) else {
            return;
        };
        let (calls, faults) = (traced.count("accept4("), traced.injected());
        assert!(faults >= CLIENTS / 2, "{faults} faults in {calls} calls");
        // One call for each client, one more for each time that there is none, one for each fault.
        let most = 2 * (CLIENTS + CLIENTS + 10) + faults;
        assert!(
            calls <= most,
            "it spins: {calls} calls for {CLIENTS} clients in each flavour, {faults} of them aborted"
        );
    }
}

/// Two short lives, one in each flavour, in which all kinds of system calls come up. Each ends with a line.
fn live_two_short_lives() {
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread().workers(2)] {
        match live(builder) {
            Ok(()) => println!("lived well"),
            Err(error) => println!("ended early: {error}"),
        }
    }
}

fn live(builder: Builder) -> io::Result<()> {
    let runtime = builder.build()?;
    // First, as long as no timer is armed that would end a sleep whose wake-up was lost.
    wake_from_outside(&runtime)?;
    // Some of what is injected no kernel does, such as an EAGAIN where there is data: of that no event tells, and only a
    // limit ends the wait.
    let outcome = runtime.block_on(async { timeout(Duration::from_secs(1), talk()).await });
    outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let report = runtime.shutdown_timeout(Duration::from_secs(2));
    if report.is_complete() { Ok(()) } else { Err(io::Error::other(format!("{report:?}"))) }
}

/// A server and its clients, who pause now and then.
async fn talk() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = mainspring::spawn(async move {
        for _ in 0..6 {
            let (stream, _) = listener.accept().await?;
            drop(mainspring::spawn(async move {
                let mut buf = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buf).await {
                    if stream.write_all(&buf[..count]).await.is_err() {
                        break;
                    }
                }
            }));
        }
        io::Result::Ok(())
    });
    let clients: Vec<_> = (0..6)
        .map(|n| {
            mainspring::spawn(async move {
                let stream = TcpStream::connect(address).await?;
                for round in 0..5 {
                    stream.write_all(&[round; 16]).await?;
                    stream.read_exact(&mut [0; 16]).await?;
                    sleep(Duration::from_millis(n % 3)).await;
                }
                stream.shutdown(std::net::Shutdown::Write)?;
                stream.read(&mut [0; 8]).await.map(drop)
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no client panics")?;
    }
    server.await.expect("the server does not panic")
}

/// Spawns tasks from another thread, and waits for each without a limit: a wake-up that is lost is a hang.
fn wake_from_outside(runtime: &Runtime) -> io::Result<()> {
    let (handle, over) = (runtime.handle().clone(), Gate::new());
    let end = over.clone();
    let outside = thread::Builder::new().spawn(move || {
        for number in 0..12 {
            // Long enough for the other side to fall asleep.
            thread::sleep(Duration::from_millis(1));
            let (log, seen) = mpsc::channel();
            drop(handle.spawn(async move { log.send(number) }));
            assert_eq!(seen.recv(), Ok(number));
        }
        end.open();
    })?;
    runtime.block_on(over.wait());
    outside.join().expect("it has ended well");
    Ok(())
}

/// Calls, and the errors that are tried on them in turn. strace counts the calls of each thread for itself, so the Nth call
/// of every thread fails. Those of `write`, which is how a sleeper is woken, are the ones that an eventfd can give: the
/// wake-up that another error takes is lost.
const FAULTS: [(&str, [&str; 3]); 16] = [
    ("epoll_create1", ["EMFILE", "ENOMEM", "EIO"]),
    ("epoll_ctl", ["ENOMEM", "EIO", "ENOSPC"]),
    ("epoll_wait", ["EIO", "ENOMEM", "EAGAIN"]),
    ("eventfd2", ["EMFILE", "ENOMEM", "EIO"]),
    ("timerfd_create", ["EMFILE", "ENOMEM", "EIO"]),
    ("timerfd_settime", ["EIO", "ENOMEM", "EAGAIN"]),
    ("clone3", ["EAGAIN", "ENOMEM", "EIO"]),
    ("socket", ["EMFILE", "ENOMEM", "EIO"]),
    ("accept4", ["EMFILE", "EIO", "EAGAIN"]),
    ("connect", ["EAGAIN", "ENOMEM", "EIO"]),
    ("recvfrom", ["EIO", "ENOMEM", "EAGAIN"]),
    ("sendto", ["EIO", "ENOMEM", "EAGAIN"]),
    ("read", ["EIO", "ENOMEM", "EAGAIN"]),
    ("write", ["EAGAIN", "EINTR", "EAGAIN"]),
    ("close", ["EIO", "ENOMEM", "EAGAIN"]),
    ("fcntl", ["EMFILE", "ENOMEM", "EIO"]),
];

/// Which of the calls of a kind fail, and how the errors are dealt out; `tests/fail_nth.sh` sets other ones.
const WHICH: &str = "MAINSPRING_FAIL_NTH";

fn res_04_whichever_call_fails_a_life_ends_soon_with_a_result_or_a_word() {
    if !is_here() {
        return;
    }
    let which = env::var(WHICH).unwrap_or_else(|_| "1 10 0".to_owned());
    let numbers: Vec<usize> = which.split(' ').map(|number| number.parse().expect("three numbers")).collect();
    let [first, last, turn] = numbers[..] else { panic!("{WHICH} must be first, last and turn, not {which}") };
    let mut wrong = Vec::new();
    for (call, errors) in FAULTS {
        let mut met = 0;
        for nth in first..=last {
            let fault = format!("{call}:error={}:when={nth}", errors[(nth + turn) % errors.len()]);
            let traced = trace("live_two_short_lives", &fault, Duration::from_secs(10));
            met += traced.injected();
            wrong.extend(what_is_wrong(&traced).map(|what| format!("{fault}: {what}")));
        }
        // Nobody makes fifty epoll instances; but those that are made do meet a fault.
        assert!(first > 1 || met > 0, "no fault of {call} was met");
    }
    assert!(wrong.is_empty(), "{} lives ended badly:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with the end of such a life, if anything is.
fn what_is_wrong(traced: &Traced) -> Option<String> {
    let Traced { status, said, told, .. } = traced;
    let Some(status) = status else { return Some("it hangs".to_owned()) };
    let ends = said.lines().filter(|line| line.starts_with("lived well") || line.starts_with("ended early: ")).count();
    let is_well = match (status.code(), status.signal()) {
        (Some(0), _) => ends == 2,
        (Some(101), _) | (_, Some(libc::SIGABRT)) => KNOWN_LAST_WORDS.iter().any(|words| told.contains(words)),
        // The loader, before there is any Rust.
        (Some(127), _) => told.contains("error while loading shared libraries"),
        _ => false,
    };
    (!is_well).then(|| format!("{status}\n{said}{told}"))
}

/// What a process may say that cannot go on.
const KNOWN_LAST_WORDS: [&str; 3] = [
    "timerfd_settime fails only for a bad descriptor or time",
    "the reactor's epoll descriptor was closed behind its back",
    // std's, of the line with which a life ends.
    "failed printing to stdout",
];
