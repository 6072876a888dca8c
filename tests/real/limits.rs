//! A kernel that refuses threads, and one that interrupts every second system call.
//!
//! Cases of the catalogue: RCT-12, RCT-13, RES-02.

use crate::harness::{command_for, skipped, watch};
use crate::kit::{Token, join_all, multi_thread};
use crate::probe::{self, Hail, Holdings, Limit, eventually};
use crate::smoke;
use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Builder;
use std::process::{Command, Stdio};
use std::time::Duration;

cases! { CASES:
    60 => [
        res_02_when_the_system_refuses_the_nth_thread_building_is_an_error_that_leaves_nothing_behind,
        res_02_when_clone_says_eagain_building_is_an_error_that_leaves_nothing_behind,
    ],
    120 => [
        rct_12_the_smoke_suite_passes_while_every_second_call_is_interrupted,
        rct_12_the_smoke_suite_passes_in_a_hail_of_signals,
        rct_13_a_refusal_of_epoll_is_the_error_of_the_operation_that_asked_and_of_no_other,
    ],
}

cases! { SCRIPTS:
    60 => [
        build_while_clone_fails, smoke_on_current_thread, smoke_on_multi_thread, sockets_while_epoll_refuses,
    ],
}

/// Stacks so large that the address space, whose limit holds for everybody, runs out at the thread we want.
const STACK: u64 = 1 << 30;

fn res_02_when_the_system_refuses_the_nth_thread_building_is_an_error_that_leaves_nothing_behind() {
    drop(multi_thread(4));
    eventually("the first runtime's threads are gone", || probe::threads() == 1);
    let before = Holdings::now();
    let mut outcomes = Vec::new();
    for threads in 0..6 {
        let builder = Builder::new_multi_thread().workers(4).thread_stack_size(STACK as usize);
        let (builder, token) = Token::put_into(builder);
        let room = probe::address_space_kib() * 1_024 + threads * STACK + STACK / 2;
        probe::set_limit(Limit::AddressSpace, room);
        let built = builder.build();
        probe::set_limit(Limit::AddressSpace, u64::MAX);
        outcomes.push(built.is_ok());
        match built {
            Ok(runtime) => assert_eq!(runtime.block_on(join_all([runtime.spawn(async { 1 })])), [1]),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}"),
        }
        token.assert_freed();
        before.assert_flat(4_096);
    }
    // One stack that the C library has kept for later may count as room.
    let refused = outcomes.iter().filter(|built| !**built).count();
    assert!(
        (3..=4).contains(&refused) && outcomes.is_sorted(),
        "room for 0 to 5 threads, and is there a runtime? {outcomes:?}"
    );
}

/// Builds again and again; which of the calls fails is for strace to say. Prints what came of each.
fn build_while_clone_fails() {
    let before = Holdings::now();
    let (mut built, mut refused) = (0, 0);
    for _ in 0..20 {
        let (builder, token) = Token::put_into(Builder::new_multi_thread().workers(4));
        match builder.build() {
            Ok(runtime) => {
                assert_eq!(runtime.block_on(join_all([runtime.spawn(async { 1 })])), [1]);
                built += 1;
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
                refused += 1;
            }
        }
        token.assert_freed();
        before.assert_flat(4_096);
    }
    println!("built {built}, refused {refused}");
}

fn res_02_when_clone_says_eagain_building_is_an_error_that_leaves_nothing_behind() {
    // Every sixth from the second on: 20 builds meet each of the four places where it can fail.
    let Some(said) = under_strace("build_while_clone_fails", &["clone3:error=EAGAIN:when=2+6"]) else { return };
    let count = |word: &str| -> u32 {
        let rest = said.split(word).nth(1).expect("the script prints it").trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).expect("a number follows")
    };
    assert_eq!(count("built") + count("refused"), 20, "{said}");
    assert!(count("built") >= 3 && count("refused") >= 5, "{said}");
}

fn smoke_on_current_thread() {
    smoke::run(&crate::kit::current_thread());
}

fn smoke_on_multi_thread() {
    smoke::run(&multi_thread(2));
}

fn rct_12_the_smoke_suite_passes_while_every_second_call_is_interrupted() {
    let calls = [
        // Skipped calls cannot stand for all interrupted ones: a connect goes on in the background, and waking by futex is
        // never interrupted. Those two get the signals of the other case.
        "epoll_wait:error=EINTR:when=2+2",
        "recvfrom:error=EINTR:when=2+2",
        "sendto,sendmsg:error=EINTR:when=2+2",
        // The first ones belong to the loader, which knows no EINTR.
        "read,readv:error=EINTR:when=20+2",
        "write,writev:error=EINTR:when=2+2",
        "accept4:error=EINTR:when=2+2",
        "epoll_wait,recvfrom,write,sendto,accept4:error=EINTR:when=3+3",
    ];
    for script in ["smoke_on_current_thread", "smoke_on_multi_thread"] {
        for call in calls {
            if under_strace(script, &[call]).is_none() {
                return;
            }
        }
    }
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
                        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
                        refused += 1;
                    }
                }
                mainspring::time::sleep(Duration::from_millis(1)).await;
            }
        });
        println!("served {served}, refused {refused}");
        assert!(refused > 0, "the fault was not injected");
        assert_eq!(probe::fds(), fds, "a refused socket is closed all the same");
    }
}

async fn one_exchange() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    let mut byte = [0];
    let waits = mainspring::time::timeout(Duration::from_millis(1), server.read(&mut byte)).await;
    if let Ok(outcome) = waits {
        outcome?;
    }
    client.write_all(b"x").await?;
    server.read_exact(&mut byte).await.map(drop)
}

fn rct_13_a_refusal_of_epoll_is_the_error_of_the_operation_that_asked_and_of_no_other() {
    if let Some(said) = under_strace("sockets_while_epoll_refuses", &["epoll_ctl:error=ENOSPC:when=12+3"]) {
        assert!(said.contains("refused"), "{said}");
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

/// Runs a script under strace with these faults, and gives what it printed; it must succeed. `None`, and a note, where
/// strace is missing.
fn under_strace(script: &str, faults: &[&str]) -> Option<String> {
    if Command::new("strace").arg("-V").output().is_err() {
        skipped("strace is not installed: faults in system calls were not tested");
        return None;
    }
    let inner = command_for(script);
    let injections = faults.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]);
    let mut child = Command::new("strace")
        .args(["-f", "-qq", "-e", "signal=none", "-o", "/dev/null"])
        .args(injections)
        .arg(inner.get_program())
        .args(inner.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace was there a moment ago");
    let status = watch(&mut child, Duration::from_secs(20));
    if status.is_none() {
        // Without strace the script would run on; its own alarm and the harness end it.
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("it is our child");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let status = status.unwrap_or_else(|| panic!("{script} hangs under {faults:?}:\n{said}\n{told}"));
    assert!(status.success(), "{script} under {faults:?}: {status}\n{said}\n{told}");
    Some(said.into_owned())
}
