#![allow(unsafe_code, reason = "implements RawWaker")]
//! The waker: a counted reference to a cell, dressed as std wants it.
//!
//! One vtable for every task, so that its address says "this waker is ours". A poll lends the waker without counting;
//! who keeps it clones it, and only that counts.

use super::cell::{TaskRef, push};
use super::header::{CURRENT, Header};
use super::state::AfterWake;
use crate::base::context;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// The same for every task.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker for the time of one poll; it owns no reference.
#[inline]
pub(super) fn lend(header: &Header) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable's functions keep RawWaker's contract for a pointer to a live header; dropping is ruled out.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(ptr::from_ref(header).cast(), &VTABLE)) })
}

/// Is it one of ours? Then to clone it is to count, and no code of a user's runs.
#[inline]
pub(crate) fn is_our_waker(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &VTABLE)
}

fn task(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut()).expect("made from a reference").cast()
}

/// # Safety
/// `data` is a header that the caller's waker keeps alive; so for all four.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: alive by the caller's promise.
    let header = unsafe { task(data).as_ref() };
    let _ = TaskRef::of(header).into_non_null();
    RawWaker::new(data, &VTABLE)
}

/// # Safety
/// As for `clone`; the waker's reference is given up.
unsafe fn wake(data: *const ()) {
    let task = task(data);
    // SAFETY: alive by the caller's promise.
    let header = unsafe { task.as_ref() };
    if is_current(header) {
        context::wake_self();
        // SAFETY: the waker owned one reference, and gives it back here.
        drop(unsafe { TaskRef::from_non_null(task) });
        return;
    }
    // INSTEAD OF giving the reference up in the same read-modify-write: then nothing keeps the home while it is notified,
    // and a thread that is held up in between touches freed memory.
    if header.state.wake() == AfterWake::Push {
        push(task);
    }
    // SAFETY: as above.
    drop(unsafe { TaskRef::from_non_null(task) });
}

/// # Safety
/// As for `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    let task = task(data);
    // SAFETY: alive by the caller's promise.
    let header = unsafe { task.as_ref() };
    if is_current(header) {
        context::wake_self();
    } else if header.state.wake() == AfterWake::Push {
        push(task);
    }
}

/// # Safety
/// As for `clone`; the waker's reference is given up.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker owned one reference, and gives it back here.
    drop(unsafe { TaskRef::from_non_null(task(data)) });
}

/// Is this the task that this thread is polling? Then a wake needs no atomic at all: `end_poll` looks at a flag.
#[inline]
fn is_current(header: &Header) -> bool {
    ptr::eq(CURRENT.as_ptr(), header)
}
