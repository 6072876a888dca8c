//! What can be asked of a UDP socket, and set: how far its messages go, and which groups it listens to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use super::UdpSocket;

/// Declares one option: how it is asked for, and how it is set.
macro_rules! option {
    ($(#[$doc:meta])* $get:ident, $set:ident: $type:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// What the system says.
        pub fn $get(&self) -> io::Result<$type> {
            self.std().$get()
        }

        #[doc = concat!("Sets [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        ///
        /// # Errors
        /// What the system says.
        pub fn $set(&self, value: $type) -> io::Result<()> {
            self.std().$set(value)
        }
    };
}

impl UdpSocket {
    /// The address of this end, with the port that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The address of the peer that [`connect`](Self::connect) has given it.
    ///
    /// # Errors
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    option! {
        /// May it send to a broadcast address (`SO_BROADCAST`)?
        broadcast, set_broadcast: bool
    }

    option! {
        /// How many routers a packet may pass (`IP_TTL`).
        ttl, set_ttl: u32
    }

    option! {
        /// Does it receive its own messages to groups of IPv4 that it has joined (`IP_MULTICAST_LOOP`)?
        multicast_loop_v4, set_multicast_loop_v4: bool
    }

    option! {
        /// Does it receive its own messages to groups of IPv6 that it has joined (`IPV6_MULTICAST_LOOP`)?
        multicast_loop_v6, set_multicast_loop_v6: bool
    }

    option! {
        /// How many routers a message to a group of IPv4 may pass (`IP_MULTICAST_TTL`); 1 keeps it in this network.
        multicast_ttl_v4, set_multicast_ttl_v4: u32
    }

    /// Receives what is sent to this group of IPv4, on the interface that has this address; unspecified, the system
    /// chooses one.
    ///
    /// # Errors
    /// What the system says: `InvalidInput` if the address is of no group.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// socket.join_multicast_v4(Ipv4Addr::new(224, 0, 0, 123), Ipv4Addr::LOCALHOST)?;
    /// socket.leave_multicast_v4(Ipv4Addr::new(224, 0, 0, 123), Ipv4Addr::LOCALHOST)?;
    /// assert!(socket.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).is_err());
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.std().join_multicast_v4(&group, &interface)
    }

    /// Receives what is sent to this group of IPv6, on the interface of this number; 0 lets the system choose one.
    ///
    /// # Errors
    /// What the system says.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.std().join_multicast_v6(group, interface)
    }

    /// Undoes [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// What the system says, if it was not joined for instance.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.std().leave_multicast_v4(&group, &interface)
    }

    /// Undoes [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// What the system says, if it was not joined for instance.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.std().leave_multicast_v6(group, interface)
    }

    /// Takes the pending error off the socket (`SO_ERROR`): that an earlier message found nobody.
    ///
    /// For whoever sends and never receives; otherwise the next operation reports it.
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// The descriptor; none in a simulated runtime. For system calls that are not offered here.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.sock.try_as_fd()
    }
}
