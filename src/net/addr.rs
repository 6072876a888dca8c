//! Addresses as a program writes them down, turned into socket addresses without asking anybody.
//!
//! std's trait of the same name looks host names up, and blocks the thread while it does: ten seconds, if the name
//! server is away. So here only literals count for now. A host name is refused with a text that says so, instead of
//! stopping the event loop.
//!
//! Cases of the catalogue: MIS-06.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Whatever names one or more socket addresses without a look-up: addresses themselves, pairs of an IP address and
/// a port, and their usual spelling in text.
///
/// Reach for it to take addresses in functions of your own as the functions here do.
///
/// The trait is sealed: it is implemented for `SocketAddr`, `SocketAddrV4`, `SocketAddrV6`, `(IpAddr, u16)`,
/// `(Ipv4Addr, u16)`, `(Ipv6Addr, u16)`, `(&str, u16)`, `(String, u16)`, `str`, `String`, `[SocketAddr]`, and
/// references to these. Host names come with a later version; until then they are an error of the kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput).
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
/// let error = TcpListener::bind("localhost:0").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// # Ok(()) })
/// # }
/// ```
pub trait ToSocketAddrs: sealed::Literal {}

impl<T: sealed::Literal + ?Sized> ToSocketAddrs for T {}

/// What keeps the trait ours: looking names up will change its shape.
pub(super) mod sealed {
    use std::io;
    use std::net::SocketAddr;

    pub trait Literal {
        /// The addresses, in the order in which they are to be tried.
        fn addresses(&self) -> io::Result<Vec<SocketAddr>>;
    }
}

use sealed::Literal;

/// Implements the trait for everything that `SocketAddr` can be made from.
macro_rules! one_address {
    ($($type:ty),*) => {$(
        impl Literal for $type {
            fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl Literal for [SocketAddr] {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl<T: Literal + ?Sized> Literal for &T {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).addresses()
    }
}

impl Literal for str {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address]);
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Err(refused(self, "it has no port; an address looks like `127.0.0.1:80` or `[::1]:80`"));
        };
        if port.parse::<u16>().is_err() {
            return Err(refused(self, "its port is not a number from 0 to 65535"));
        }
        Err(refused_host(self, host))
    }
}

impl Literal for String {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().addresses()
    }
}

impl Literal for (&str, u16) {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = *self;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        // Only the bracketed spelling knows about scopes, as in `fe80::1%3`.
        match format!("[{host}]:{port}").parse() {
            Ok(address) => Ok(vec![SocketAddr::V6(address)]),
            Err(_) => Err(refused_host(host, host)),
        }
    }
}

impl Literal for (String, u16) {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).addresses()
    }
}

/// A host that is no IP address: a name, which we cannot serve yet, or a slip of the pen.
fn refused_host(all: &str, host: &str) -> io::Error {
    let in_names = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.chars().all(in_names) && host.chars().any(char::is_alphabetic) {
        return refused(all, "host names are not looked up yet; give an address such as `127.0.0.1:80`");
    }
    refused(all, "its host is not an IP address; an address looks like `127.0.0.1:80` or `[::1]:80`")
}

fn refused(what: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("cannot use the address {what:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mis_06_literals_are_taken_and_everything_else_is_refused_with_a_reason() {
        let one = |what: &dyn Literal| what.addresses().map(|all| all[0].to_string()).map_err(|e| e.to_string());
        assert_eq!(one(&"127.0.0.1:80"), Ok("127.0.0.1:80".into()));
        assert_eq!(one(&"[::1]:0".to_string()), Ok("[::1]:0".into()));
        assert_eq!(one(&"[fe80::1%3]:80"), Ok("[fe80::1%3]:80".into()));
        assert_eq!(one(&("fe80::1%3", 80)), Ok("[fe80::1%3]:80".into()));
        assert_eq!(one(&("::1".to_string(), 80)), Ok("[::1]:80".into()));
        assert_eq!(one(&(Ipv6Addr::LOCALHOST, 80)), Ok("[::1]:80".into()));
        for (text, reason) in [
            ("", "has no port"),
            ("127.0.0.1", "has no port"),
            ("127.0.0.1:", "not a number"),
            ("127.0.0.1:65536", "not a number"),
            ("127.0.0.1:-1", "not a number"),
            ("::1", "is not an IP address"),
            (":80", "is not an IP address"),
            ("1.2.3:80", "is not an IP address"),
            ("[::1%]:80", "is not an IP address"),
            ("a\0b:80", "is not an IP address"),
            ("localhost:80", "names are not looked up"),
            ("bücher.example:80", "names are not looked up"),
        ] {
            let error = text.addresses().expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert_eq!(("localhost", 80).addresses().expect_err("a name").kind(), io::ErrorKind::InvalidInput);
    }
}
