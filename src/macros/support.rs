//! What the macros call. Public because their text is the user's; not for anybody else.

use crate::base::context;
use crate::driver;
use crate::task::budget;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Declares [`Chosen`]: a parameter and a variant of the same name for each branch that a `select!` may have.
macro_rules! declare_chosen {
    ($first:ident $($more:ident)*) => {
        /// Which branch has won, with its output (P4).
        #[derive(Debug)]
        pub enum Chosen<$first, $($more = Infallible),*> {
            /// The first branch.
            $first($first),
            $(
                #[doc = "One more."]
                $more($more),
            )*
            /// None was left that could win.
            Nobody,
        }
    };
}

declare_chosen! {
    B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15 B16 B17 B18 B19 B20 B21 B22 B23 B24 B25 B26 B27 B28 B29 B30 B31
    B32 B33 B34 B35 B36 B37 B38 B39 B40 B41 B42 B43 B44 B45 B46 B47 B48 B49 B50 B51 B52 B53 B54 B55 B56 B57 B58 B59 B60
    B61 B62 B63
}

/// The branches whose preconditions do not hold, a bit each.
#[must_use]
pub fn disabled<const N: usize>(enabled: [bool; N]) -> u64 {
    enabled.iter().enumerate().fold(0, |disabled, (index, enabled)| disabled | u64::from(!enabled) << index)
}

/// A poll of a `select!` begins: as an operation that may be ready at once it has its price, so that a loop around it lets
/// others run, whatever its futures are.
pub fn begin(cx: &mut Context<'_>) -> Poll<()> {
    budget::poll_proceed(cx)
}

/// It waits, so it gets its unit back.
pub fn refund() {
    budget::refund();
}

/// Where a `select!` of so many branches looks first.
#[must_use]
pub fn draw(branches: usize) -> usize {
    draw_for("first branch", branches)
}

/// One of `0..n`: from the seed in a simulation, where `key` says what is chosen, and by chance elsewhere.
pub(crate) fn draw_for(key: &'static str, n: usize) -> usize {
    choose(key, n).unwrap_or_else(|| context::draw(n))
}

/// Is the branch with this index looked at in this lap? The first lap goes from `start` to the end, the second one up to
/// `start`: so each branch's code stands there once, in the order as written.
#[must_use]
pub fn is_next(index: usize, start: usize, lap: u32) -> bool {
    (index >= start) == (lap == 0)
}

/// The order in which the futures of a join are polled.
#[derive(Debug)]
pub struct Turn {
    /// Who is first in the next poll.
    next: usize,
    /// Always the same one.
    biased: bool,
}

impl Turn {
    /// Each is first in its turn, so that the poll budget is not used up by the same ones every time.
    #[must_use]
    pub fn rotating() -> Self {
        Self { next: 0, biased: false }
    }

    /// In the order as written.
    #[must_use]
    pub fn biased() -> Self {
        Self { next: 0, biased: true }
    }

    /// A poll begins: who is first.
    pub fn take(&mut self, count: usize) -> usize {
        if self.biased {
            return 0;
        }
        let first = self.next;
        self.next = if first + 1 < count { first + 1 } else { 0 };
        choose("first to be joined", count).unwrap_or(first)
    }
}

/// Polls one future of a join, unless it has its output. It is dropped as soon as it has. True if it waits.
pub fn advance<F: Future>(
    mut future: Pin<&mut Option<F>>,
    output: &mut Option<F::Output>,
    cx: &mut Context<'_>,
) -> bool {
    let Some(running) = future.as_mut().as_pin_mut() else { return false };
    let Poll::Ready(ready) = running.poll(cx) else { return true };
    *output = Some(ready);
    future.set(None);
    false
}

/// The same for `try_join!`, which is over with the first error.
pub fn try_advance<F, T, E>(
    mut future: Pin<&mut Option<F>>,
    output: &mut Option<T>,
    cx: &mut Context<'_>,
) -> Result<bool, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut result = None;
    let waits = advance(future.as_mut(), &mut result, cx);
    if let Some(result) = result {
        *output = Some(result?);
    }
    Ok(waits)
}

/// A choice of the simulation, if this thread is in one.
fn choose(key: &'static str, n: usize) -> Option<usize> {
    driver::with_current(|driver| {
        let simulated = driver.filter(|driver| driver.is_simulated())?;
        Some(simulated.choose(key, n))
    })
}
