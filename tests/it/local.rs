//! `Local`: what tasks of one thread share, in steps that no other task sees the middle of.

use crate::{message_of, panic_quietly, runtimes};
use mainspring::task::{Local, spawn_local, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

#[test]
fn tasks_of_one_thread_share_a_value_and_nothing_is_lost() {
    for (_, runtime) in runtimes() {
        let count = Local::new(0_u32);
        runtime.block_on(async {
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let count = count.clone();
                    spawn_local(async move {
                        for _ in 0..100 {
                            count.with(|n| *n += 1);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(count.into_inner().unwrap(), 1_000);
    }
}

#[test]
fn with_inside_with_panics_names_the_outer_one_and_breaks_nothing() {
    let value = Local::new(1);
    let line = line!() + 2;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        value.with(|outer| {
            *outer = 2;
            value.with(|inner| *inner = 3)
        })
    }));
    let message = message_of(caught.unwrap_err());
    assert!(message.contains("inside the closure of another `with`"), "{message}");
    assert!(message.contains(&format!("{}:{line}:", file!())), "{message}");
    assert_eq!(value.with(|n| *n), 2, "usable again, as the outer closure left it");
}

#[test]
fn two_values_may_be_used_in_one_another() {
    let (a, b) = (Local::new(1), Local::new(2));
    assert_eq!(a.with(|a| b.with(|b| *a + *b)), 3);
    assert!(a.is_same(&a.clone()) && !a.is_same(&b));
}

#[test]
fn syn_08_a_panic_in_the_closure_poisons_nothing() {
    let value = Local::new(1);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        value.with(|n| {
            *n = 5;
            panic_quietly("out")
        })
    }));
    assert_eq!(message_of(caught.unwrap_err()), "out");
    assert_eq!(value.with(|n| *n), 5);
}

#[test]
fn debug_shows_the_value_or_who_uses_it() {
    let value = Local::new(vec![1]);
    assert_eq!(format!("{value:?}"), "Local([1])");
    let within = value.with(|_| format!("{value:?}"));
    assert!(within.starts_with("Local(in use at ") && within.contains(file!()), "{within}");
    let kept = value.clone();
    assert!(value.into_inner().is_err());
    assert_eq!(kept.into_inner().unwrap(), [1]);
    let unsized_value: Local<Rc<str>> = Local::new(Rc::from("x"));
    assert_eq!(unsized_value.with(|text| text.len()), 1);
}
