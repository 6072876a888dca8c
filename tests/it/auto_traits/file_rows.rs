//! The rows of files.

use super::*;

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        File: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OpenOptions: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        DirEntry: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ReadDir: "Send Sync Unpin";
        NextEntry<'static>: "Send Sync Unpin";
        Operation<u8>: "Send Unpin";
        Operation<SendOnly>: "Send Unpin";
        ReadFile: "Send Unpin";
        ReadToString: "Send Unpin";
        Act<'static, u8>: "Send Unpin";
        ReadToEnd<'static>: "Send Sync Unpin RefUnwindSafe";
        fs::Read<'static>: "Send Sync Unpin RefUnwindSafe";
        fs::ReadExact<'static>: "Send Sync Unpin RefUnwindSafe";
        fs::ReadVectored<'static, 'static>: "Send Sync Unpin RefUnwindSafe";
        fs::Write<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        fs::WriteAll<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        fs::WriteVectored<'static, 'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
