#![allow(unsafe_code, reason = "raises signals, and looks at what is installed for them")]
//! SIG-01 to SIG-06: signals, which belong to the whole process.

use crate::harness::command_for;
use crate::kit::{current_thread, everywhere, multi_thread, once};
use crate::probe::{Holdings, eventually};
use mainspring::runtime::{Builder, Runtime};
use mainspring::signal::{Signal, SignalKind, ctrl_c, signal};
use mainspring::time::sleep;
use std::io::ErrorKind;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

cases! { CASES:
    60 => [
        sig_01_every_listener_in_two_runtimes_hears_each_kind,
        sig_01_a_listener_hears_only_what_came_after_it_was_made,
        sig_02_a_storm_of_one_kind_does_not_drown_another,
        sig_03_a_listener_that_is_dropped_and_made_again_hears_and_costs_nothing,
        sig_03_the_default_action_stays_off,
        sig_03_without_a_listener_the_default_action_is_on,
        sig_04_the_handler_restarts_calls_and_runs_on_the_alternate_stack,
        sig_04_the_handler_before_is_called_too,
        sig_05_what_cannot_be_handled_is_refused,
        sig_06_signals_during_and_after_a_shutdown_harm_nobody,
        ctrl_c_listens_from_the_call_on,
        a_reader_that_gives_up_loses_no_signal,
    ],
}

cases! { SCRIPTS: 60 => [ listens_to_terminate_and_drops_it, never_listens ], }

fn raise(kind: SignalKind) {
    let process = i32::try_from(std::process::id()).expect("process ids are positive");
    // SAFETY: two integers; the signal goes to this process, which has a handler for it.
    assert_eq!(unsafe { libc::kill(process, kind.as_raw_value()) }, 0);
}

fn kinds() -> [SignalKind; 5] {
    [
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::terminate(),
        SignalKind::interrupt(),
    ]
}

fn listen(kind: SignalKind) -> Signal {
    signal(kind).expect("this one may be listened to")
}

/// Spawns listeners of every kind, which wait for so many signals each.
fn spawn_listeners(runtime: &Runtime, each: usize) -> Vec<mainspring::task::JoinHandle<usize>> {
    let mut handles = Vec::new();
    for kind in kinds() {
        for _ in 0..each {
            let mut listener = listen(kind);
            handles.push(runtime.spawn(async move {
                let mut heard = 0;
                while heard < 2 && listener.recv().await.is_some() {
                    heard += 1;
                    ROUND.fetch_add(1, Ordering::SeqCst);
                }
                heard
            }));
        }
    }
    handles
}

/// How often anybody has heard anything.
static ROUND: AtomicUsize = AtomicUsize::new(0);

fn sig_01_every_listener_in_two_runtimes_hears_each_kind() {
    let runtimes = [multi_thread(2), multi_thread(1)];
    let handles: Vec<_> = runtimes.iter().map(|runtime| spawn_listeners(runtime, 3)).collect();
    for round in 1..=2 {
        kinds().into_iter().for_each(raise);
        eventually("all thirty have heard it", || ROUND.load(Ordering::SeqCst) == round * 30);
    }
    for (runtime, handles) in runtimes.iter().zip(handles) {
        for handle in handles {
            assert_eq!(runtime.block_on(handle).expect("no panic"), 2);
        }
    }
}

fn sig_01_a_listener_hears_only_what_came_after_it_was_made() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let mut early = listen(SignalKind::user_defined1());
            raise(SignalKind::user_defined1());
            let mut late = listen(SignalKind::user_defined1());
            assert_eq!(once(late.recv()).await, None);
            assert_eq!(early.recv().await, Some(()));
            assert_eq!(once(early.recv()).await, None, "one signal is heard once");
            raise(SignalKind::user_defined1());
            assert_eq!(late.recv().await, Some(()));
        });
    });
}

fn sig_02_a_storm_of_one_kind_does_not_drown_another() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let mut stormy = listen(SignalKind::user_defined1());
            let mut other = listen(SignalKind::user_defined2());
            assert_eq!(once(stormy.recv()).await, None, "both are registered before");
            assert_eq!(once(other.recv()).await, None);
            // A tenth of the catalogue's million, unless all of it is asked for: each is a system call, a handler and a write.
            let count = if std::env::var_os("MAINSPRING_FULL").is_some() { 1_000_000 } else { 100_000 };
            (0..count).for_each(|_| raise(SignalKind::user_defined1()));
            raise(SignalKind::user_defined2());
            assert_eq!(other.recv().await, Some(()));
            assert_eq!(stormy.recv().await, Some(()), "the storm is heard as one");
            assert_eq!(once(stormy.recv()).await, None);
            // And after it the bell still rings.
            raise(SignalKind::user_defined1());
            assert_eq!(stormy.recv().await, Some(()));
        });
    });
}

fn sig_03_a_listener_that_is_dropped_and_made_again_hears_and_costs_nothing() {
    let round = || {
        let runtime = current_thread();
        runtime.block_on(async {
            let mut listener = listen(SignalKind::hangup());
            assert_eq!(once(listener.recv()).await, None);
            raise(SignalKind::hangup());
            assert_eq!(listener.recv().await, Some(()));
        });
    };
    // The first brings in the pages of all that code, a megabyte in a debug build.
    round();
    let before = Holdings::now();
    (0..50).for_each(|_| round());
    before.assert_flat(1_024);
}

fn listens_to_terminate_and_drops_it() {
    let runtime = current_thread();
    let mut listener = listen(SignalKind::terminate());
    raise(SignalKind::terminate());
    assert_eq!(runtime.block_on(listener.recv()), Some(()));
    drop((listener, runtime));
    raise(SignalKind::terminate());
}

fn never_listens() {
    drop(current_thread());
    raise(SignalKind::terminate());
    unreachable!("SIGTERM has ended the process");
}

fn sig_03_the_default_action_stays_off() {
    let status = command_for("listens_to_terminate_and_drops_it").status().expect("it can be started");
    assert_eq!(status.code(), Some(0), "{status}");
}

fn sig_03_without_a_listener_the_default_action_is_on() {
    let status = command_for("never_listens").status().expect("it can be started");
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{status}");
}

/// What is installed for a signal.
fn action_of(kind: SignalKind) -> libc::sigaction {
    // SAFETY: all zeros is a valid value of this structure.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action changes nothing; the structure is ours and lives across the call.
    assert_eq!(unsafe { libc::sigaction(kind.as_raw_value(), ptr::null(), &raw mut action) }, 0);
    action
}

fn sig_04_the_handler_restarts_calls_and_runs_on_the_alternate_stack() {
    let before = action_of(SignalKind::user_defined1());
    assert_eq!(before.sa_sigaction, libc::SIG_DFL);
    let _listener = listen(SignalKind::user_defined1());
    let after = action_of(SignalKind::user_defined1());
    assert_ne!(after.sa_sigaction, libc::SIG_DFL);
    let wanted = libc::SA_RESTART | libc::SA_ONSTACK;
    assert_eq!(after.sa_flags & wanted, wanted);
    let _second = listen(SignalKind::user_defined1());
    assert_eq!(action_of(SignalKind::user_defined1()).sa_sigaction, after.sa_sigaction);
}

/// How often the handlers below were called.
static OLD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn old(_: libc::c_int) {
    OLD.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn old_informed(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel, or the handler before us, hands over a valid structure for the time of the call.
    let told = unsafe { (*info).si_signo };
    OLD.fetch_add(if told == signal { 100 } else { 10_000 }, Ordering::SeqCst);
}

fn install(kind: SignalKind, address: usize, flags: libc::c_int) {
    let mut action = action_of(kind);
    action.sa_sigaction = address;
    action.sa_flags = flags;
    // SAFETY: the handlers of this file only count, which a handler may.
    assert_eq!(unsafe { libc::sigaction(kind.as_raw_value(), &raw const action, ptr::null_mut()) }, 0);
}

fn sig_04_the_handler_before_is_called_too() {
    install(SignalKind::user_defined1(), old as extern "C" fn(libc::c_int) as usize, 0);
    let informed: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = old_informed;
    install(SignalKind::user_defined2(), informed as usize, libc::SA_SIGINFO);
    current_thread().block_on(async {
        let [mut first, mut second] = [SignalKind::user_defined1(), SignalKind::user_defined2()].map(listen);
        raise(SignalKind::user_defined1());
        assert_eq!(first.recv().await, Some(()));
        assert_eq!(OLD.load(Ordering::SeqCst), 1);
        raise(SignalKind::user_defined2());
        assert_eq!(second.recv().await, Some(()));
        assert_eq!(OLD.load(Ordering::SeqCst), 101, "and it is told what the kernel told us");
    });
}

fn sig_05_what_cannot_be_handled_is_refused() {
    for number in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGBUS, 0, -1, 65] {
        let error = signal(SignalKind::from_raw(number)).expect_err("forbidden");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}: {error}");
    }
    let simulated = Builder::new_simulated(1).build().expect("it needs nothing");
    simulated.block_on(async {
        let error = signal(SignalKind::hangup()).expect_err("no signals there");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(ctrl_c().await.expect_err("nor there").kind(), ErrorKind::Unsupported);
    });
}

fn sig_06_signals_during_and_after_a_shutdown_harm_nobody() {
    let mut outlives = listen(SignalKind::user_defined1());
    let storm = thread::spawn(|| (0..20_000).for_each(|_| raise(SignalKind::user_defined1())));
    for _ in 0..20 {
        let runtime = multi_thread(2);
        for _ in 0..4 {
            drop(runtime.spawn(async {
                let mut listener = listen(SignalKind::user_defined1());
                while listener.recv().await.is_some() {}
            }));
        }
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        assert!(runtime.shutdown_timeout(Duration::from_secs(10)).is_complete());
    }
    storm.join().expect("no panic");
    raise(SignalKind::user_defined1());
    let runtime = current_thread();
    assert_eq!(runtime.block_on(outlives.recv()), Some(()), "made before all of them, it hears in the last");
    runtime.block_on(async { assert_eq!(once(outlives.recv()).await, None) });
    drop(runtime);
    current_thread().block_on(async {
        assert_eq!(outlives.recv().await, None, "where it waited last is gone, and it says so");
    });
}

fn ctrl_c_listens_from_the_call_on() {
    everywhere(&[2], |runtime| {
        runtime.block_on(async {
            let (asked, other) = (ctrl_c(), ctrl_c());
            raise(SignalKind::interrupt());
            asked.await.expect("it came");
            other.await.expect("it came here too");
            assert!(once(ctrl_c()).await.is_none(), "the next one has not come");
        });
    });
}

fn a_reader_that_gives_up_loses_no_signal() {
    current_thread().block_on(async {
        let mut listener = listen(SignalKind::hangup());
        for _ in 0..3 {
            assert_eq!(once(listener.recv()).await, None);
        }
        raise(SignalKind::hangup());
        assert_eq!(listener.recv().await, Some(()));
    });
}
