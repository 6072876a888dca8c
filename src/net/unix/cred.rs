//! Who is at the other end.

/// The process, user and group of a peer, as they were when it connected; see
/// [`UnixStream::peer_cred`](super::UnixStream::peer_cred).
///
/// For deciding by who asks, without a password: the kernel says it, and the peer cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UCred {
    /// The process.
    pub(super) pid: Option<i32>,
    /// The user.
    pub(super) uid: u32,
    /// The group.
    pub(super) gid: u32,
}

impl UCred {
    /// The process, unless it is one that has no number here. The process may be gone, and its number another's.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}
