//! The rows of what moves bytes on anybody's streams.

use super::*;
use mainspring::io;

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        io::DuplexStream: "Send Sync Unpin";
        io::BufReader<SendOnly>: "Send Unpin UnwindSafe";
        io::BufWriter<SendOnly>: "Send Unpin UnwindSafe";
        io::Lines<SendOnly>: "Send Unpin UnwindSafe";
        io::ReadHalf<SendOnly>: "Send Sync Unpin";
        io::WriteHalf<Neither>: "Unpin";
        io::Copy<'static, SendOnly, Neither>: "Unpin";
        io::Copy<'static, SendOnly, SendOnly>: "Send Unpin";
        io::CopyBidirectional<'static, io::DuplexStream, SendOnly>: "Send Unpin";
        io::ext::Read<'static, SendOnly>: "Send Unpin";
        io::ext::ReadExact<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::ReadToEnd<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::ReadToString<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::Write<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::WriteAll<'static, Neither>: "Unpin RefUnwindSafe";
        io::ext::Flush<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::Close<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::ReadUntil<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::ReadLine<'static, io::DuplexStream>: "Send Sync Unpin";
        io::ext::NextLine<'static, io::DuplexStream>: "Send Sync Unpin";
    }
    .to_vec()
}
