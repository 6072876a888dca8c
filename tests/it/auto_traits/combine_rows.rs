//! The rows of the combinators, and of other forms of groups.

use super::*;
use mainspring::group::{
    AsCompleted, Backoff, ChildBuilder, Combined, Gather, GatherAll, Hedge, Nest, Nested, NextCompleted,
    NextCompletedWithId, Race, RaceOk, ScopeSend, SendScope,
};

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
        SendScope<'static, SendOnly>: "Send Sync Unpin";
        SendScope<'static, Neither>: "Unpin";
        ScopeSend<'static, u8, Ready<u8>, u8, u8>: "Send Unpin";
        ScopeSend<'static, Neither, Ready<u8>, u8, u8>: "Unpin";
        ScopeSend<'static, u8, Ready<Neither>, u8, u8>: "Unpin";
        ScopeSend<'static, u8, Ready<u8>, u8, Neither>: "Unpin";
        Nest<Neither, u8>: "Unpin";
        Nested<u8, Ready<u8>, u8, u8, Neither>: "Unpin";
        AsCompleted<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        AsCompleted<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        NextCompleted<'static, u8>: "Send Sync Unpin RefUnwindSafe";
        NextCompletedWithId<'static, u8>: "Send Sync Unpin RefUnwindSafe";
        ChildBuilder<'static, u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Backoff: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}
