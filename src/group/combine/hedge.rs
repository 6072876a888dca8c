//! `hedge`: a second copy of the work, if the first is late.

use super::combined::{Combined, Plan};
use super::crew::Crew;
use crate::task::CancelCause;
use crate::task::wait::WaitKind;
use crate::time::{Duration, Instant, Sleep, sleep_until};
use std::fmt;
use std::ops::ControlFlow;
use std::panic::Location;
use std::task::Context;

/// Runs `work(0)`, and if it has not answered after this delay, `work(1)` beside it. The first success wins; the other copy is cancelled and
/// gone when this resolves.
///
/// It takes the rare late answers away that make a service with many parts slow as a whole, for a few percent more work if the delay is
/// the time within which 95 of 100 answers come. (The idea is that of Jeffrey Dean and Luiz André Barroso, "The Tail at Scale", CACM
/// 2013.) The work must be such that doing it twice does no harm. The number of the copy may choose another replica.
///
/// An error of the first copy before the delay is over is an answer; whoever wants to try again then takes [`retry`](super::super::retry()). After
/// that an error waits for the other copy.
///
/// # Cancellation
/// That of the work: dropping this drops both copies.
///
/// # Errors
/// If no copy succeeds, the error that came first.
///
/// # Panics
/// Polled outside a runtime. If a copy panics: the other one is cancelled, and when it is gone the panic goes on.
///
/// # Examples
/// ```
/// use mainspring::group::hedge;
/// use mainspring::time::{Duration, Instant, sleep};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let replicas = [900, 20]; // ms: the first one has a bad day
///     let start = Instant::now();
///     let answer = hedge(Duration::from_millis(50), |copy| async move {
///         sleep(Duration::from_millis(replicas[copy])).await;
///         Ok::<_, std::io::Error>(copy)
///     });
///     assert_eq!(answer.await.unwrap(), 1);
///     assert_eq!(start.elapsed(), Duration::from_millis(70));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn hedge<W, F, T, E>(delay: Duration, work: W) -> Combined<Hedge<W, E>>
where
    W: FnMut(usize) -> F,
    F: Future<Output = Result<T, E>>,
{
    Combined::new(Hedge { work, delay, timer: None, error: None }, WaitKind::Hedge, Location::caller())
}

/// The plan of [`hedge`].
pub struct Hedge<W, E> {
    work: W,
    delay: Duration,
    /// Until the second copy begins.
    timer: Option<Sleep>,
    /// That of the copy that has failed first.
    error: Option<E>,
}

impl<W, F, T, E> Plan for Hedge<W, E>
where
    W: FnMut(usize) -> F,
    F: Future<Output = Result<T, E>>,
{
    type Part = F;
    type Output = Result<T, E>;

    fn begin(&mut self, crew: &mut Crew<F>) {
        crew.add(0, (self.work)(0));
        // A delay without end: there is no second copy.
        self.timer = Instant::now().checked_add(self.delay).map(sleep_until);
    }

    fn tick(&mut self, crew: &mut Crew<F>, cx: &mut Context<'_>) -> bool {
        let is_late = self.timer.as_mut().is_some_and(|timer| timer.poll_elapsed(cx.waker()).is_ready());
        if is_late {
            self.timer = None;
            crew.add(1, (self.work)(1));
        }
        is_late
    }

    fn ended(&mut self, crew: &mut Crew<F>, number: usize, result: Result<T, E>) -> ControlFlow<(Self::Output, CancelCause)> {
        match result {
            Ok(value) => {
                self.timer = None;
                ControlFlow::Break((Ok(value), CancelCause::LostRace { to: number, at: crew.at }))
            }
            Err(error) => {
                self.error.get_or_insert(error);
                ControlFlow::Continue(())
            }
        }
    }

    fn exhausted(&mut self) -> Self::Output {
        self.timer = None;
        Err(self.error.take().expect("the copies have ended, and none with a success"))
    }
}

impl<W, E> fmt::Debug for Hedge<W, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("delay", &self.delay).field("second", &self.timer.is_none()).finish_non_exhaustive()
    }
}
