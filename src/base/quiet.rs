//! Calling what may panic, where the panic is nobody's business.
//!
//! A waker, a hook or a destructor of the user's runs on our thread and between our invariants. Its panic must not cost
//! others their wake-up (TSK-16), and the panic's payload is a user's value, too, whose own destructor may panic.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic ends in here.
pub(crate) fn quietly(body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        bury(payload);
    }
}

/// Drops what may hold a waker that somebody else left: if that one's destructor panics, whoever comes after it must not
/// suffer.
pub(crate) fn drop_quietly<T>(value: T) {
    quietly(|| drop(value));
}

/// Drops a payload. If that panics, the second payload is leaked: a third panic is not worth a loop.
#[cold]
#[inline(never)]
pub(crate) fn bury(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn tsk_16_a_payload_that_panics_when_it_is_dropped_stays_quiet() {
        for depth in 0..4 {
            quietly(|| std::panic::panic_any(Bomb(depth)));
        }
    }
}
