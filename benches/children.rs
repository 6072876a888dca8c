//! Child processes: two thousand that do nothing, 32 at a time.
//!
//! What the kernel takes to make a process and bring it down again is most of it, and varies more than what runtimes do.

use super::common::case::{Case, Field, Figures, Size, Workload, wall_of_second_pass};
use super::common::doors::Children;
use super::common::runtime::{Join, Runtime};
use std::process::{Command, Stdio};

pub(crate) fn cases<F: Field>() -> Vec<Case> {
    F::cases::<ManyChildren>()
}

/// What is started.
const PROGRAM: &str = "/bin/true";

/// So many are alive.
const AT_ONCE: usize = 32;

struct ManyChildren;

impl Workload for ManyChildren {
    const NAME: &'static str = "children_32";
    const FLOOR: Option<fn(Size) -> Figures> = Some(std_children);

    fn suits<R: Runtime>() -> bool {
        !R::FILES_ONLY && R::Children::OFFERED
    }

    fn run<R: Runtime>(size: Size) -> Figures {
        let children = children(size);
        let runtime = R::start(2);
        wall_of_second_pass(children, || {
            let ended = runtime.run(async move {
                let some = || async move {
                    let mut ended = 0;
                    for _ in 0..children / AT_ONCE {
                        let done = R::Children::run(PROGRAM).await.expect("it starts");
                        ended += usize::from(done);
                    }
                    ended
                };
                let starters: Vec<Join<R, usize>> = (0..AT_ONCE).map(|_| R::spawn_with_leaves(some())).collect();
                let mut ended = 0;
                for starter in starters {
                    ended += starter.await.expect("it does not panic");
                }
                ended
            });
            assert_eq!(ended, children, "each has succeeded");
        })
    }
}

/// As many as all starters together start.
fn children(size: Size) -> usize {
    size.of(2_000).div_ceil(AT_ONCE) * AT_ONCE
}

/// The floor: one thread starts 32, then waits for them in turn.
fn std_children(size: Size) -> Figures {
    let children = children(size);
    wall_of_second_pass(children, || {
        for _ in 0..children / AT_ONCE {
            let start = |_| {
                let mut command = Command::new(PROGRAM);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
            };
            let all: Vec<_> = (0..AT_ONCE).map(start).collect();
            for mut child in all {
                assert!(child.wait().expect("it is ours").success());
            }
        }
    })
}
