//! Atomics, cells and locks, from std and `parking_lot` or from loom: the only file that asks which.
//!
//! Models are ordinary unit tests that call `model`. Under `--cfg loom` it explores every interleaving up
//! to loom's preemption bound; otherwise it runs the same closure a few hundred times on real threads, so
//! that a model is never dead code. What stands above `sched` needs a kernel and is left out under loom.

#[cfg(not(loom))]
mod chosen {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    use std::collections::VecDeque;
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };

    /// Threads that sleep until they are notified, in the order in which they came.
    ///
    /// INSTEAD OF `parking_lot`'s, whose sleepers stand in one table of the whole process, linked through their stacks. A forked
    /// process has a copy of the table and none of the threads, its own threads are given their stacks, and who then walks the
    /// table reads what is there by now: beside a pool whose threads slept at the fork, new runtimes crashed in the child. A
    /// lock's sleepers stand in that table, too; but they are there for microseconds, and idle threads for ever.
    ///
    /// Also tried: waking first who came last. Ten thousand short jobs at once then took 150 ns each instead of 90.
    #[derive(Debug)]
    pub(crate) struct Condvar(Mutex<Sleepers>);

    #[derive(Debug)]
    struct Sleepers {
        /// Each with its ticket.
        line: VecDeque<(u64, std::thread::Thread)>,
        tickets: u64,
    }

    #[allow(clippy::disallowed_methods, reason = "how long a thread has slept is no time that a simulation could see")]
    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(Sleepers { line: VecDeque::new(), tickets: 0 }))
        }

        pub(crate) fn notify_one(&self) {
            let first = self.0.lock().line.pop_front();
            first.into_iter().for_each(|(_, thread)| thread.unpark());
        }

        pub(crate) fn notify_all(&self) {
            let woken = std::mem::take(&mut self.0.lock().line);
            woken.into_iter().for_each(|(_, thread)| thread.unpark());
        }

        /// Sleeps until notified or for that long, or for less: whoever calls looks again. True if the time ran out.
        pub(crate) fn wait_for<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            timeout: std::time::Duration,
        ) -> (MutexGuard<'a, T>, bool) {
            // In line before the lock is released: who changes something under it and then notifies finds us there.
            let ticket = self.0.lock().enter(std::thread::current());
            let started = std::time::Instant::now();
            MutexGuard::unlocked(&mut guard, || std::thread::park_timeout(timeout));
            // Who is not in line any more was notified, whatever the clock says.
            let timed_out = self.0.lock().leave(ticket) && started.elapsed() >= timeout;
            (guard, timed_out)
        }
    }

    impl Sleepers {
        fn enter(&mut self, thread: std::thread::Thread) -> u64 {
            self.tickets += 1;
            self.line.push_back((self.tickets, thread));
            self.tickets
        }

        /// True if the ticket was still there.
        fn leave(&mut self, ticket: u64) -> bool {
            let place = self.line.iter().position(|(other, _)| *other == ticket);
            place.and_then(|place| self.line.remove(place)).is_some()
        }
    }

    /// `std::cell::UnsafeCell` with loom's interface, so that loom can watch every access.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Lends a pointer for reading.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Lends a pointer for writing.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// Runs a concurrency model over and over on real threads; under loom, over every interleaving.
    #[cfg(test)]
    pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
        for _ in 0..300 {
            f();
        }
    }

    /// Threads for models.
    #[cfg(test)]
    pub(crate) mod model_thread {
        #[allow(clippy::disallowed_methods, reason = "a model's threads need no name, and nothing refuses them")]
        pub(crate) fn spawn<T: Send + 'static>(
            body: impl FnOnce() -> T + Send + 'static,
        ) -> std::thread::JoinHandle<T> {
            std::thread::spawn(body)
        }
    }
}

#[cfg(loom)]
mod chosen {
    pub(crate) use loom::cell::UnsafeCell;
    #[cfg(test)]
    pub(crate) use loom::model;
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
    #[cfg(test)]
    pub(crate) use loom::thread as model_thread;

    /// loom's; it knows no time, so nobody's time runs out in a model.
    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait_for<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: std::time::Duration,
        ) -> (MutexGuard<'a, T>, bool) {
            (self.0.wait(guard).expect("as in `Mutex::lock`"), false)
        }
    }

    /// loom's mutex behind `parking_lot`'s interface: no poisoning, `try_lock` gives an `Option`.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("loom mutexes are never poisoned: a panic ends the model")
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner().expect("as in `lock`")
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().expect("as in `lock`")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// std's, for which loom has none, with a flag that loom watches: what was done before `set` is seen by whoever gets the value,
    /// which is what std promises, and by nobody for another reason. Two that set at once are not modelled.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        is_set: AtomicU32,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { value: std::sync::OnceLock::new(), is_set: AtomicU32::new(0) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // ORDER: Acquire, pairs with the Release in `set`: this is the edge that std's own has.
            self.value.get().filter(|_| self.is_set.load(Ordering::Acquire) == 1)
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            // ORDER: Release, pairs with the Acquire in `get`.
            self.is_set.store(1, Ordering::Release);
            Ok(())
        }

        pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
            self.value.get_mut()
        }

        pub(crate) fn take(&mut self) -> Option<T> {
            self.is_set = AtomicU32::new(0);
            self.value.take()
        }

        pub(crate) fn into_inner(self) -> Option<T> {
            self.value.into_inner()
        }
    }
}

pub(crate) use chosen::*;

/// std's under loom, too: for statics that no model is about. What loom has cannot stand in a static, and is gone with its model.
pub(crate) mod unmodelled {
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32};
}

/// Are the atomics loom's? For the few sizes that a model must keep small.
pub(crate) const UNDER_LOOM: bool = cfg!(loom);

/// Declares a thread-local that needs no destructor. loom's threads share one real thread, so it has its own.
#[cfg(not(loom))]
macro_rules! context_thread_local {
    (static $name:ident: $type:ty = $value:expr;) => {
        std::thread_local! { static $name: $type = const { $value }; }
    };
}
#[cfg(loom)]
macro_rules! context_thread_local {
    (static $name:ident: $type:ty = $value:expr;) => {
        loom::thread_local! { static $name: $type = $value; }
    };
}
pub(crate) use context_thread_local;

/// A constructor that is `const`, save under loom, whose atomics and locks are made at run time.
#[cfg(not(loom))]
macro_rules! const_outside_models {
    ($($item:tt)*) => { $($item)* };
}
#[cfg(loom)]
macro_rules! const_outside_models {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => { $(#[$meta])* $vis fn $($rest)* };
}
pub(crate) use const_outside_models;

/// Declares the modules that need a kernel under them; under loom they do not exist.
#[cfg(not(loom))]
macro_rules! above_sched {
    ($($item:item)*) => { $($item)* };
}
#[cfg(loom)]
macro_rules! above_sched {
    ($($item:item)*) => {};
}
pub(crate) use above_sched;
