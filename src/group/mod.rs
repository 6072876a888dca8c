//! Structure: tasks that cannot be forgotten, because the block that spawns them does not end before they do.
//!
//! Who knows threads knows the trouble: a thread that was started and never joined outlives the function that started it, its panic
//! goes unread, and to stop it one needs a flag, a channel and luck. `std::thread::scope` mends this for threads: at its closing brace
//! all of them have ended. Here is the same for tasks, and since a task can be stopped where it waits, there is more to say at that
//! brace: who failed first, that the others were stopped because of it, and what they said.
//!
//! ```text
//!   scope(async |group| {                        ┌──── body ─────┐
//!       group.spawn(fetch(a));                   │ ┌── child a ──┼───┐
//!       group.spawn(fetch(b));                   │ │  ┌─ child b ┼─x │   b fails
//!       listen().await                           │ │  │          │   │
//!   }).await                                     └─┼──┼──────────┘   │   body and a are cancelled
//!                                                  └──┼──────────────┘   and awaited
//!                                                     v
//!                                       Err: first b's error, then what else went wrong
//! ```
//!
//! ```
//! use mainspring::group::{TaskGroup, scope};
//! let runtime = mainspring::runtime::Runtime::new()?;
//! let result = runtime.block_on(scope(async |group: TaskGroup<String>| {
//!     let one = group.spawn(async { Ok(20) }); // runs from here on, beside the body
//!     let other = group.spawn(async { Ok(22) });
//!     drop(group.spawn(async { Ok(()) })); // nobody asks for its value; it is waited for all the same
//!     Ok(one.await.unwrap() + other.await.unwrap())
//! }));
//! assert_eq!(result.unwrap(), 42);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A *scope* is the block; its *body* is the function that is given to it; a *child* is a task that the body, or another child, has spawned into
//! it; the *group* is all of them, and the handle to spawn with.
//!
//! **Coming from threads**
//!
//! | with threads | here |
//! |---|---|
//! | `thread::scope` | [`scope()`]; from a thread, or where parallel children must borrow, [`block_on_scope()`] |
//! | `handle.join()` | `child.await`: the value; what went wrong in detail the scope says, once |
//! | a flag that says "stop", looked at now and then | [`TaskGroup::cancel`]; who wants to clean up awaits [`cancelled()`] |
//! | a channel on which workers send results | [`as_completed()`]: as they end. [`map_on()`]: in order, with workers that go on ahead |
//! | a pool of N threads | [`Builder::limit`]: N children run, the others stand in line, first come first served |
//! | a call that blocks | [`TaskGroup::spawn_blocking`]: a thread for it, and the scope waits for that, too |
//! | a few things at once, first or all | [`race()`], [`gather()`]: without tasks, in turn, and they may borrow |
//! | threads kept in a `Vec`, joined later | [`JoinSet`], which stops them when it is dropped and does not wait |
//!
//! **What it means to be stopped.** A thread cannot be stopped from outside; a task can, but only where it waits, at an `.await`. There it is
//! *dropped*: its locals are destroyed, from the last to the first, as if the function had returned at that line, and what stands below never
//! runs. So what must happen in any case belongs into a destructor, or into a [`shield()`]. A child that computes goes on to its next `.await`
//! first; one that blocks its thread, or a [blocking job](TaskGroup::spawn_blocking) that has begun, goes on to its end, and the scope waits.
//!
//! **The rules**
//! 1. Children end before the block does.
//! 2. The first error or panic cancels the others, the body included. What else goes wrong meanwhile is attached.
//! 3. A cancel has a [cause](crate::task::CancelCause): who asked, or who failed, or that the time was up. It comes in two steps. First
//!    everybody is *asked*: [`cancelled`] resolves. When the scope's [grace](Builder::grace) is over (at once, if it has none) whoever
//!    is left is *dropped* where it waits, innermost scopes first.
//! 4. Deadlines nest: [`deadline`](deadline()) is the nearest of all around. [`shield`] keeps a cancel away from a cleanup for as long as the
//!    grace lasts.
//! 5. A group is *open*, *closing* (nobody enters) or *closed* (nobody is inside, for good).
//!
//! **Three forms**, the second in two varieties, each with the argument why it is sound beside it:
//!
//! | | children run | may borrow | ends before its children if |
//! |---|---|---|---|
//! | [`scope`](scope()) | on any worker, in parallel | no | its future is dropped: they are told to go, and go soon after |
//! | [`scope_local`](scope_local()) | in turn, in the scope's own task, on its thread | yes | never: they are a part of it |
//! | [`scope_send`](scope_send()) | the same, in a task that moves between threads | yes | never: they are a part of it |
//! | [`block_on_scope`](block_on_scope()) | on any worker, while a thread waits | yes | never: that thread waits, whatever comes |
//!
//! No fourth form can have all three of tasks that run in parallel, that borrow, and a scope that is a future: a future may be leaked, and what it
//! lent would end while tasks still use it.
//!
//! **How it works.** A child's future is wrapped, and the wrapper leaves the group's *book* when the future is gone, whatever the way
//! (`member`, M1 and M2; `book`, G1 to G5). The scope's own future listens to its *token* (`cancel`, X1 to X4), runs the body, and waits
//! for the book to be empty. What runs inside what is found through *regions* (`region`, P1), which are lent to the thread while
//! their future is polled.
//!
//! Read in this order: the token, the book, regions, members, scopes, the two forms that borrow; and then the combinators (`race`, `gather`,
//! `hedge`, `retry`), which have a chapter of their own.

mod cancel;

mod book;
mod ready;

crate::base::atomic::above_sched! {
    mod region;

    mod error;
    mod shared;

    mod member;
    mod job;

    mod child;
    mod task_group;
    mod child_builder;
    mod as_completed;

    mod scope;
    mod nest;
    mod local_child;
    mod scope_local;
    mod block_on_scope;

    mod deadline;

    mod join_set;

    mod map_on;

    mod combine;

    pub use as_completed::{AsCompleted, NextCompleted, NextCompletedWithId, as_completed};
    pub use child_builder::ChildBuilder;
    pub use block_on_scope::{BlockScope, ScopedChild, block_on_scope};
    pub use child::Child;
    pub use combine::{
        Backoff, Combined, Gather, GatherAll, Hedge, Race, RaceOk, gather, gather_all, hedge, race, race_ok, retry, retry_if, spawned,
    };
    pub use deadline::{Shield, Within, cancelled, deadline, shield, timeout, timeout_at, token};
    pub use error::{ChildError, Failure, GroupError};
    pub use map_on::{Filled, MapOn, Next, On, fill_on, map_on, map_stream_on};
    pub use join_set::{JoinNext, JoinNextWithId, JoinSet};
    pub use scope::{Builder, Scope, scope};
    pub use local_child::LocalChild;
    pub use nest::{Nest, Nested};
    pub use scope_local::{LocalScope, ScopeLocal, ScopeSend, SendScope, scope_local, scope_send};
    pub use task_group::{SpawnWait, TaskGroup};
}

pub use cancel::{CancellationToken, Cancelled, CancelledOwned, DropGuard};
