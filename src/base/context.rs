#![allow(unsafe_code, reason = "lends the pointers that upper rings put here, each for one scope")]
//! The one thread-local: what this thread is doing, for everybody who must know it without being told.
//!
//! Upper rings fill it and lower rings read it, so the places are typed by their users: a [`Slot`] is declared
//! once, beside the type it lends, and `base` itself never learns what a task or a core is.
//!
//! - **C1** A slot points at a value for as long as the `scope` call that put it there, or until `withdraw`; `scope` puts
//!   the previous one back on every way out, unwinding included. So a pointer read here is alive.
//! - **C2** Everything in here is `Cell`s of plain data without a destructor. The thread-local is therefore
//!   never torn down, and a `Drop` that runs while the thread dies may still ask where it is (SHD-02).
//! - **C3** A slot lends shared references only; what changes inside is the lent type's own affair.
//! - **C4** What runs inside `with` on a slot that is used with `hold` is code of ours alone: the user's could drop the guard.

use super::rng::Rng;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// How many slots there are. Each is a word; a number too high fails to compile where the slot is declared.
const SLOTS: usize = 13;

/// What this thread is doing.
struct Context {
    /// One erased pointer a slot; null while nothing is lent.
    slots: [Cell<*const ()>; SLOTS],
    /// How many more operations the task being polled may complete before it must let others run.
    budget: Cell<u32>,
    /// The task being polled has woken itself; nobody else needs to hear of it.
    self_woken: Cell<bool>,
    /// For choices outside of simulations, where all that is asked is that they differ.
    chance: Rng,
    /// This thread was doing something when its process was forked off, and all of it was left to the parent.
    is_cut_off: Cell<bool>,
}

super::atomic::context_thread_local! {
    static CONTEXT: Context = Context {
        slots: [const { Cell::new(ptr::null()) }; SLOTS],
        budget: Cell::new(u32::MAX),
        self_woken: Cell::new(false),
        chance: Rng::new(0),
        is_cut_off: Cell::new(false),
    };
}

/// The number of a slot.
pub(crate) struct Index<const N: usize>;

/// Says what the slot with this number lends. That an index has one type only is what makes [`Slot::with`] sound, and the
/// compiler sees to it: a second claim of the same index would be a second implementation of this trait.
pub(crate) trait Claim {
    type Lent;
}

/// A typed place in the context.
pub(crate) struct Slot<T> {
    index: usize,
    lends: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    /// The slot with this index, as its one claim says.
    pub(crate) const fn of<const N: usize>() -> Self
    where
        Index<N>: Claim<Lent = T>,
    {
        assert!(N < SLOTS, "raise SLOTS");
        Self { index: N, lends: PhantomData }
    }

    /// Lends `value` to everything that runs inside `body` on this thread, then puts back what was there.
    #[inline]
    pub(crate) fn scope<R>(&self, value: &T, body: impl FnOnce() -> R) -> R {
        let _restore = Restore { index: self.index, previous: self.swap(value) };
        body()
    }

    /// Lends nothing to what runs inside `body`, then puts back what was there.
    pub(crate) fn without<R>(&self, body: impl FnOnce() -> R) -> R {
        let _restore = Restore { index: self.index, previous: self.swap(ptr::null()) };
        body()
    }

    /// What is lent leaves this thread: nothing is, from here on until the scope around this ends.
    pub(crate) fn withdraw(&self) {
        self.swap(ptr::null());
    }

    /// Shows what is lent right now.
    #[inline]
    pub(crate) fn with<R>(&self, body: impl FnOnce(Option<&T>) -> R) -> R {
        let lent = self.as_ptr();
        // SAFETY: by C1 the pointer is null or alive for longer than this call, since only an enclosing
        // `scope` can take it away; its type is `T` because the index is claimed for `T` alone (see `Claim`).
        body(unsafe { lent.as_ref() })
    }

    /// The address lent right now, for comparing; null if nothing is.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *const T {
        CONTEXT.with(|context| context.slots[self.index].get().cast())
    }

    /// Lends `value` until the guard is dropped, for an `enter` that is no closure. The guard owns the value: if it
    /// is leaked, the value is leaked with it and the pointer stays good (MIS-11).
    pub(crate) fn hold(&'static self, value: T) -> Held<T> {
        let value = Box::into_raw(Box::new(value));
        Held { index: self.index, value, previous: self.swap(value) }
    }

    #[inline]
    fn swap(&self, value: *const T) -> *const () {
        CONTEXT.with(|context| context.slots[self.index].replace(value.cast()))
    }
}

/// Puts a slot's previous pointer back, also when `body` unwinds.
struct Restore {
    index: usize,
    previous: *const (),
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CONTEXT.with(|context| context.slots[self.index].set(self.previous));
    }
}

/// What [`Slot::hold`] lends. Stays on its thread, since it holds a plain pointer.
pub(crate) struct Held<T> {
    index: usize,
    value: *mut T,
    previous: *const (),
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let slot = |context: &Context| ptr::eq(context.slots[self.index].get(), self.value.cast());
        if !CONTEXT.with(slot) {
            // Something else was lent since and has not gone, a guard or a `scope` that will put our pointer back: the value
            // is leaked, so that it stays good, and the slot is left to whoever has it (MIS-09).
            // In a forked process the fork has emptied the slot.
            let is_excused = std::thread::panicking() || is_cut_off();
            assert!(is_excused, "enter guards are dropped in the reverse order of their making");
            return;
        }
        CONTEXT.with(|context| context.slots[self.index].set(self.previous));
        // SAFETY: `hold` made it from a box, and neither the slot nor, by C4, anybody below us on the stack has it.
        drop(unsafe { Box::from_raw(self.value) });
    }
}

/// A fresh poll begins: this many operations are free, and nobody has woken the task yet.
#[inline]
pub(crate) fn begin_poll(budget: u32) {
    CONTEXT.with(|context| {
        context.budget.set(budget);
        context.self_woken.set(false);
    });
}

/// The poll is over: outside a task there is no budget. Says whether the task woke itself meanwhile.
#[inline]
pub(crate) fn end_poll() -> bool {
    CONTEXT.with(|context| {
        context.budget.set(u32::MAX);
        context.self_woken.replace(false)
    })
}

/// The task being polled wants to run again; true if this is the first time in this poll.
#[inline]
pub(crate) fn wake_self() -> bool {
    CONTEXT.with(|context| !context.self_woken.replace(true))
}

/// Takes one unit of the poll budget and gives what is left after it, or `None` if nothing was left.
#[inline]
pub(crate) fn charge() -> Option<u32> {
    CONTEXT.with(|context| {
        let left = context.budget.get().checked_sub(1)?;
        // Outside a task the budget is `u32::MAX` and stays there.
        context.budget.set(if left == u32::MAX - 1 { u32::MAX } else { left });
        Some(left)
    })
}

/// Takes so many units more, as far as there are.
#[inline]
pub(crate) fn charge_more(units: u32) {
    CONTEXT.with(|context| {
        let budget = context.budget.get();
        // Outside a task there is no budget, as in `charge`.
        context.budget.set(if budget == u32::MAX { budget } else { budget.saturating_sub(units) });
    });
}

/// Gives one unit back.
#[inline]
pub(crate) fn refund() {
    CONTEXT.with(|context| context.budget.set(context.budget.get().saturating_add(1)));
}

/// In a process that was just forked off: nothing of what this thread was doing goes on here. A guard or `scope` that ends later
/// may put a pointer back, to something that is alive as before (C1). Called by the hook of a fork, so it does nothing but
/// store.
pub(crate) fn forget_all() {
    CONTEXT.with(|context| {
        let was_busy = context.slots.iter().any(|slot| !slot.get().is_null());
        context.slots.iter().for_each(|slot| slot.set(ptr::null()));
        context.budget.set(u32::MAX);
        context.self_woken.set(false);
        context.is_cut_off.set(context.is_cut_off.get() || was_busy);
    });
}

/// Was something current here when this process was forked off?
pub(crate) fn is_cut_off() -> bool {
    CONTEXT.with(|context| context.is_cut_off.get())
}

/// A number that no other living thread has, and never 0.
#[inline]
pub(crate) fn thread() -> usize {
    CONTEXT.with(|context| ptr::from_ref(context).addr())
}

/// One of `0..n`, by chance. A choice that a simulation must be able to repeat is drawn from its seed instead.
#[inline]
pub(crate) fn draw(n: usize) -> usize {
    CONTEXT.with(|context| context.chance.below(n))
}

/// Lifts the budget for the rest of this poll.
pub(crate) fn lift_budget() {
    CONTEXT.with(|context| context.budget.set(u32::MAX));
}

/// Steps out of the poll under way until the guard is dropped: no budget meanwhile, and polls of other tasks, nested in this
/// one, leave no trace in it.
#[must_use]
pub(crate) fn pause() -> Paused {
    CONTEXT.with(|context| Paused { budget: context.budget.replace(u32::MAX), self_woken: context.self_woken.get() })
}

/// A poll that is stepped out of.
pub(crate) struct Paused {
    budget: u32,
    self_woken: bool,
}

impl Drop for Paused {
    fn drop(&mut self) {
        CONTEXT.with(|context| {
            context.budget.set(self.budget);
            context.self_woken.set(context.self_woken.get() | self.self_woken);
        });
    }
}

/// Ends the budget of this poll at once: the task has had its time.
pub(crate) fn exhaust_budget() {
    CONTEXT.with(|context| context.budget.set(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Claim for Index<8> {
        type Lent = u32;
    }
    static NUMBER: Slot<u32> = Slot::of::<8>();

    #[test]
    fn a_scope_puts_back_what_was_there_even_when_it_unwinds() {
        NUMBER.scope(&1, || {
            let unwound = std::panic::catch_unwind(|| NUMBER.scope(&2, || panic!("out")));
            assert!(unwound.is_err());
            assert_eq!(NUMBER.with(|n| n.copied()), Some(1));
        });
        assert!(NUMBER.with(|n| n.is_none()));
    }

    #[test]
    fn a_poll_that_is_stepped_out_of_is_found_as_it_was_left() {
        NUMBER.scope(&1, || {
            begin_poll(1);
            assert!(wake_self());
            {
                let _outside = pause();
                assert!((0..9).all(|_| charge().is_some()));
                begin_poll(3); // another task's
                NUMBER.without(|| assert!(NUMBER.with(|n| n.is_none())));
                assert!(!end_poll());
            }
            assert_eq!((charge(), charge()), (Some(0), None));
            assert!(end_poll(), "the wake is kept");
            NUMBER.withdraw();
            assert!(NUMBER.with(|n| n.is_none()));
        });
        assert!(NUMBER.with(|n| n.is_none()));
    }

    #[test]
    fn the_budget_runs_out_inside_a_poll_and_never_outside() {
        begin_poll(2);
        assert_eq!((charge(), charge(), charge()), (Some(1), Some(0), None));
        assert!(wake_self());
        assert!(!wake_self());
        assert!(end_poll());
        charge_more(1_000);
        assert!((0..1_000).all(|_| charge().is_some()));
        begin_poll(10);
        charge_more(8);
        assert_eq!(charge(), Some(1));
        charge_more(8);
        assert_eq!(charge(), None);
        end_poll();
    }
}
