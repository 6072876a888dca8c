//! The rows of the combinators, and of other forms of groups.

use super::*;
use mainspring::group::{Backoff, Combined, Gather, GatherAll, Hedge, Race, RaceOk};

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    table! {
        Combined<Race<Ready<SendOnly>>>: "Send Unpin";
        Combined<Race<Ready<Neither>>>: "Unpin";
        Race<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        RaceOk<u8, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Gather<u8, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        GatherAll<Ready<u8>>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Hedge<u8, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Backoff: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
