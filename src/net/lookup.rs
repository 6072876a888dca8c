//! Names: which addresses a host has.
//!
//! The system's resolver blocks, for seconds if a name server is away, and cannot be interrupted. So it is asked on a
//! thread of the blocking pool. Whoever asked may leave at any time: a question that still waits for a thread is then
//! taken back, and one that is under way ends by itself, with nobody listening. A literal is its own answer, and never
//! leaves the task.
//!
//! In a simulation a name is refused: the answer would depend on the machine, and not on the seed.
//!
//! Cases of the catalogue: NET-17.

use std::future::Future;
use std::io;
use std::iter::FusedIterator;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use super::ToSocketAddrs;
use super::addr::sealed::Found;
use super::sock::refuse_in_a_simulation;
use crate::task::JoinHandle;
use crate::task::wait::{self, Wait, WaitKind};

/// Asks for the addresses of a host: `lookup_host("example.org:443")`, or with the port apart.
///
/// For whoever wants to see the addresses, or to choose among them; [`TcpStream::connect`](super::TcpStream::connect)
/// and the others take host names as they are. There is no limit to the time that it takes but the system's own, so put
/// a [`timeout`](crate::time::timeout()) around it.
///
/// # Cancellation
/// **Detached.** A question that a thread of the pool has begun to ask is asked to the end, and the answer thrown away.
///
/// # Errors
/// `InvalidInput` if it is neither a name nor an address; what the system says if the host has no addresses or nobody
/// knows; and `Unsupported` of a name in a simulated runtime.
///
/// # Panics
/// The future panics if it has a name to look up and there is no runtime.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::lookup_host;
///
/// for address in lookup_host("localhost:80").await? {
///     assert!(address.ip().is_loopback());
/// }
/// // A literal asks nobody.
/// let literal: Vec<_> = lookup_host("[::1]:80").await?.collect();
/// assert_eq!(literal, ["[::1]:80".parse().unwrap()]);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn lookup_host<A: ToSocketAddrs>(host: A) -> LookupHost {
    LookupHost(Resolve::of(&host, Location::caller()))
}

/// Future of [`lookup_host`].
///
/// # Cancellation
/// **Detached.** A question that was begun is asked to the end, and the answer thrown away.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct LookupHost(Resolve);

impl Future for LookupHost {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

/// The addresses of a host, in the order in which the system would have them tried.
///
/// It is an iterator; see [`lookup_host`].
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The one address of a literal, until it is taken.
    one: Option<SocketAddr>,
    /// All others.
    others: vec::IntoIter<SocketAddr>,
    /// They belong to one host, so that it does not matter which of them answers.
    of_a_name: bool,
}

impl Addresses {
    fn one(address: SocketAddr) -> Self {
        Self { one: Some(address), ..Self::many(Vec::new()) }
    }

    fn many(addresses: Vec<SocketAddr>) -> Self {
        Self { one: None, others: addresses.into_iter(), of_a_name: false }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self::many(Vec::new())
    }

    /// Those of a name are mixed, so that the first two are of two families (RFC 8305, section 4): where one family does not
    /// work at all, the second attempt does. A list that the user has made stays as it is.
    pub(super) fn interleaved(self) -> Self {
        if !self.of_a_name {
            return self;
        }
        let all: Vec<_> = self.collect();
        let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
        let (preferred, rest): (Vec<_>, Vec<_>) = all.iter().copied().partition(|address| address.is_ipv6() == first_is_v6);
        let (mut preferred, mut rest) = (preferred.into_iter(), rest.into_iter());
        let mut mixed = Vec::with_capacity(all.len());
        while mixed.len() < all.len() {
            mixed.extend(preferred.next());
            mixed.extend(rest.next());
        }
        Self { of_a_name: true, ..Self::many(mixed) }
    }
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.one.take().or_else(|| self.others.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.one.is_some()) + self.others.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Addresses {}
impl FusedIterator for Addresses {}

/// A look-up inside another operation.
#[derive(Debug)]
pub(super) struct Resolve {
    /// How far it is.
    state: State,
    /// The user's line.
    at: &'static Location<'static>,
}

/// How far a look-up is.
#[derive(Debug)]
enum State {
    /// Nobody was asked yet.
    Written(Found),
    /// The system's resolver is asked.
    Asked(JoinHandle<io::Result<Vec<SocketAddr>>>),
    /// The answer was given.
    Done,
}

impl Resolve {
    /// What this address stands for; nothing is asked before the first poll.
    pub(super) fn of<A: ToSocketAddrs>(address: &A, at: &'static Location<'static>) -> Self {
        Self { state: State::Written(address.found()), at }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Addresses>> {
        if let State::Written(found) = &mut self.state {
            let found = std::mem::replace(found, Found::Many(Vec::new()));
            self.state = State::Done;
            match found {
                Found::One(address) => return Poll::Ready(Ok(Addresses::one(address))),
                Found::Many(addresses) => return Poll::Ready(Ok(Addresses::many(addresses))),
                Found::Refused(error) => return Poll::Ready(Err(error)),
                Found::Name(host, port) => {
                    refuse_in_a_simulation()?;
                    self.state = State::Asked(crate::task::spawn_blocking(move || ask(&host, port)));
                }
            }
        }
        let State::Asked(job) = &mut self.state else { panic!("a look-up is not polled after its end") };
        let Poll::Ready(ended) = Pin::new(job).poll(cx) else {
            wait::note(Wait { kind: WaitKind::Lookup, object: 0, at: self.at });
            return Poll::Pending;
        };
        self.state = State::Done;
        let answer = ended.map_err(|error| io::Error::other(format!("the look-up did not take place: {error}")))?;
        Poll::Ready(answer.map(|addresses| Addresses { of_a_name: true, ..Addresses::many(addresses) }))
    }
}

impl Future for Resolve {
    type Output = io::Result<Addresses>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Self::poll(self.get_mut(), cx)
    }
}

impl Drop for Resolve {
    fn drop(&mut self) {
        if let State::Asked(job) = &self.state {
            // Takes back a question that still waits for a thread, so that those who left hold up nobody; it does
            // nothing to one that is under way.
            job.abort();
        }
    }
}

/// Goes through addresses until one will do; otherwise it is the last one's error.
pub(super) fn first_of<R>(
    addresses: Addresses,
    purpose: &str,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, format!("there is no address to {purpose}"));
    for address in addresses {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks the system, and blocks.
fn ask(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot look {host:?} up: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_of_a_name_take_turns_and_a_list_stays_as_it_is() {
        let of = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let (a, b, c) = (of("[::1]:1"), of("[::2]:1"), of("[::3]:1"));
        let (x, y) = (of("1.1.1.1:1"), of("2.2.2.2:1"));
        let listed = Addresses::many(vec![a, b, c, x, y]);
        assert_eq!(listed.clone().interleaved().collect::<Vec<_>>(), [a, b, c, x, y]);
        let named = Addresses { of_a_name: true, ..listed };
        assert_eq!(named.interleaved().collect::<Vec<_>>(), [a, x, b, y, c]);
        let lopsided = Addresses { of_a_name: true, ..Addresses::many(vec![x, y, a]) };
        assert_eq!(lopsided.interleaved().collect::<Vec<_>>(), [x, a, y]);
        assert_eq!(Addresses::one(a).interleaved().len(), 1);
        assert_eq!(Addresses::none().interleaved().next(), None);
    }
}
