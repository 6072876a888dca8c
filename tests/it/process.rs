//! Child processes: started, fed, listened to, killed, forgotten.
//!
//! Cases of the catalogue: PRC-02 to PRC-06, PRC-08. What concerns all children of the process at once is in `tests/real`.

use crate::{PATIENCE, until};
use mainspring::process::{Child, Command, Stdio};
use mainspring::runtime::{Builder, Runtime};
use mainspring::task::yield_now;
use mainspring::time::{sleep, timeout};
use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Runs a test in both flavours.
fn everywhere<F: Future>(test: impl Fn() -> F) {
    Builder::new_current_thread().build().unwrap().block_on(test());
    Builder::new_multi_thread().workers(2).build().unwrap().block_on(test());
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Is there such a process, be it a zombie?
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The process has ended: gone altogether, or a zombie of somebody else.
fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

async fn until_gone(pid: u32) {
    let start = Instant::now();
    while exists(pid) {
        assert!(start.elapsed() < PATIENCE, "process {pid} is still there");
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn prc_02_a_child_that_has_exited_before_the_wait_gives_its_status() {
    everywhere(|| async {
        let mut child = sh("exit 7").spawn().unwrap();
        let pid = child.id().unwrap();
        until(|| has_ended(pid)).await;
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.id(), None);
        assert_eq!(child.wait().await.unwrap().code(), Some(7), "again, from memory");
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
        assert!(!exists(pid));
    });
}

#[test]
fn prc_02_a_child_that_exits_after_the_first_look_gives_its_status() {
    everywhere(|| async {
        for round in 0..20 {
            let mut child = sh("read line; exit $line").stdin(Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take().unwrap();
            assert_eq!(child.try_wait().unwrap(), None);
            let waiting = mainspring::spawn(async move { child.wait().await });
            if round % 2 == 0 {
                yield_now().await; // half of them are registered by now
            }
            input.write_all(b"3\n").await.unwrap();
            assert_eq!(waiting.await.unwrap().unwrap().code(), Some(3));
        }
    });
}

#[test]
fn prc_03_what_cannot_be_started_is_an_error_and_leaves_nothing() {
    everywhere(|| async {
        let missing = Command::new("/nowhere/at/all").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(Command::new("/dev/null").status().await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(
            Command::new("true").current_dir("/nowhere").output().await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        let too_long = "x".repeat(8 << 20);
        assert_eq!(Command::new("true").arg(too_long).spawn().unwrap_err().kind(), ErrorKind::ArgumentListTooLong);
    });
    let simulated = Builder::new_simulated(1).build().unwrap();
    let refused = simulated.block_on(async { Command::new("true").spawn() });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn prc_04_ten_megabytes_both_ways_through_cat() {
    everywhere(|| async {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let sent: Vec<u8> = (0..10_u32 << 20).map(|n| (n % 251) as u8).collect();
        let (input, output) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let copy = sent.clone();
        let writing = mainspring::spawn(async move { input.write_all(&copy).await });
        let mut received = Vec::new();
        assert_eq!(output.read_to_end(&mut received).await.unwrap(), sent.len());
        assert!(received == sent);
        writing.await.unwrap().unwrap();
        assert!(cat.wait().await.unwrap().success());
    });
}

#[test]
fn prc_04_closed_ends_are_an_end_or_an_error_and_no_deadlock() {
    everywhere(|| async {
        // Its input closed by the wait: it reads to the end.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
        // The child closes its output early, and lives on.
        let mut child =
            sh("echo x; exec >&-; cat >/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        assert_eq!(child.stdout.as_ref().unwrap().read_to_end(&mut said).await.unwrap(), 2);
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(child.wait().await.unwrap().success());
        // The child does not read: whoever writes learns of it.
        let mut child = sh("exec <&-; sleep 0.01").stdin(Stdio::piped()).spawn().unwrap();
        let error = child.stdin.as_ref().unwrap().write_all(&[0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn prc_04_a_child_that_fills_both_pipes_is_read_from_both() {
    everywhere(|| async {
        let script = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero; exit 4";
        let output = sh(script).output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (2_000_000, 1_000_000));
        assert_eq!(output.status.code(), Some(4));
    });
}

#[test]
fn the_small_operations_of_pipes_do_what_they_say() {
    everywhere(|| async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut buf = [0; 8];
        assert_eq!(output.read(&mut []).await.unwrap(), 0, "nothing asked for, nothing waited for");
        assert_eq!(output.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        input.writable().await.unwrap();
        assert_eq!(input.try_write(b"abc").unwrap(), 3);
        output.readable().await.unwrap();
        assert_eq!(output.read_exact(&mut buf[..3]).await.unwrap(), 3);
        assert_eq!(&buf[..3], b"abc");
        assert_eq!(input.write(b"de").await.unwrap(), 2);
        drop(input);
        assert_eq!(output.read_exact(&mut buf).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(output.read(&mut buf).await.unwrap(), 0);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn one_childs_output_is_the_next_ones_input() {
    everywhere(|| async {
        let mut first = sh("echo through two").stdout(Stdio::piped()).spawn().unwrap();
        let between: Stdio = first.stdout.take().unwrap().try_into().unwrap();
        let output = Command::new("cat").stdin(between).output().await.unwrap();
        assert_eq!(output.stdout, b"through two\n");
        assert!(first.wait().await.unwrap().success());
    });
}

#[test]
fn our_ends_are_non_blocking_and_closed_on_exec_and_the_childs_are_not_touched() {
    Builder::new_current_thread().build().unwrap().block_on(async {
        let flags = |text: &str| u32::from_str_radix(text.trim(), 8).unwrap();
        let of = |info: &str| {
            flags(info.lines().find_map(|line| line.strip_prefix("flags:")).expect("the kernel shows them"))
        };
        let child = sh("cat /proc/self/fdinfo/1; cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.as_ref().unwrap().as_fd().as_raw_fd();
        let output = child.stdout.as_ref().unwrap().as_fd().as_raw_fd();
        let (nonblocking, close_on_exec) = (0o4_000, 0o2_000_000);
        for ours in [input, output] {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{ours}")).unwrap();
            assert_eq!(of(&info) & (nonblocking | close_on_exec), nonblocking | close_on_exec, "{info}");
        }
        let theirs = child.wait_with_output().await.unwrap().stdout;
        assert_eq!(of(std::str::from_utf8(&theirs).unwrap()) & nonblocking, 0);
    });
}

#[test]
fn prc_05_a_grandchild_that_keeps_the_pipe_keeps_the_output_and_a_timeout_bounds_it() {
    everywhere(|| async {
        let child = sh("sleep 3 & echo $!").stdout(Stdio::piped()).spawn().unwrap();
        assert!(timeout(Duration::from_millis(100), child.wait_with_output()).await.is_err());
        // Without the pipe nobody waits for the grandchild; and a group of its own ends with the child.
        let mut child = sh("sleep 1000 & echo $!").stdout(Stdio::piped()).kill_group(true).spawn().unwrap();
        let mut said = [0; 16];
        let count = child.stdout.as_ref().unwrap().read(&mut said).await.unwrap();
        let grandchild: u32 = std::str::from_utf8(&said[..count]).unwrap().trim().parse().unwrap();
        assert!(!has_ended(grandchild));
        assert!(child.wait().await.unwrap().success());
        until(|| has_ended(grandchild)).await;
    });
}

#[test]
fn prc_05_with_the_group_to_end_the_output_ends_with_the_child() {
    everywhere(|| async {
        // Its leader has gone when the output is asked for, or goes while it is read.
        for script in ["sleep 1000 & echo $!", "sleep 1000 & echo $!; sleep 0.05; echo late >&2; exit 3"] {
            let output = timeout(PATIENCE, sh(script).kill_group(true).output()).await.expect("it ends").unwrap();
            let grandchild: u32 = std::str::from_utf8(&output.stdout).unwrap().trim().parse().unwrap();
            until(|| has_ended(grandchild)).await;
            assert_eq!((output.status.code(), &output.stderr[..]) == (Some(3), b"late\n"), script.contains("late"));
        }
        // Much output of a leader that has gone is read all the same.
        let script = "head -c 300000 /dev/zero; sleep 1000 &";
        let output = timeout(PATIENCE, sh(script).kill_group(true).output()).await.expect("it ends").unwrap();
        assert_eq!(output.stdout.len(), 300_000);
    });
}

#[test]
fn prc_06_kill_ends_it_and_a_kill_after_the_exit_harms_nobody() {
    everywhere(|| async {
        let mut child = sh("exec sleep 1000").spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        assert_eq!(child.start_kill().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(child.kill().await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let mut child = sh("exit 5").spawn().unwrap();
        let pid = child.id().unwrap();
        until(|| has_ended(pid)).await;
        child.start_kill().expect("a zombie is not a stranger");
        assert_eq!(child.wait().await.unwrap().code(), Some(5), "it had ended before");
    });
}

#[test]
fn prc_06_a_child_dropped_without_a_wait_runs_on_and_is_reaped_when_it_ends() {
    everywhere(|| async {
        let mut child = sh("read line").stdin(Stdio::piped()).spawn().unwrap();
        let (pid, input) = (child.id().unwrap(), child.stdin.take().unwrap());
        drop(child);
        sleep(Duration::from_millis(5)).await;
        assert!(!has_ended(pid), "dropping it does not end it");
        drop(input);
        until_gone(pid).await;
    });
}

#[test]
fn prc_06_kill_on_drop_kills_and_reaps() {
    everywhere(|| async {
        let child = sh("exec sleep 1000").kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap();
        drop(child);
        until_gone(pid).await;
        let mut command = sh("exec sleep 1000");
        let output = command.kill_on_drop(true).output();
        assert!(timeout(Duration::from_millis(10), output).await.is_err());
    });
}

#[test]
fn prc_06_a_childs_group_is_killed_with_it() {
    everywhere(|| async {
        let mut command = sh("sleep 1000 & echo $!; wait");
        let child = command.stdout(Stdio::piped()).kill_group(true).kill_on_drop(true).spawn().unwrap();
        let mut said = [0; 16];
        let count = child.stdout.as_ref().unwrap().read(&mut said).await.unwrap();
        let grandchild: u32 = std::str::from_utf8(&said[..count]).unwrap().trim().parse().unwrap();
        let pid = child.id().unwrap();
        drop(child);
        until_gone(pid).await;
        until(|| has_ended(grandchild)).await;
    });
}

#[test]
fn prc_06_a_child_that_leads_no_group_is_killed_all_the_same() {
    everywhere(|| async {
        // It is told to join our own group, so the group of its number does not exist.
        let mut command = sh("exec sleep 1000");
        let mut child = command.kill_group(true).process_group(ours()).spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    });
}

/// The group that this process is in.
fn ours() -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// A child that waits in a task of that runtime, and its number.
fn waited_for_in(runtime: &Runtime, mut command: Command) -> u32 {
    let mut child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    let waiting = runtime.spawn(async move { child.wait().await });
    runtime.block_on(async {
        // Until it is registered.
        sleep(Duration::from_millis(5)).await;
        assert!(!waiting.is_finished());
    });
    pid
}

#[test]
fn prc_08_the_end_of_a_runtime_reaps_what_it_kills_and_harms_no_other() {
    let make = || Builder::new_multi_thread().workers(1).build().unwrap();
    let (first, second) = (make(), make());
    let mut deadly = sh("exec sleep 1000");
    deadly.kill_on_drop(true);
    let killed = waited_for_in(&first, deadly);
    let orphan = waited_for_in(&first, sh("exec sleep 0.2"));
    let other = waited_for_in(&second, sh("exec sleep 1000"));
    drop(first);
    assert!(!exists(killed) || cfg!(mainspring_plain), "killed, and waited for by the runtime's end");
    assert!(!has_ended(other));
    let status = second.block_on(async { sh("exit 6").status().await });
    assert_eq!(status.unwrap().code(), Some(6), "the other waits for children as before");
    while !has_ended(orphan) {
        thread::sleep(Duration::from_millis(1));
    }
    // Whose runtime is gone is reaped by the next spawn; the one that was killed too, where nothing else waits for it.
    second.block_on(async { sh("exit 0").status().await }).unwrap();
    assert!(!exists(orphan) && !exists(killed));
    std::process::Command::new("kill").arg(other.to_string()).status().unwrap();
    second.block_on(until_gone(other));
}

#[test]
fn a_child_may_be_made_outside_and_waited_for_inside() {
    let mut child: Child = sh("exit 2").spawn().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(child.wait()).unwrap().code(), Some(2));
}
