#![allow(unsafe_code, reason = "asks the kernel for children that nobody has reaped, and steals them")]
//! PRC-01, PRC-07: what concerns all children of a process at once.

use crate::kit::{current_thread, everywhere, join_all};
use crate::probe::{Holdings, Limit, eventually, fds, set_limit};
use mainspring::process::{Command, Stdio};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::ptr;

cases! { CASES:
    120 => [ prc_01_two_thousand_children_fifty_at_a_time ],
    60 => [
        prc_03_without_descriptors_there_is_an_error_and_no_zombie,
        prc_06_a_hundred_dropped_children_are_reaped,
        prc_07_a_stolen_child_is_an_error_and_not_a_hang,
        prc_07_a_child_stolen_before_the_first_wait_is_an_error_too,
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
