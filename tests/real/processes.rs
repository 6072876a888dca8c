#![allow(unsafe_code, reason = "asks the kernel for children that nobody has reaped, and steals them")]
//! PRC-01, PRC-03, PRC-06 to PRC-08: what concerns all children of a process at once.

use crate::kit::{current_thread, everywhere, join_all, once};
use crate::probe::{Holdings, Limit, eventually, fds, set_limit, threads};
use mainspring::process::{Command, Stdio};
use mainspring::signal::{SignalKind, signal};
use mainspring::time::sleep;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::time::{Duration, Instant};

cases! { CASES:
    120 => [ prc_01_two_thousand_children_fifty_at_a_time ],
    60 => [
        prc_03_without_descriptors_there_is_an_error_and_no_zombie,
        prc_06_a_hundred_dropped_children_are_reaped,
        prc_07_a_stolen_child_is_an_error_and_not_a_hang,
        prc_07_a_child_stolen_before_the_first_wait_is_an_error_too,
        prc_07_where_sigchld_is_ignored_all_children_vanish_and_ours_are_an_error,
        prc_08_a_child_that_was_waited_for_in_a_runtime_that_ended_is_no_zombie,
    ],
}

/// Has this process any child, running or not?
fn has_children() -> bool {
    // SAFETY: all zeros is a valid value of this structure.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: integers, and a structure of ours that lives across the call, which fills it.
    unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, how) == 0 }
}

fn prc_01_two_thousand_children_fifty_at_a_time() {
    let each = if std::env::var_os("MAINSPRING_FULL").is_some() { 200 } else { 20 };
    everywhere(&[2], |runtime| {
        // What is made with the first child stays.
        runtime.block_on(async { Command::new("true").status().await.expect("it can be started") });
        let before = Holdings::now();
        let tasks = (0..50).map(|task| {
            runtime.spawn(async move {
                for number in 0..each {
                    let program = if (task + number) % 2 == 0 { "true" } else { "false" };
                    let status = Command::new(program).status().await.expect("it can be started");
                    assert_eq!(status.code(), Some((task + number) % 2));
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        runtime.block_on(join_all(tasks));
        assert!(!has_children(), "every one was reaped");
        before.assert_flat(2_048);
    });
}

fn prc_03_without_descriptors_there_is_an_error_and_no_zombie() {
    current_thread().block_on(async {
        Command::new("true").status().await.expect("descriptors are to be had");
        let before = fds();
        set_limit(Limit::Descriptors, 64);
        // At one of these numbers of free descriptors each step of a spawn finds none.
        for spare in 0..16 {
            let mut held = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                held.push(file);
            }
            held.truncate(held.len() - spare);
            let piped =
                Command::new("true").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let outcome = match piped {
                Ok(mut child) => child.wait().await.map(|status| status.success()),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(success) => assert!(success),
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}"),
            }
            assert!(!has_children(), "with {spare} to spare a child was left");
        }
        set_limit(Limit::Descriptors, 1_024);
        assert!(Command::new("true").status().await.expect("descriptors are to be had again").success());
        assert!(fds() <= before + 2, "but for the bell of SIGCHLD, which stays: {} after {before}", fds());
    });
}

fn prc_06_a_hundred_dropped_children_are_reaped() {
    everywhere(&[2], |runtime| {
        let _inside = runtime.enter();
        for number in 0..100 {
            drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn().expect("it can be started"));
            drop(Command::new(if number % 2 == 0 { "true" } else { "false" }).spawn().expect("it can be started"));
        }
        runtime.block_on(async {
            let start = mainspring::time::Instant::now();
            while has_children() {
                assert!(start.elapsed().as_secs() < 10, "some are not reaped");
                mainspring::time::sleep(mainspring::time::Duration::from_millis(1)).await;
            }
        });
    });
}

/// Reaps any child, as a careless library does; blocks until there is one.
fn steal() -> i32 {
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(-1, ptr::null_mut(), 0) }
}

fn prc_07_a_stolen_child_is_an_error_and_not_a_hang() {
    everywhere(&[2], |runtime| {
        for _ in 0..20 {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("it can be started");
            let (input, pid) = (child.stdin.take(), child.id().expect("not reaped"));
            let waiting = runtime.spawn(async move {
                let outcome = child.wait().await;
                (outcome, child.wait().await, child.try_wait(), child.start_kill().is_err(), child.id())
            });
            let thief = std::thread::spawn(steal);
            drop(input);
            let stolen = u32::try_from(thief.join().expect("no panic")).unwrap_or(0);
            let (first, second, looked, refused, id) = runtime.block_on(waiting).expect("no panic");
            match first {
                // We were faster.
                Ok(status) => assert!(stolen != pid && status.signal().is_none()),
                Err(error) => {
                    assert_eq!((stolen, error.raw_os_error()), (pid, Some(libc::ECHILD)));
                    assert_eq!(second.expect_err("still gone").raw_os_error(), Some(libc::ECHILD));
                    assert_eq!(looked.expect_err("still gone").raw_os_error(), Some(libc::ECHILD));
                    assert!(refused && id.is_none(), "nothing is signalled by a number that may be another's");
                }
            }
        }
    });
}

fn prc_07_a_child_stolen_before_the_first_wait_is_an_error_too() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let mut child = Command::new("true").spawn().expect("it can be started");
            assert_eq!(u32::try_from(steal()).ok(), child.id());
            child.start_kill().expect("it says nothing, and signals nobody");
            assert_eq!(child.wait().await.expect_err("gone").raw_os_error(), Some(libc::ECHILD));
            let dropped = Command::new("true").kill_on_drop(true).spawn().expect("it can be started");
            steal();
            drop(dropped);
            eventually("nobody is left", || !has_children());
        });
    });
}

/// What is installed for SIGCHLD, before and after this is put in its place, if it is.
fn sigchld(new: Option<libc::sighandler_t>) -> libc::sighandler_t {
    // SAFETY: all zeros is a valid value of this structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = new.unwrap_or_default();
    let wanted = if new.is_some() { &raw const action } else { ptr::null() };
    // SAFETY: as above.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: null, or a structure that lives across the call; the other is ours too, and is filled.
    assert_eq!(unsafe { libc::sigaction(libc::SIGCHLD, wanted, &raw mut old) }, 0);
    old.sa_sigaction
}

#[allow(clippy::zombie_processes, reason = "that nobody waits for it is what is tested")]
fn prc_07_where_sigchld_is_ignored_all_children_vanish_and_ours_are_an_error() {
    sigchld(Some(libc::SIG_IGN));
    let vanishes = |what: &str| {
        let _stranger = std::process::Command::new("true").spawn().expect("it can be started");
        eventually(what, || !has_children());
    };
    current_thread().block_on(async {
        vanishes("nothing of ours was done yet");
        let ours = || async {
            let error = Command::new("true").status().await.expect_err("the system has reaped it");
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            let mut child = Command::new("sleep").arg("1000").spawn().expect("it can be started");
            assert_eq!(child.try_wait().expect("it runs"), None);
            assert!(child.id().is_some());
            child.start_kill().expect("it runs");
            assert_eq!(child.wait().await.expect_err("reaped").raw_os_error(), Some(libc::ECHILD));
            drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn().expect("it can be started"));
        };
        ours().await;
        assert!(sigchld(None) == libc::SIG_IGN || cfg!(mainspring_plain), "with a pidfd nobody listens to it");
        vanishes("after children of ours");
        // Now the handler is installed, because somebody wants to hear of it.
        let mut exits = signal(SignalKind::child()).expect("it may be listened to");
        assert_ne!(sigchld(None), libc::SIG_IGN);
        vanishes("after a listener was made");
        exits.recv().await.expect("it is heard");
        ours().await;
        vanishes("after all");
    });
}

fn prc_08_a_child_that_was_waited_for_in_a_runtime_that_ended_is_no_zombie() {
    everywhere(&[2], |second| {
        for inside in [true, false] {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("it can be started");
            let input = child.stdin.take();
            let first = current_thread();
            assert!(first.block_on(once(child.wait())).is_none());
            drop(first);
            let guard = inside.then(|| second.enter());
            drop(child);
            drop((guard, input));
            // Nobody starts or drops another child from here on.
            let start = Instant::now();
            while has_children() {
                assert!(start.elapsed().as_secs() < 10, "it is a zombie: {inside}");
                second.block_on(async { sleep(Duration::from_millis(1)).await });
            }
        }
    });
    eventually("the thread that waited for it has gone", || threads() == 1);
}
