//! SND-01: which types may go to other threads, be moved when pinned, and be used after a panic. A change of any of
//! these is a change of the interface, so all of them stand in one table, and a type that is missing fails the test.

use mainspring::fs::{
    self, Act, DirEntry, File, NextEntry, OpenOptions, Operation, ReadDir, ReadFile, ReadToEnd, ReadToString,
};
use mainspring::group::{
    self, BlockScope, CancellationToken, Cancelled, CancelledOwned, ChildError, DropGuard, Failure, Filled, GroupError,
    JoinNext, JoinNextWithId, JoinSet, LocalChild, LocalScope, MapOn, On, Scope, ScopeLocal, ScopedChild, Shield,
    SpawnWait, TaskGroup, Within,
};
use mainspring::net::tcp::{
    Accept, Connect, OwnedReadHalf, OwnedWriteHalf, Peek, Read, ReadExact, ReadHalf, ReadVectored, Readable,
    ReuniteError, Writable, Write, WriteAll, WriteHalf, WriteVectored,
};
use mainspring::net::udp::{PeekFrom, Recv, RecvFrom, SendTo};
use mainspring::net::unix::{RecvFds, SendFds, UCred};
use mainspring::net::{
    Addresses, AsyncFd, FdReady, Interest, LookupHost, ReadyGuard, TcpListener, TcpSocket, TcpStream, TryIoError,
    UdpSocket, UnixDatagram, UnixListener, UnixStream, udp, unix,
};
use mainspring::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Kill, Status, Wait, WaitWithOutput};
use mainspring::runtime::{
    self, EnterGuard, Handle, Runtime, ShutdownReport, TaskInfo, TryCurrentError, UnhandledPanic,
};
use mainspring::signal::{self, CtrlC, Signal, SignalKind};
use mainspring::task::{
    self, AbortHandle, AccessError, BlockingPermit, CancelCause, Id, JoinError, JoinHandle, Local, LocalKey, QueueFull,
    ReserveBlocking, SpawnLocalError, TaskLocalFuture, YieldNow,
};
use mainspring::thread::{self, Stop};
use mainspring::time::{Elapsed, Instant, Interval, MissedTickBehavior, Sleep, Tick, Timeout};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::{Pending, Ready};
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::rc::Rc;

/// Whether a type has a trait: its own constant wins over that of the blanket implementation only if the bound holds.
macro_rules! has {
    ($type:ty: $trait:ident) => {{
        #[allow(dead_code, reason = "one of the two is chosen")]
        trait HasNot {
            const HAS: bool = false;
        }
        impl<T: ?Sized> HasNot for T {}
        struct Probe<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "one of the two is chosen")]
        impl<T: ?Sized + $trait> Probe<T> {
            const HAS: bool = true;
        }
        <Probe<$type>>::HAS
    }};
}

/// A row: the type, what it should have, and what it has.
macro_rules! table {
    ($($type:ty: $expected:literal;)*) => {
        [$((
            stringify!($type),
            $expected,
            [
                ("Send", has!($type: Send)),
                ("Sync", has!($type: Sync)),
                ("Unpin", has!($type: Unpin)),
                ("UnwindSafe", has!($type: UnwindSafe)),
                ("RefUnwindSafe", has!($type: RefUnwindSafe)),
            ],
        )),*]
    };
}

/// Send, but not Sync.
type SendOnly = Cell<u8>;
/// Neither.
type Neither = Rc<u8>;

type Row = (&'static str, &'static str, [(&'static str, bool); 5]);

fn rows() -> Vec<Row> {
    [rows_of_tasks_and_time(), rows_of_sockets(), rows_of_later_doors(), rows_of_groups(), lock_rows::rows()].concat()
}

mod channel_rows;
mod combine_rows;
mod file_rows;
mod io_rows;
mod local_rows;
mod lock_rows;
mod streams;

#[rustfmt::skip]
fn rows_of_tasks_and_time() -> Vec<Row> {
    table! {
        JoinHandle<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        JoinHandle<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        JoinHandle<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        JoinHandle<PhantomPinned>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        AbortHandle: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        JoinError: "Send Sync Unpin";
        CancelCause: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Id: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        YieldNow: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        QueueFull<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        QueueFull<SendOnly>: "Send Unpin UnwindSafe";
        QueueFull<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        ReserveBlocking: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        BlockingPermit: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SpawnLocalError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        task::Builder: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        LocalKey<Neither>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TaskLocalFuture<SendOnly, Ready<u8>>: "Send Unpin";
        TaskLocalFuture<Neither, Ready<u8>>: "Unpin";
        TaskLocalFuture<u8, PhantomPinned>: "Send Sync";
        AccessError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Local<u8>: "Unpin";
        MapOn<u8>: "Send Unpin";
        group::Next<'static, u8>: "Send Unpin";
        On: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Filled<Neither>: "Unpin";

        runtime::Builder: "Send Sync Unpin";
        Runtime: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Handle: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TryCurrentError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        EnterGuard<'static>: "Unpin UnwindSafe RefUnwindSafe";
        ShutdownReport: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TaskInfo: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        UnhandledPanic<'static>: "Unpin";

        Sleep: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Timeout<Ready<u8>>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Timeout<Ready<SendOnly>>: "Send Unpin UnwindSafe";
        Timeout<Ready<Neither>>: "Unpin UnwindSafe RefUnwindSafe";
        Timeout<Pending<Neither>>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Timeout<PhantomPinned>: "Send Sync UnwindSafe RefUnwindSafe";
        Interval: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Tick<'static>: "Send Sync Unpin RefUnwindSafe";
        thread::Builder: "Send Sync Unpin";
        Stop: "Send Sync Unpin";

        Instant: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Elapsed: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        MissedTickBehavior: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}

#[rustfmt::skip]
fn rows_of_sockets() -> Vec<Row> {
    table! {
        Addresses: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        LookupHost: "Send Sync Unpin";
        TcpListener: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TcpStream: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TcpSocket: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OwnedReadHalf: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        OwnedWriteHalf: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ReadHalf<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        WriteHalf<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ReuniteError<TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Accept<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Connect: "Send Sync Unpin";
        Read<'static, TcpStream>: "Send Sync Unpin RefUnwindSafe";
        ReadExact<'static, TcpStream>: "Send Sync Unpin RefUnwindSafe";
        ReadVectored<'static, 'static, TcpStream>: "Send Sync Unpin RefUnwindSafe";
        Peek<'static>: "Send Sync Unpin RefUnwindSafe";
        Readable<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Writable<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Write<'static, TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        WriteAll<'static, TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        WriteVectored<'static, 'static, TcpStream>: "Send Sync Unpin UnwindSafe RefUnwindSafe";

        UdpSocket: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Recv<'static, UdpSocket>: "Send Sync Unpin RefUnwindSafe";
        RecvFrom<'static, UdpSocket>: "Send Sync Unpin RefUnwindSafe";
        udp::Peek<'static>: "Send Sync Unpin RefUnwindSafe";
        PeekFrom<'static>: "Send Sync Unpin RefUnwindSafe";
        udp::Send<'static, UdpSocket>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SendTo<'static>: "Send Sync Unpin";

        UnixStream: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        UnixListener: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        UnixDatagram: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::OwnedReadHalf: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::OwnedWriteHalf: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::Connect: "Send Sync Unpin";
        unix::Accept<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::SendTo<'static>: "Send Sync Unpin";
        unix::Read<'static, UnixStream>: "Send Sync Unpin RefUnwindSafe";
        unix::SocketAddr: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SendFds<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        RecvFds<'static>: "Send Sync Unpin RefUnwindSafe";
        unix::pipe::Sender: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::pipe::Receiver: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        unix::pipe::OpenOptions: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        AsyncFd<std::fs::File>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        FdReady<'static, std::fs::File>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ReadyGuard<'static, std::fs::File>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Interest: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TryIoError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        UCred: "Send Sync Unpin UnwindSafe RefUnwindSafe";
    }
    .to_vec()
}

#[rustfmt::skip]
fn rows_of_later_doors() -> Vec<Row> {
    table! {
        Signal: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        SignalKind: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        signal::Recv<'static>: "Send Sync Unpin RefUnwindSafe";
        CtrlC: "Send Sync Unpin";

        Command: "Send Sync Unpin";

        Child: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ChildStdin: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ChildStdout: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ChildStderr: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Wait<'static>: "Send Sync Unpin RefUnwindSafe";
        Kill<'static>: "Send Sync Unpin";
        Status: "Send Sync Unpin";
        WaitWithOutput: "Send Sync Unpin";
    }
    .into_iter()
    .chain(channel_rows::rows())
    .chain(channel_rows::rows_of_mpsc())
    .chain(combine_rows::rows())
    .chain(file_rows::rows())
    .chain(io_rows::rows())
    .chain(local_rows::rows())
    .chain(streams::rows())
    .collect()
}

#[rustfmt::skip]
fn rows_of_groups() -> Vec<Row> {
    table! {
        CancellationToken: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Cancelled<'static>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        CancelledOwned: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        DropGuard: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        group::Builder: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TaskGroup<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        TaskGroup<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        group::Child<u8>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        group::Child<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        group::Child<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        ChildError: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        Failure<u8>: "Send Sync Unpin";
        Failure<SendOnly>: "Send Unpin";
        GroupError<u8>: "Send Sync Unpin";
        GroupError<Neither>: "Unpin";
        Scope<u8, Ready<u8>, u8, u8>: "Send Unpin UnwindSafe";
        Scope<Neither, Ready<u8>, u8, u8>: "Unpin UnwindSafe";
        Scope<u8, Ready<Neither>, u8, u8>: "Unpin UnwindSafe";
        Scope<u8, Ready<u8>, u8, Neither>: "Unpin UnwindSafe";
        SpawnWait<'static, SendOnly, u8>: "Send Unpin";
        SpawnWait<'static, Neither, u8>: "Unpin";
        Within<Ready<SendOnly>>: "Send Unpin UnwindSafe";
        Within<Ready<Neither>>: "Unpin UnwindSafe";
        Shield<Ready<SendOnly>>: "Send Unpin UnwindSafe";
        Shield<Ready<Neither>>: "Unpin UnwindSafe";
        BlockScope<'static, 'static, SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        BlockScope<'static, 'static, Neither>: "Unpin UnwindSafe RefUnwindSafe";
        ScopedChild<'static, SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        ScopedChild<'static, Neither>: "Unpin UnwindSafe RefUnwindSafe";
        ScopeLocal<'static, u8, Ready<u8>, u8, u8>: "Unpin";
        LocalScope<'static, u8>: "Unpin";
        LocalChild<SendOnly>: "Send Sync Unpin";
        LocalChild<Neither>: "Unpin";
        JoinSet<SendOnly>: "Send Sync Unpin UnwindSafe RefUnwindSafe";
        JoinSet<Neither>: "Unpin UnwindSafe RefUnwindSafe";
        JoinNext<'static, u8>: "Send Sync Unpin RefUnwindSafe";
        JoinNextWithId<'static, u8>: "Send Sync Unpin RefUnwindSafe";
    }
    .to_vec()
}

#[test]
fn snd_01_every_type_has_the_auto_traits_that_the_table_says() {
    let mut wrong = Vec::new();
    for (name, expected, has) in rows() {
        let has = has.into_iter().filter_map(|(name, has)| has.then_some(name)).collect::<Vec<_>>().join(" ");
        if has != expected {
            wrong.push(format!("{name}\n  has        {has}\n  should have {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_probe_tells_types_apart() {
    assert!(has!(u8: Send) && has!(SendOnly: Send) && !has!(Neither: Send));
    assert!(has!(u8: Sync) && !has!(SendOnly: Sync) && !has!(Neither: Sync));
    assert!(!has!(PhantomPinned: Unpin) && !has!(&mut u8: UnwindSafe) && !has!(SendOnly: RefUnwindSafe));
}

#[test]
fn snd_01_no_public_type_is_missing_from_the_table() {
    // The doors list what they give out in their `mod.rs`, by `pub use`.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let doors = [
        "lib.rs",
        "task/mod.rs",
        "runtime/mod.rs",
        "thread/mod.rs",
        "time/mod.rs",
        "net/mod.rs",
        "net/tcp/mod.rs",
        "net/udp/mod.rs",
        "net/unix/mod.rs",
        "io/mod.rs",
        "io/stream/mod.rs",
        "signal/mod.rs",
        "fs/mod.rs",
        "process/mod.rs",
        "sync/mod.rs",
        "sync/broadcast/mod.rs",
        "sync/queue/mod.rs",
        "sync/watch/mod.rs",
        "sync/mpsc/mod.rs",
        "group/mod.rs",
    ];
    let mut public = BTreeSet::new();
    for door in doors {
        let text = std::fs::read_to_string(source.join(door)).unwrap();
        for statement in text.split("pub use ").skip(1) {
            public.extend(types_in(statement.split(';').next().unwrap()));
        }
    }
    let rows = rows();
    let listed: BTreeSet<&str> = rows.iter().map(|(name, ..)| bare(name)).collect();
    // Names that are std's, a trait, or another name for a type that is listed; `Wait` is what all futures of `sync` are.
    let others = "Wait Kind Duration ToSocketAddrs TaskBuilder ExitStatus Output Stdio \
                  AsyncRead AsyncWrite AsyncBufRead AsyncSeek AsyncReadExt AsyncWriteExt AsyncBufReadExt";
    let missing: Vec<_> = public
        .iter()
        .filter(|name| !listed.contains(name.as_str()) && !others.split(' ').any(|other| other == name.as_str()))
        .collect();
    assert!(public.len() > 30, "the doors have been found: {public:?}");
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    // The modules of pipes and of channels declare their types where they are, and so does that of operations on other people's
    // streams.
    let elsewhere = "Sender Receiver OpenOptions Closed RecvError SendError Queue PutError TryPutError GetError TryGetError \
                     TryRecvError TrySendError Flush Close ReadUntil ReadLine NextLine";
    public.extend(elsewhere.split(' ').map(str::to_owned));
    let gone: Vec<_> = listed.iter().filter(|name| !public.contains(**name)).collect();
    assert!(gone.is_empty(), "in the table, but not public any more: {gone:?}");
}

/// The type names of a `pub use`; of one that renames, the new name.
fn types_in(uses: &str) -> Vec<String> {
    let names = uses.split([',', '{', '}']).filter_map(|part| {
        let name = part.rsplit(" as ").next()?.rsplit("::").next()?.trim();
        name.starts_with(|first: char| first.is_ascii_uppercase()).then(|| name.to_owned())
    });
    names.collect()
}

/// A type's name without its path and its parameters.
fn bare(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name).trim()
}
