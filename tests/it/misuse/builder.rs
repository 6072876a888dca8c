//! MIS-03: numbers that a builder must refuse, before anything is made of them.

use crate::in_child;
use mainspring::runtime::Builder;
use mainspring::task::yield_now;
use std::io::ErrorKind;
use std::time::Duration;

#[track_caller]
fn assert_refused(builder: Builder, word: &str) {
    let error = builder.build().expect_err(word);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[test]
fn mis_03_a_number_of_workers_that_cannot_be_is_refused() {
    for workers in [0, 1_025, usize::MAX] {
        assert_refused(Builder::new_multi_thread().workers(workers), "workers");
    }
    for workers in [0, 2, usize::MAX] {
        assert_refused(Builder::new_current_thread().workers(workers), "new_multi_thread");
        assert_refused(Builder::new_simulated(0).workers(workers), "new_multi_thread");
    }
    assert!(Builder::new_current_thread().workers(1).build().is_ok());
    assert!(Builder::new_simulated(0).workers(1).build().is_ok());
}

#[test]
fn mis_03_a_thread_name_with_a_nul_byte_is_refused() {
    for name in ["\0", "a\0b", "worker\0"] {
        assert_refused(Builder::new_multi_thread().workers(1).thread_name(name), "thread_name");
    }
    // Longer than the kernel keeps, empty, and not of this alphabet.
    for name in ["w".repeat(10_000), String::new(), "рабочий".to_owned()] {
        let runtime = Builder::new_multi_thread().workers(1).thread_name(name).build().unwrap();
        assert_eq!(runtime.block_on(async { 1 }), 1);
    }
}

#[test]
fn mis_03_a_stack_that_cannot_be_is_refused_and_never_a_panic() {
    for bytes in [0, 1, 4_095] {
        assert_refused(Builder::new_multi_thread().workers(1).thread_stack_size(bytes), "thread_stack_size");
    }
    for bytes in [usize::MAX, usize::MAX / 2, isize::MAX as usize] {
        let built = Builder::new_multi_thread().workers(1).thread_stack_size(bytes).build();
        assert!(built.is_err(), "{bytes} bytes");
    }
}

#[test]
fn mis_03_the_smallest_stack_that_is_accepted_carries_a_task() {
    in_child(|| {
        let smallest = (1..=1_024)
            .map(|kib| kib << 10)
            .find(|&bytes| Builder::new_multi_thread().workers(1).thread_stack_size(bytes).build().is_ok());
        let builder = Builder::new_multi_thread().workers(1).thread_stack_size(smallest.unwrap());
        let runtime = builder.build().unwrap();
        let (say, heard) = std::sync::mpsc::channel();
        // On the worker's own thread, for this one is roomy.
        drop(runtime.spawn(async move {
            yield_now().await;
            let inner = mainspring::spawn(async { 1 });
            mainspring::time::sleep(Duration::from_millis(1)).await;
            say.send(inner.await.unwrap()).unwrap();
        }));
        assert_eq!(heard.recv_timeout(crate::PATIENCE), Ok(1));
    });
}

#[test]
fn mis_03_a_refused_runtime_leaves_nothing_behind() {
    in_child(|| {
        let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
        let before = (count("/proc/self/fd"), count("/proc/self/task"));
        for _ in 0..100 {
            assert!(Builder::new_multi_thread().workers(2).thread_name("\0").build().is_err());
            assert!(Builder::new_multi_thread().workers(2).thread_stack_size(1).build().is_err());
            assert!(Builder::new_multi_thread().workers(0).build().is_err());
        }
        assert_eq!((count("/proc/self/fd"), count("/proc/self/task")), before);
    });
}

#[test]
fn mis_03_any_shutdown_time_out_will_do() {
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        for (flavour, builder) in crate::builders() {
            let runtime = builder.shutdown_timeout(timeout).build().unwrap();
            drop(runtime.spawn(std::future::pending::<()>()));
            runtime.block_on(yield_now());
            drop(runtime);
            let runtime = Builder::new_multi_thread().workers(1).build().unwrap();
            let report = runtime.shutdown_timeout(timeout);
            assert!(report.is_complete() || timeout < Duration::MAX, "{flavour}, {timeout:?}");
        }
    }
}
