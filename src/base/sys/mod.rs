//! The system calls that neither std nor mio offers, each as one small safe function.
//!
//! This is the only place of the crate that asks which platform it stands on. Linux answers with `linux.rs`;
//! every other platform, and Linux itself under `--cfg mainspring_plain`, gets `plain.rs`, which has the same
//! interface and manages with what std gives: its timers are as coarse as `epoll_wait`'s milliseconds.
//!
//! ```text
//!   TimerFd            a timer that an epoll set can wait for        plain: "there is none"
//!   spawn_thread       the only way a thread is made                 the same everywhere
//!   tcp_socket         non-blocking and close-on-exec at once        plain: two calls more
//!   accept             the same for a connection that came in       plain: two calls more
//!   is_accept_noise    an error of the one client, not of ours       plain: ECONNABORTED
//!   is_exhausted       out of descriptors, or of memory for them     plain: EMFILE, ENFILE
//!   send_vectored      a gathering write that raises no SIGPIPE      plain: writev
//!   find_cached, open_cached, glance, read_cached, append_cached
//!                      files without waiting for a disk             plain: "there is no such way"
//!   write_now, reopen_terminal
//!                      what is inherited, without waiting           plain: "there is no such way"
//!   is_in_memory, send_file, is_no_way_to_send
//!                      from file to socket in the kernel            plain: "there is no such way"
//!   splice, widen      from stream to stream in the kernel          plain: "there is no such way"
//!   can_read, can_write, await_bytes, await_room                 the same everywhere
//!   stream_interest    what a TCP stream is registered for           plain: no priority data
//!   unix_socket, accept_unix, send                                the same for Unix sockets
//!   HAS_ABSTRACT_NAMES, abstract_name                            plain: "there are none"
//!   peer_cred, send_fds, recv_fds                                plain: "not supported"
//!   Origin, PerProcess whose is it, after a fork?                the same everywhere
//!   Ear                hears one signal              the same everywhere
//!   PidFd              a child that cannot be mistaken   plain: "there is none"
//!   Process            a child until it is reaped       the same everywhere
//!   SHORT_READ_DRAINS  is a short read proof of an empty socket?     plain: no
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "`spawn_thread` is the door through which all threads of this crate come into being"
)]

use std::io;
use std::thread;

#[cfg_attr(all(target_os = "linux", not(mainspring_plain)), path = "linux.rs")]
#[cfg_attr(not(all(target_os = "linux", not(mainspring_plain))), path = "plain.rs")]
mod chosen;

pub(crate) use chosen::*;

pub(crate) mod fork;
pub(crate) use fork::{Origin, PerProcess};

super::atomic::above_sched! {
    mod poll;
    mod process;
    mod signals;
    pub(crate) use poll::{await_bytes, await_room, can_read, can_write};
    pub(crate) use process::Process;
    pub(crate) use signals::Ear;
}

/// Starts a thread with a name and, if wanted, a stack size in bytes. Unlike `std::thread::spawn` it reports a
/// refusal (a limit on threads, say) instead of panicking. Of the bodies given to it, the caller catches the
/// panics.
pub(crate) fn spawn_thread(
    name: String,
    stack: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let builder = thread::Builder::new().name(name);
    let builder = match stack {
        Some(bytes) => builder.stack_size(bytes),
        None => builder,
    };
    builder.spawn(body)
}

/// How many processors this process may use; 1 if nobody knows.
pub(crate) fn parallelism() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_name_and_its_stack() {
        let handle = spawn_thread("worker-7".into(), Some(256 * 1024), || {
            assert_eq!(thread::current().name(), Some("worker-7"));
        });
        handle.expect("this machine can start a thread").join().expect("the assertion in it holds");
    }

    #[test]
    fn a_timer_goes_off_once_it_is_armed_or_there_is_none() {
        let timer = TimerFd::new().expect("a descriptor is to be had");
        let Some(fd) = timer.fd() else { return };
        let mut poll = mio::Poll::new().expect("epoll is to be had");
        let mut events = mio::Events::with_capacity(4);
        let interest = mio::Interest::READABLE;
        poll.registry().register(&mut mio::unix::SourceFd(&fd), mio::Token(1), interest).expect("it can be waited for");
        // Never read in between: arming it again forgets the expirations, and each expiry is a new edge.
        for in_ns in [0, 1, 50_000] {
            timer.arm(in_ns);
            poll.poll(&mut events, None).expect("no signal handler is installed here");
            assert!(events.iter().any(|event| event.token() == mio::Token(1)));
        }
    }
}
