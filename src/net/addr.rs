//! Addresses as a program writes them down.
//!
//! std's trait of the same name looks host names up, and blocks the thread while it does: ten seconds, if the name
//! server is away. So here an address only says what it is: a literal, which is an answer already, or a name, which
//! `lookup` takes to a thread that may block.
//!
//! Cases of the catalogue: MIS-06.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Whatever names one or more socket addresses: addresses themselves, pairs of a host and a port, and their usual
/// spelling in text.
///
/// Reach for it to take addresses in functions of your own as the functions here do.
///
/// The trait is sealed: it is implemented for `SocketAddr`, `SocketAddrV4`, `SocketAddrV6`, `(IpAddr, u16)`,
/// `(Ipv4Addr, u16)`, `(Ipv6Addr, u16)`, `(&str, u16)`, `(String, u16)`, `str`, `String`, `[SocketAddr]`, and
/// references to these. A host is an IP address or a name; names are looked up on a thread that may block, so that
/// the event loop never waits for a name server.
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// use mainspring::net::TcpListener;
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// TcpListener::bind("127.0.0.1:0").await?;
/// TcpListener::bind(("127.0.0.1", 0)).await?;
/// TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
/// TcpListener::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))][..]).await?;
/// TcpListener::bind("localhost:0").await?;
/// let error = TcpListener::bind("localhost").await.unwrap_err(); // no port
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// # Ok(()) })
/// # }
/// ```
pub trait ToSocketAddrs: sealed::Written {}

impl<T: sealed::Written + ?Sized> ToSocketAddrs for T {}

/// What keeps the trait ours: a name server's answer comes by ways that are nobody else's business.
pub(super) mod sealed {
    use std::io;
    use std::net::SocketAddr;

    pub trait Written {
        /// What it says.
        fn found(&self) -> Found;
    }

    /// What an address as it is written down turns out to be.
    #[derive(Debug)]
    pub enum Found {
        /// A literal. Apart from the lists, because a datagram's target is mostly one, and is to cost no allocation.
        One(SocketAddr),
        /// Literals, in the order in which they are to be tried.
        Many(Vec<SocketAddr>),
        /// A host that must be asked for, and a port.
        Name(String, u16),
        /// No address at all.
        Refused(io::Error),
    }
}

use sealed::{Found, Written};

/// Implements the trait for everything that `SocketAddr` can be made from.
macro_rules! one_address {
    ($($type:ty),*) => {$(
        impl Written for $type {
            fn found(&self) -> Found {
                Found::One(SocketAddr::from(*self))
            }
        }
    )*};
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl Written for [SocketAddr] {
    fn found(&self) -> Found {
        Found::Many(self.to_vec())
    }
}

impl<T: Written + ?Sized> Written for &T {
    fn found(&self) -> Found {
        (**self).found()
    }
}

impl Written for str {
    fn found(&self) -> Found {
        if let Ok(address) = self.parse() {
            return Found::One(address);
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return refused(self, "it has no port; an address looks like `127.0.0.1:80`, `[::1]:80` or `host:80`");
        };
        match port.parse() {
            Ok(port) => name(self, host, port),
            Err(_) => refused(self, "its port is not a number from 0 to 65535"),
        }
    }
}

impl Written for String {
    fn found(&self) -> Found {
        self.as_str().found()
    }
}

impl Written for (&str, u16) {
    fn found(&self) -> Found {
        let (host, port) = *self;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Found::One(SocketAddr::new(ip, port));
        }
        // Only the bracketed spelling knows about scopes, as in `fe80::1%3`.
        match format!("[{host}]:{port}").parse() {
            Ok(address) => Found::One(SocketAddr::V6(address)),
            Err(_) => name(host, host, port),
        }
    }
}

impl Written for (String, u16) {
    fn found(&self) -> Found {
        (self.0.as_str(), self.1).found()
    }
}

/// A host that is no IP address: a name, or a slip of the pen. The latter is found here and not by a name server: it
/// would be asked for every mistyped number, and some resolvers make an address of `1.2.3`.
fn name(all: &str, host: &str, port: u16) -> Found {
    let in_names = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.chars().all(in_names) && host.chars().any(char::is_alphabetic) {
        return Found::Name(host.to_owned(), port);
    }
    let why = "its host is neither a name nor an IP address; an address looks like `127.0.0.1:80` or `[::1]:80`";
    refused(all, why)
}

fn refused(what: &str, why: &str) -> Found {
    let text = format!("cannot use the address {what:?}: {why}");
    Found::Refused(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mis_06_literals_are_taken_names_are_told_apart_and_everything_else_is_refused_with_a_reason() {
        let one = |what: &dyn Written| match what.found() {
            Found::One(address) => address.to_string(),
            other => panic!("{other:?} is no literal"),
        };
        assert_eq!(one(&"127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(one(&"[::1]:0".to_string()), "[::1]:0");
        assert_eq!(one(&"[fe80::1%3]:80"), "[fe80::1%3]:80");
        assert_eq!(one(&("fe80::1%3", 80)), "[fe80::1%3]:80");
        assert_eq!(one(&("::1".to_string(), 80)), "[::1]:80");
        assert_eq!(one(&(Ipv6Addr::LOCALHOST, 80)), "[::1]:80");
        for (text, reason) in [
            ("", "has no port"),
            ("127.0.0.1", "has no port"),
            ("127.0.0.1:", "not a number"),
            ("127.0.0.1:65536", "not a number"),
            ("127.0.0.1:-1", "not a number"),
            ("::1", "neither a name nor an IP address"),
            (":80", "neither a name nor an IP address"),
            ("1.2.3:80", "neither a name nor an IP address"),
            ("[::1%]:80", "neither a name nor an IP address"),
            ("a\0b:80", "neither a name nor an IP address"),
        ] {
            let Found::Refused(error) = text.found() else { panic!("{text:?} is no address") };
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(reason), "{error}");
        }
        for text in ["localhost:80", "b\u{fc}cher.example:80", "a-b_c.7:80"] {
            let Found::Name(host, 80) = text.found() else { panic!("{text:?} is a name") };
            assert_eq!(format!("{host}:80"), text);
        }
        assert!(matches!(("localhost", 80).found(), Found::Name(_, 80)));
    }
}
