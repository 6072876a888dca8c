//! What all combinators have in common: a crew is polled, and a plan says what follows from each end.

use super::crew::{Crew, End, say_lost};
use crate::task::CancelCause;
use crate::task::wait::WaitKind;
use crate::time::Duration;
use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What one combinator makes of the ends of its futures. Sealed: it is named in signatures, and nobody else implements it.
pub trait Plan {
    /// What the futures are.
    type Part: Future;
    /// What comes of it all.
    type Output;

    /// The first futures.
    fn begin(&mut self, crew: &mut Crew<Self::Part>);

    /// All wait, and it is not decided yet. True if one was added.
    fn tick(&mut self, _crew: &mut Crew<Self::Part>, _cx: &mut Context<'_>) -> bool {
        false
    }

    /// One has given its output. `Break`: that decides it, and the rest is cancelled for this cause.
    fn ended(
        &mut self,
        crew: &mut Crew<Self::Part>,
        number: usize,
        output: <Self::Part as Future>::Output,
    ) -> ControlFlow<(Self::Output, CancelCause)>;

    /// All have ended, and nothing has decided it.
    fn exhausted(&mut self) -> Self::Output;
}

/// The future of [`race`](super::super::race), [`race_ok`](super::super::race_ok), [`gather`](super::super::gather),
/// [`gather_all`](super::super::gather_all) and [`hedge`](super::super::hedge).
#[must_use = "a future does nothing until it is awaited"]
pub struct Combined<P: Plan> {
    pub(super) plan: P,
    /// `None` before the first poll, and once it is over.
    crew: Option<Crew<P::Part>>,
    /// What was decided; given when the rest has gone (C2).
    outcome: Option<P::Output>,
    /// The first panic; goes on when the rest has gone.
    panic: Option<Box<dyn Any + Send>>,
    grace: Duration,
    /// What the task waits for meanwhile, for reports.
    kind: WaitKind,
    /// The user's line, for reports and for the cause.
    at: &'static Location<'static>,
    is_over: bool,
}

impl<P: Plan> Combined<P> {
    pub(super) fn new(plan: P, kind: WaitKind, at: &'static Location<'static>) -> Self {
        Self { plan, crew: None, outcome: None, panic: None, grace: Duration::ZERO, kind, at, is_over: false }
    }

    /// How long those who are cancelled may go on before they are dropped; no time at all without this call. Whoever wants to
    /// use it listens to [`cancelled`](super::super::cancelled()).
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{cancelled, race};
    /// use mainspring::time::{Duration, sleep};
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let runner = async |ms| mainspring::select! {
    ///         () = sleep(Duration::from_millis(ms)) => ms,
    ///         cause = cancelled() => {
    ///             assert!(cause.to_string().contains("lost the race"));
    ///             sleep(Duration::from_millis(5)).await; // shakes hands
    ///             ms
    ///         }
    ///     };
    ///     assert_eq!(race([10, 99].map(runner)).grace(Duration::from_secs(1)).await, 10);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// One has ended, before it was decided or after.
    fn take(&mut self, number: usize, end: End<<P::Part as Future>::Output>) {
        let decided = match end {
            End::Gone => return,
            End::Panicked(payload) => Err(payload),
            End::Output(output) if self.is_decided() => {
                // Nobody wants it any more.
                catch_unwind(AssertUnwindSafe(|| drop(output))).map(|()| ControlFlow::Continue(()))
            }
            End::Output(output) => self.ask(|plan, crew| plan.ended(crew, number, output)),
        };
        match decided {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break((outcome, cause))) => {
                self.outcome = Some(outcome);
                self.dismiss(cause);
            }
            Err(payload) => self.fail(number, payload),
        }
    }

    fn is_decided(&self) -> bool {
        self.outcome.is_some() || self.panic.is_some()
    }

    /// Lets the plan do something. It may call the user's closure, which may panic.
    fn ask<R>(&mut self, act: impl FnOnce(&mut P, &mut Crew<P::Part>) -> R) -> Result<R, Box<dyn Any + Send>> {
        let crew = self.crew.get_or_insert_with(|| Crew::begin(self.grace, self.kind, self.at));
        catch_unwind(AssertUnwindSafe(|| act(&mut self.plan, crew)))
    }

    fn fail(&mut self, number: usize, payload: Box<dyn Any + Send>) {
        if self.panic.is_some() {
            return say_lost(payload, self.at);
        }
        self.panic = Some(payload);
        self.dismiss(CancelCause::OtherFailed { number, at: self.at });
    }

    fn dismiss(&mut self, cause: CancelCause) {
        self.crew.iter_mut().for_each(|crew| crew.dismiss(cause.clone()));
    }

    fn begin(&mut self) {
        if let Err(payload) = self.ask(|plan, crew| plan.begin(crew)) {
            self.fail(0, payload);
        }
    }

    /// True if there is one more to poll.
    fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_decided() {
            return false;
        }
        let ticked = self.ask(|plan, crew| plan.tick(crew, cx));
        ticked.unwrap_or_else(|payload| {
            self.fail(1, payload);
            true
        })
    }
}

/// The futures are in boxes, and nothing else is pinned.
impl<P: Plan> Unpin for Combined<P> {}

impl<P: Plan> Future for Combined<P> {
    type Output = P::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<P::Output> {
        let this = &mut *self;
        assert!(!this.is_over, "this combinator was awaited to its end already");
        match &mut this.crew {
            Some(crew) => crew.begin_poll(),
            None => this.begin(),
        }
        while let Some(crew) = &mut this.crew {
            match crew.poll_next(cx) {
                Poll::Ready(Some((number, end))) => this.take(number, end),
                Poll::Ready(None) => break,
                Poll::Pending if this.tick(cx) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        this.is_over = true;
        this.crew = None;
        let outcome = this.outcome.take();
        if let Some(payload) = this.panic.take() {
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(outcome))) {
                say_lost(second, this.at);
            }
            resume_unwind(payload);
        }
        Poll::Ready(outcome.unwrap_or_else(|| this.plan.exhausted()))
    }
}

impl<P: Plan> Drop for Combined<P> {
    /// In the grace, with a panic that would have gone on at its end: it does not die silently.
    fn drop(&mut self) {
        self.panic.take().into_iter().for_each(|payload| say_lost(payload, self.at));
    }
}

impl<P: Plan> fmt::Debug for Combined<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.crew.as_ref().map(Crew::len);
        f.debug_struct("Combined").field("at", &self.at).field("running", &running).field("over", &self.is_over).finish()
    }
}
