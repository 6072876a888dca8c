//! SHD-09: how a process ends, seen from outside.

use crate::harness::{command_for, watch};
use crate::kit::{current_thread, multi_thread};
use mainspring::runtime::Runtime;
use mainspring::time::sleep;
use std::future::pending;
use std::process::Stdio;
use std::time::Duration;

cases! { CASES:
    60 => [
        shd_09_a_panic_in_the_main_future_ends_the_process_with_101,
        shd_09_exit_inside_a_task_ends_the_process_with_its_code,
        shd_09_the_end_of_main_is_the_end_of_all,
        a_panic_in_a_task_that_is_not_joined_is_told_and_the_process_goes_on,
    ],
}

cases! { SCRIPTS:
    60 => [
        panic_in_main_on_current_thread, panic_in_main_on_multi_thread, exit_in_task_on_current_thread,
        exit_in_task_on_multi_thread, exit_in_main_future, leave_tasks_behind, panic_in_a_task,
    ],
}

/// Runs a script, and gives its exit code and what it said on stderr. `None`: it did not end, or was killed by a signal.
fn outcome(script: &str) -> (Option<i32>, String) {
    let mut child = command_for(script)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this very program can be started");
    let status = watch(&mut child, Duration::from_secs(10));
    let _ = child.kill();
    let output = child.wait_with_output().expect("it is our child");
    (status.and_then(|status| status.code()), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn panic_in_main(runtime: Runtime) {
    drop(runtime.spawn(pending::<()>()));
    runtime.block_on(async {
        drop(mainspring::spawn(sleep(Duration::from_secs(3_600))));
        sleep(Duration::from_millis(1)).await;
        panic!("the main future has had enough");
    });
}

fn panic_in_main_on_current_thread() {
    panic_in_main(current_thread());
}

fn panic_in_main_on_multi_thread() {
    panic_in_main(multi_thread(2));
}

fn shd_09_a_panic_in_the_main_future_ends_the_process_with_101() {
    for script in ["panic_in_main_on_current_thread", "panic_in_main_on_multi_thread"] {
        let (code, said) = outcome(script);
        assert_eq!(code, Some(101), "{script}: {said}");
        assert_eq!(said.matches("the main future has had enough").count(), 1, "{script}: {said}");
    }
}

fn exit_in_task(runtime: Runtime) {
    drop(runtime.spawn(pending::<()>()));
    runtime.block_on(async {
        drop(mainspring::spawn(async {
            sleep(Duration::from_millis(1)).await;
            std::process::exit(42);
        }));
        pending::<()>().await;
    });
}

fn exit_in_task_on_current_thread() {
    exit_in_task(current_thread());
}

fn exit_in_task_on_multi_thread() {
    exit_in_task(multi_thread(2));
}

fn exit_in_main_future() {
    multi_thread(2).block_on(async { std::process::exit(42) });
}

fn shd_09_exit_inside_a_task_ends_the_process_with_its_code() {
    for script in ["exit_in_task_on_current_thread", "exit_in_task_on_multi_thread", "exit_in_main_future"] {
        let (code, said) = outcome(script);
        assert_eq!(code, Some(42), "{script}: {said}");
    }
}

fn leave_tasks_behind() {
    for runtime in [current_thread(), multi_thread(2)] {
        runtime.block_on(async {
            (0..10).for_each(|_| drop(mainspring::spawn(pending::<()>())));
            drop(mainspring::spawn(sleep(Duration::from_secs(3_600))));
        });
    }
}

fn shd_09_the_end_of_main_is_the_end_of_all() {
    let (code, said) = outcome("leave_tasks_behind");
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

fn panic_in_a_task() {
    for runtime in [current_thread(), multi_thread(2)] {
        runtime.block_on(async {
            drop(mainspring::spawn(async { panic!("nobody joins this one") }));
            sleep(Duration::from_millis(1)).await;
            mainspring::spawn(async {}).await.expect("its siblings run on");
        });
    }
}

fn a_panic_in_a_task_that_is_not_joined_is_told_and_the_process_goes_on() {
    let (code, said) = outcome("panic_in_a_task");
    assert_eq!(code, Some(0), "{said}");
    // For each of the two runtimes: once by std's hook, once by ours.
    assert_eq!(said.matches("nobody joins this one").count(), 4, "{said}");
    assert_eq!(said.matches("nobody joins it").count(), 2, "{said}");
    assert_eq!(said.matches(file!()).count(), 4, "with the line of the panic, and the line of the spawn: {said}");
}
