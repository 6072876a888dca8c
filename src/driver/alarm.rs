//! The alarms: what ends a worker's sleep in time for a deadline.
//!
//! `epoll_wait` counts in milliseconds, so a deadline is kept by a timerfd in the epoll set. What such a sleep costs is not
//! the system calls but the processor's own timer behind them, which is set anew whenever its earliest deadline changes; on a
//! virtual machine each setting leaves the guest. With one alarm that happens twice a sleep. Hence two of them: where
//! deadlines crowd, the alarm after the next is armed while the next one still runs.
//!
//! ```text
//!   one     arm a: sets the processor's timer     a ends: sets it to whatever is next     arm b: sets it again
//!   two     arm b behind a: nothing to set        a ends: sets it to b                    arm c behind b: nothing to set
//! ```
//!
//! A sleep of 90 us, 10,000 times by hand and without a runtime: 19.2 us of processor time each with one alarm, 9.9 with two,
//! and no less with three. The same calls to `ppoll` or `epoll_pwait2` with a timeout cost as much as one alarm.
//!
//! The other half is not to wake for each timer of a crowd, but for all that come within [`SLACK_NS`]. A timer that nobody
//! follows so closely is not kept waiting. 100,000 timers, 10 us apart: 9.3 us of processor time each with one alarm and no
//! crowds, 2.2 with both; late by 13 us before and by 53 now, at the median of 7 rounds.
//!
//! - **L1** Before the owner sleeps, an alarm is armed that goes off no later than [`SLACK_NS`] after its first deadline, and as
//!   much again if arming it took so long.
//! - **L2** One that goes off too early costs a turn and no more: who wakes asks the clock what is due. So no alarm is ever
//!   disarmed; what was armed for a deadline that is gone is left alone, or armed for another.

use std::io;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::Clock;
use super::wheel::Crowd;
use crate::base::atomic::Mutex;
use crate::base::sys::TimerFd;

/// How long a timer may be kept waiting for those behind it. The 100,000 timers above, on a machine with other work: 70 us make
/// them late by 41 us for 2.40 us of processor time each, 80 by 45 for 2.26, 90 by 53 for 2.16, 100 by 53 to 57 for 2.06.
pub(super) const SLACK_NS: u64 = 90_000;
/// So often an alarm is armed again by a thread that is held up each time.
const TRIES_MAX: u32 = 8;
/// This alarm is not armed.
const DISARMED: u64 = u64::MAX;

/// Both alarms of one worker.
#[derive(Debug)]
pub(super) struct Alarms {
    /// What the epoll set waits for.
    timers: [TimerFd; 2],
    /// When each goes off, on the runtime's clock, or [`DISARMED`]. Held across the system call that arms one, so that two
    /// threads that arm at once leave the earlier deadline.
    at_ns: Mutex<[u64; 2]>,
    /// What time it is.
    clock: Arc<Clock>,
}

impl Alarms {
    /// Both, disarmed, in the epoll set under these tokens if the platform has such timers.
    pub(super) fn new(registry: &Registry, tokens: [Token; 2], clock: &Arc<Clock>) -> io::Result<Self> {
        let timers = [TimerFd::new()?, TimerFd::new()?];
        for (timer, token) in timers.iter().zip(tokens) {
            if let Some(fd) = timer.fd() {
                registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            }
        }
        Ok(Self { timers, at_ns: Mutex::new([DISARMED; 2]), clock: clock.clone() })
    }

    /// Does this platform have them?
    pub(super) fn exist(&self) -> bool {
        self.timers[0].fd().is_some()
    }

    /// The epoll set has reported this one.
    pub(super) fn went_off(&self, which: usize) {
        self.at_ns.lock()[which] = DISARMED;
    }

    /// Sees to it that one goes off in time for these deadlines (L1), and in a crowd that another is armed behind it.
    pub(super) fn arm(&self, crowd: Crowd) {
        let mut at_ns = self.at_ns.lock();
        let mut next = usize::from(at_ns[1] < at_ns[0]);
        if at_ns[next] > crowd.first_ns.saturating_add(SLACK_NS) {
            next = 1 - next; // both come too late, and of this one it matters less
            self.set(&mut at_ns, next, crowd.last_ns);
        }
        let after_next_ns = at_ns[next].saturating_add(SLACK_NS);
        if crowd.last_ns > crowd.first_ns && at_ns[1 - next] > after_next_ns {
            self.set(&mut at_ns, 1 - next, after_next_ns);
        }
    }

    /// Arms one. The system call takes a span, so a thread that is held up between the clock and the call (a stopped process,
    /// a paused machine) arms it too late by that, and what is written down here would be trusted by the deadlines to come:
    /// so the clock is read again, and if it was held up, so is everything.
    ///
    /// INSTEAD OF the call's absolute form, which needs the zero of std's clock and breaks under faketime.
    fn set(&self, at_ns: &mut [u64; 2], which: usize, to_ns: u64) {
        let mut before = self.clock.now_ns();
        for _ in 0..TRIES_MAX {
            self.timers[which].arm(to_ns.saturating_sub(before));
            let after = self.clock.now_ns();
            at_ns[which] = to_ns;
            if after - before <= SLACK_NS {
                return;
            }
            at_ns[which] = to_ns.saturating_add(after - before);
            before = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms() -> (mio::Poll, Alarms) {
        let poll = mio::Poll::new().expect("epoll is to be had");
        let alarms = Alarms::new(poll.registry(), [Token(0), Token(1)], &Arc::new(Clock::new()))
            .expect("descriptors are to be had");
        (poll, alarms)
    }

    fn armed(alarms: &Alarms) -> [u64; 2] {
        let mut at_ns = *alarms.at_ns.lock();
        at_ns.sort_unstable();
        at_ns
    }

    /// Far enough that nothing goes off during a test.
    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_deadline_by_itself_is_kept_exactly_and_a_later_one_leaves_the_alarm_alone() {
        let (_poll, alarms) = alarms();
        alarms.arm(Crowd::of_one(2 * HOUR));
        assert_eq!(armed(&alarms), [2 * HOUR, DISARMED]);
        alarms.arm(Crowd::of_one(3 * HOUR));
        alarms.arm(Crowd::of_one(2 * HOUR - SLACK_NS));
        assert_eq!(armed(&alarms), [2 * HOUR, DISARMED], "later, or within the slack");
        alarms.arm(Crowd::of_one(HOUR));
        assert_eq!(armed(&alarms), [HOUR, 2 * HOUR]);
        alarms.arm(Crowd::of_one(HOUR / 2));
        assert_eq!(armed(&alarms), [HOUR / 2, HOUR], "of two that come too late the later one is used");
    }

    #[test]
    fn in_a_crowd_the_next_alarm_is_the_only_one_that_is_set_each_time() {
        let (_poll, alarms) = alarms();
        alarms.arm(Crowd { first_ns: HOUR, last_ns: HOUR + SLACK_NS / 2 });
        let mut next = HOUR + SLACK_NS / 2;
        for _ in 0..10 {
            assert_eq!(armed(&alarms), [next, next + SLACK_NS]);
            let which = usize::from(alarms.at_ns.lock()[1] == next);
            alarms.went_off(which);
            alarms.arm(Crowd { first_ns: next + 10_000, last_ns: next + SLACK_NS });
            next += SLACK_NS;
        }
        // The crowd has gone by; what is armed comes before the next deadline, and that is good enough.
        alarms.arm(Crowd::of_one(2 * HOUR));
        assert_eq!(armed(&alarms), [next, next + SLACK_NS]);
    }

    #[test]
    fn both_alarms_go_off_and_say_which_they_were() {
        let (mut poll, alarms) = alarms();
        if !alarms.exist() {
            return;
        }
        alarms.arm(Crowd { first_ns: 0, last_ns: 1 });
        let mut seen = [false; 2];
        let mut events = mio::Events::with_capacity(4);
        while seen != [true; 2] {
            poll.poll(&mut events, None).expect("no signal handler is installed here");
            events.iter().for_each(|event| seen[event.token().0] = true);
        }
    }
}
