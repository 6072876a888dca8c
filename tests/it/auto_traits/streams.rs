//! The rows of what streams have in common, and of the standard ones.

use super::{RefUnwindSafe, Row, UnwindSafe};
use mainspring::io;
use mainspring::net::TcpStream;
use mainspring::process::{self, ChildStderr, ChildStdin, ChildStdout};
use std::marker::PhantomData;

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        io::Stdin: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        io::Stdout: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        io::SendFile<'static, TcpStream>: "Send Sync Unpin";
        io::Splice<'static, TcpStream, TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        io::SpliceBidirectional<'static, TcpStream, TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        io::Stderr: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        process::Read<'static, ChildStdout>: "Send Sync Unpin RefUnwindSafe";
        process::ReadExact<'static, ChildStdout>: "Send Sync Unpin RefUnwindSafe";
        process::ReadToEnd<'static, ChildStderr>: "Send Sync Unpin RefUnwindSafe";
        process::Readable<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        process::Write<'static, ChildStdin>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        process::WriteAll<'static, ChildStdin>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        process::Writable<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
