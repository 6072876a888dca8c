#![allow(unsafe_code, reason = "asks for the flags of inherited descriptors, and makes a named pipe")]
//! The standard streams of a process, seen from the process that started it: SHD-04, and what the issue of non-blocking wrappers
//! asks of them.

use crate::harness::{command_for, scratch_file, skipped, watch};
use crate::kit::{current_thread, multi_thread, once};
use futures_io::{AsyncRead, AsyncWrite};
use mainspring::io::{self, Stdin};
use mainspring::runtime::Runtime;
use mainspring::time::{sleep, timeout};
use std::ffi::CString;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

cases! { CASES:
    120 => [
        what_is_read_is_written_whatever_the_streams_are,
        a_terminal_is_read_and_written_and_stays_as_it_was,
        a_terminal_that_takes_nothing_stops_the_writer_and_nobody_else,
        a_reader_that_is_slow_stops_the_writer_and_nobody_else,
        shd_04_a_runtime_ends_while_somebody_waits_for_the_input,
        a_read_that_is_dropped_takes_nothing,
        two_handles_share_what_comes_and_lose_nothing,
        who_writes_to_nobody_hears_of_it,
        the_end_of_a_runtime_is_an_error_and_a_new_handle_goes_on,
    ],
}

cases! { SCRIPTS:
    120 => [
        copy_input_to_output, copy_with_several_threads, greet, write_much, write_much_to_errors, end_with_a_read_pending,
        give_up_reading, read_with_two_handles, write_to_nobody, outlive_a_runtime,
    ],
}

/// As much as no pipe holds, and no multiple of anything.
const MUCH: usize = 1_000_003;

fn flags() -> Vec<i32> {
    // SAFETY: two integers.
    (0..3).map(|fd| unsafe { libc::fcntl(fd, libc::F_GETFL) }).collect()
}

async fn read<R: AsyncRead + Unpin>(from: &mut R, buf: &mut [u8]) -> std::io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *from).poll_read(cx, buf)).await
}

async fn write_all<W: AsyncWrite + Unpin>(to: &mut W, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| Pin::new(&mut *to).poll_write(cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    poll_fn(|cx| Pin::new(&mut *to).poll_flush(cx)).await
}

/// Bytes of which no two neighbourhoods are alike.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(at).wrapping_add(at >> 8) >> 3) as u8).collect()
}

/// The script's end: anything that is left of it must not hold up the case.
fn end(mut child: Child) {
    let status = watch(&mut child, Duration::from_secs(60));
    let _ = child.kill();
    let _ = child.wait();
    assert!(status.expect("it ends").success(), "the script has failed");
}

fn copy(runtime: &Runtime) {
    let before = flags();
    runtime.block_on(async {
        let (mut input, mut output, mut buf) = (io::stdin(), io::stdout(), vec![0; 50_000]);
        loop {
            match read(&mut input, &mut buf).await.expect("it can be read") {
                0 => break,
                count => write_all(&mut output, &buf[..count]).await.expect("it can be written"),
            }
        }
        assert_eq!(read(&mut input, &mut buf).await.expect("the end stays the end"), 0);
        assert_eq!(read(&mut input, &mut []).await.expect("nothing is asked for"), 0);
        assert_eq!(flags(), before, "while the streams are in use");
    });
    assert_eq!(flags(), before);
}

fn copy_input_to_output() {
    copy(&current_thread());
}

fn copy_with_several_threads() {
    copy(&multi_thread(2));
}

/// Runs the copying script with this for input, fed by `feed` if there is a way to feed it.
fn copied(script: &str, input: impl Into<Stdio>, feed: impl FnOnce(&mut Child) + Send) -> Vec<u8> {
    let mut child = command_for(script).stdin(input).stdout(Stdio::piped()).spawn().expect("it can be started");
    let mut output = child.stdout.take().expect("it was asked for");
    let mut all = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| output.read_to_end(&mut all).expect("it can be read"));
        feed(&mut child);
        drop(child.stdin.take());
    });
    end(child);
    all
}

fn what_is_read_is_written_whatever_the_streams_are() {
    let much = pattern(MUCH);
    let (from, to) = (scratch_file("input"), scratch_file("output"));
    fs::write(&from, &much).expect("there is room");
    for script in ["copy_input_to_output", "copy_with_several_threads"] {
        let pipe = copied(script, Stdio::piped(), |child| {
            let input = child.stdin.as_mut().expect("it was asked for");
            much.chunks(77_777).for_each(|piece| input.write_all(piece).expect("it reads"));
        });
        assert!(pipe == much, "{script}: pipes");
        assert!(copied(script, File::open(&from).expect("it is there"), |_| ()) == much, "{script}: a file");
        assert!(copied(script, Stdio::null(), |_| ()).is_empty(), "{script}: /dev/null");
        assert!(copied(script, File::open("/dev/null").expect("it is there"), |_| ()).is_empty());
        assert!(through_sockets(script, &much) == much, "{script}: sockets");
        assert!(through_a_named_pipe(script, &much) == much, "{script}: a named pipe");
        let (input, output) = (File::open(&from).expect("it is there"), File::create(&to).expect("there is room"));
        end(command_for(script).stdin(input).stdout(output).spawn().expect("it can be started"));
        assert!(fs::read(&to).expect("it was written") == much, "{script}: file to file");
        let mut closed = Command::new("sh");
        closed.args(["-c", "exec \"$0\" --child \"$1\" <&- >&-"]).arg(std::env::current_exe().expect("Linux knows"));
        end(closed.arg(script).spawn().expect("every Unix has it"));
    }
    let _ = (fs::remove_file(&from), fs::remove_file(&to));
}

fn through_sockets(script: &str, much: &[u8]) -> Vec<u8> {
    let (near, far) = UnixStream::pair().expect("descriptors are to be had");
    let far = OwnedFd::from(far);
    let output = Stdio::from(far.try_clone().expect("descriptors are to be had"));
    let mut command = command_for(script);
    let child = command.stdin(far).stdout(output).spawn().expect("it can be started");
    drop(command);
    let mut all = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&near).write_all(much).expect("it reads");
            near.shutdown(std::net::Shutdown::Write).expect("it is open");
        });
        (&near).read_to_end(&mut all).expect("it can be read");
    });
    end(child);
    all
}

fn through_a_named_pipe(script: &str, much: &[u8]) -> Vec<u8> {
    let path = scratch_file(&format!("fifo-{script}"));
    let name = CString::new(path.as_os_str().as_bytes()).expect("no zero in it");
    // SAFETY: the name lives across the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Opened for both, so that neither opening waits for the other.
    let both = File::options().read(true).write(true).open(&path).expect("it was just made");
    let (reader, mut writer) =
        (File::open(&path).expect("as above"), File::options().write(true).open(&path).expect("as above"));
    drop(both);
    let all = copied(script, reader, |_| {
        writer.write_all(much).expect("it reads");
        drop(writer);
    });
    let _ = fs::remove_file(&path);
    all
}

/// Says a word, waits for one, and says what it was.
fn greet() {
    let before = flags();
    current_thread().block_on(async {
        let (mut input, mut output, mut buf) = (io::stdin(), io::stdout(), [0; 64]);
        write_all(&mut output, b"who?\n").await.expect("it is a terminal");
        let count = read(&mut input, &mut buf).await.expect("it is a terminal");
        let shown = format!("{input:?}");
        write_all(&mut output, &[b"hello ", &buf[..count]].concat()).await.expect("it is a terminal");
        write_all(&mut output, shown.as_bytes()).await.expect("it is a terminal");
        let end = read(&mut input, &mut buf).await.expect("it is a terminal");
        assert_eq!(end, 0, "the terminal's own end of input");
    });
    assert_eq!(flags(), before);
}

/// A command that runs a script on a terminal of its own; what is written to the command is typed there. Some of its streams
/// may be redirected, in the shell's words.
fn on_a_terminal(script: &str, redirected: &str) -> Option<Command> {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        skipped("there is no `script` here to make a terminal with");
        return None;
    }
    let program = std::env::current_exe().expect("Linux says where a program lies");
    let line = format!("'{}' --child {script} {redirected}", program.display());
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(command)
}

fn a_terminal_is_read_and_written_and_stays_as_it_was() {
    let Some(mut command) = on_a_terminal("greet", "") else { return };
    let mut child = command.spawn().expect("it was just asked for its version");
    let mut input = child.stdin.take().expect("it was asked for");
    let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it can be read");
    assert_eq!(line.trim_end(), "who?");
    input.write_all(b"world\n").expect("it reads");
    while !line.contains("hello world") {
        line.clear();
        assert!(output.read_line(&mut line).expect("it can be read") > 0, "no greeting");
    }
    input.write_all(&[4]).expect("it reads");
    line.clear();
    output.read_to_string(&mut line).expect("it can be read");
    assert!(line.contains("way: Own"), "{line}");
    drop(input);
    end(child);
}

/// Writes much, and says by lines on the other stream how often others had their turn meanwhile.
fn write_and_count<W: AsyncWrite + Unpin + Send + 'static>(mut to: W, mut say: impl FnMut(usize)) {
    let before = flags();
    current_thread().block_on(async {
        let mut writing = mainspring::spawn(async move { write_all(&mut to, &pattern(MUCH)).await });
        let mut turns = 0;
        while timeout(Duration::from_millis(1), &mut writing).await.is_err() {
            turns += 1;
            say(turns);
        }
    });
    assert_eq!(flags(), before);
}

fn write_much() {
    write_and_count(io::stdout(), |turns| eprintln!("{turns}"));
}

fn write_much_to_errors() {
    write_and_count(io::stderr(), |turns| println!("{turns}"));
}

/// Reads the counting lines of a script whose output nobody reads: they go on.
fn counts_on(counts: impl std::io::Read) -> impl std::io::Read {
    let mut lines = BufReader::new(counts);
    let mut line = String::new();
    while line.trim() != "50" {
        line.clear();
        assert!(lines.read_line(&mut line).expect("it can be read") > 0, "the loop has stopped");
    }
    lines
}

fn a_reader_that_is_slow_stops_the_writer_and_nobody_else() {
    let start =
        |script| command_for(script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    for script in ["write_much", "write_much_to_errors"] {
        let mut child = start(script);
        let mut streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("asked for")), Box::new(child.stderr.take().expect("asked for"))];
        if script == "write_much_to_errors" {
            streams.reverse();
        }
        let [mut much, counts] = streams;
        let mut counts = counts_on(counts);
        let mut all = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| much.read_to_end(&mut all).expect("it can be read"));
            counts.read_to_end(&mut Vec::new()).expect("it can be read");
        });
        end(child);
        assert!(all == pattern(MUCH), "{script}: all of it, in order");
    }
}

fn a_terminal_that_takes_nothing_stops_the_writer_and_nobody_else() {
    // The counts would go to the terminal, too; a file takes them.
    let counts = scratch_file("counts");
    let redirected = format!("2>'{}'", counts.display());
    let Some(mut command) = on_a_terminal("write_much", &redirected) else { return };
    let mut child = command.spawn().expect("it was just asked for its version");
    crate::probe::eventually("the loop goes on", || {
        fs::read_to_string(&counts).is_ok_and(|counts| counts.lines().count() >= 50)
    });
    let mut all = Vec::new();
    child.stdout.take().expect("it was asked for").read_to_end(&mut all).expect("it can be read");
    assert!(all.len() >= MUCH, "the terminal adds to some bytes and takes none away");
    end(child);
    let _ = fs::remove_file(&counts);
}

fn end_with_a_read_pending() {
    for runtime in [current_thread(), multi_thread(2)] {
        let reading = runtime.spawn(async { read(&mut io::stdin(), &mut [0; 64]).await });
        runtime.block_on(async {
            assert!(once(read(&mut io::stdin(), &mut [0; 64])).await.is_none(), "nobody writes");
            sleep(Duration::from_millis(5)).await;
        });
        assert!(!reading.is_finished());
        assert!(runtime.shutdown_timeout(Duration::from_secs(30)).is_complete(), "no thread is left in a read");
    }
}

fn shd_04_a_runtime_ends_while_somebody_waits_for_the_input() {
    let mut child = command_for("end_with_a_read_pending").stdin(Stdio::piped()).spawn().expect("it can be started");
    let input = child.stdin.take();
    end(child);
    drop(input);
    if let Some(mut command) = on_a_terminal("end_with_a_read_pending", "") {
        let mut child = command.spawn().expect("it was just asked for its version");
        let input = child.stdin.take();
        end(child);
        drop(input);
    }
}

fn give_up_reading() {
    current_thread().block_on(async {
        let (mut input, mut output, mut buf) = (io::stdin(), io::stdout(), [0; 512]);
        loop {
            // A read is polled once and dropped before every other.
            let read = match once(read(&mut input, &mut buf)).await {
                Some(read) => read,
                None => match timeout(Duration::from_micros(100), read(&mut input, &mut buf)).await {
                    Ok(read) => read,
                    Err(_) => continue,
                },
            };
            match read.expect("it can be read") {
                0 => break,
                count => write_all(&mut output, &buf[..count]).await.expect("it can be written"),
            }
        }
    });
}

fn a_read_that_is_dropped_takes_nothing() {
    let much = pattern(100_003);
    let all = copied("give_up_reading", Stdio::piped(), |child| {
        let input = child.stdin.as_mut().expect("it was asked for");
        for piece in much.chunks(1_009) {
            input.write_all(piece).expect("it reads");
            thread::sleep(Duration::from_micros(300));
        }
    });
    assert!(all == much);
    let from = scratch_file("given-up");
    fs::write(&from, &much).expect("there is room");
    assert!(
        copied("give_up_reading", File::open(&from).expect("it is there"), |_| ()) == much,
        "what a job has read is kept"
    );
    let _ = fs::remove_file(&from);
}

fn read_with_two_handles() {
    let runtime = multi_thread(2);
    let total = Arc::new(AtomicUsize::new(0));
    let readers = [io::stdin(), io::stdin()].map(|mut input: Stdin| {
        let total = total.clone();
        runtime.spawn(async move {
            let mut buf = [0; 1_000];
            while let count @ 1.. = read(&mut input, &mut buf).await.expect("it can be read") {
                total.fetch_add(count, Ordering::Relaxed);
            }
        })
    });
    for reader in readers {
        runtime.block_on(reader).expect("no panic");
    }
    runtime.block_on(async {
        let total = total.load(Ordering::Relaxed).to_string();
        write_all(&mut io::stdout(), total.as_bytes()).await.expect("it can be written");
    });
}

fn two_handles_share_what_comes_and_lose_nothing() {
    let all = copied("read_with_two_handles", Stdio::piped(), |child| {
        let input = child.stdin.as_mut().expect("it was asked for");
        pattern(MUCH).chunks(4_099).for_each(|piece| input.write_all(piece).expect("it reads"));
    });
    assert_eq!(String::from_utf8_lossy(&all), MUCH.to_string());
}

fn write_to_nobody() {
    current_thread().block_on(async {
        let mut output = io::stdout();
        let error = write_all(&mut output, &pattern(MUCH)).await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let error = write_all(&mut output, b"x").await.expect_err("still nobody");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

fn who_writes_to_nobody_hears_of_it() {
    let mut child = command_for("write_to_nobody").stdout(Stdio::piped()).spawn().expect("it can be started");
    let mut output = child.stdout.take().expect("it was asked for");
    output.read_exact(&mut [0; 10]).expect("it writes");
    drop(output);
    end(child);
}

fn outlive_a_runtime() {
    let mut input = io::stdin();
    let first = current_thread();
    first.block_on(async { assert!(once(read(&mut input, &mut [0; 64])).await.is_none()) });
    drop(first);
    current_thread().block_on(async {
        let error = read(&mut input, &mut [0; 64]).await.expect_err("its runtime is gone");
        assert!(error.to_string().contains("shut down"), "{error}");
        write_all(&mut io::stdout(), b"go on").await.expect("it can be written");
        let mut buf = [0; 64];
        let count = read(&mut io::stdin(), &mut buf).await.expect("a new handle");
        write_all(&mut io::stdout(), &buf[..count]).await.expect("it can be written");
    });
}

fn the_end_of_a_runtime_is_an_error_and_a_new_handle_goes_on() {
    let mut child = command_for("outlive_a_runtime")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let (mut input, mut output) = (child.stdin.take().expect("asked for"), child.stdout.take().expect("asked for"));
    let mut said = [0; 5];
    output.read_exact(&mut said).expect("it says so");
    assert_eq!(&said, b"go on");
    input.write_all(b"here").expect("it reads");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("it can be read");
    assert_eq!(rest, "here");
    end(child);
}
