//! A process supervisor: keeps commands running, and shows what they say.
//!
//! Each command runs in a shell that leads a group of its own. When it ends it is started again, after a wait that doubles
//! each time and is short again once it ran for a while. On ctrl-c or SIGTERM each group is sent SIGTERM; what has not ended two
//! seconds later is killed, grandchildren too, and everything is reaped.
//!
//! Run it: `cargo run --example supervise -- web='python3 -m http.server 8000' tick='date; sleep 2'`. With `--demo` it
//! supervises three shells that misbehave, and checks what became of them.

use mainspring::group::CancellationToken;
use mainspring::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use mainspring::runtime::Runtime;
use mainspring::select;
use mainspring::signal::{SignalKind, signal};
use mainspring::time::{Duration, Instant, sleep, timeout};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

const USAGE: &str = "usage: supervise NAME=COMMAND...   or   supervise --demo
  Each COMMAND is run by `sh -c`, its output shown with NAME in front, and started again when it ends.
  Ctrl-c or SIGTERM ends all of them: SIGTERM to each group, SIGKILL two seconds later.";

/// The wait before the first start again; it doubles up to the second of these.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Who ran for so long is not failing over and over.
const STEADY: Duration = Duration::from_secs(10);
/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// A longer line is shown in pieces.
const LINE_MAX: usize = 16 << 10;

/// Takes one line, without its end.
type Show = Arc<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Keeps one command running until told to stop; says how often it was started.
async fn supervise(name: String, command: String, show: Show, stop: CancellationToken) -> io::Result<u32> {
    let (mut wait, mut starts) = (BACK_OFF.0, 0);
    loop {
        let began = Instant::now();
        let status = run_once(&name, &command, &show, &stop).await?;
        starts += 1;
        if stop.is_cancelled() {
            show(&name, format!("({status}; the end)").as_bytes());
            return Ok(starts);
        }
        if began.elapsed() >= STEADY {
            wait = BACK_OFF.0;
        }
        show(&name, format!("({status}; starts again in {wait:?})").as_bytes());
        select! {
            _ = stop.cancelled() => return Ok(starts),
            _ = sleep(wait) => wait = (2 * wait).min(BACK_OFF.1),
        }
    }
}

/// Runs the command to its end, be that its own wish or ours.
async fn run_once(name: &str, command: &str, show: &Show, stop: &CancellationToken) -> io::Result<ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")]) // one pipe, so that what it says stays in order
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_group(true) // whoever is left of it ends with it
        .kill_on_drop(true)
        .spawn()?;
    let reader = child.stdout.take().map(|pipe| mainspring::spawn(show_lines(pipe, name.to_owned(), show.clone())));
    let status = select! {
        status = child.wait() => Some(status?),
        _ = stop.cancelled() => None,
    };
    let status = match status {
        Some(status) => status,
        None => end(&mut child).await?,
    };
    // The group is gone, and its ends of the pipe with it, but for who has left the group.
    if let Some(reader) = reader {
        let abort = reader.abort_handle();
        if timeout(GRACE, reader).await.is_err() {
            abort.abort();
        }
    }
    Ok(status)
}

/// Asks the whole group to end, and then makes it.
async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // It was not waited for yet, so its number, which is that of its group, is still its own.
    if let Some(id) = child.id() {
        Command::new("kill").args(["-TERM", "--", &format!("-{id}")]).stderr(Stdio::null()).status().await?;
    }
    if let Ok(status) = timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

async fn show_lines(pipe: ChildStdout, name: String, show: Show) -> io::Result<()> {
    let (mut buf, mut partial) = (vec![0; 8 << 10], Vec::new());
    loop {
        let count = pipe.read(&mut buf).await?;
        for piece in buf[..count].split_inclusive(|&byte| byte == b'\n') {
            partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || partial.len() >= LINE_MAX {
                show(&name, partial.trim_ascii_end());
                partial.clear();
            }
        }
        if count == 0 {
            if !partial.is_empty() {
                show(&name, &partial);
            }
            return Ok(());
        }
    }
}

/// Runs all of them until somebody asks for the end.
async fn run(commands: Vec<(String, String)>) -> io::Result<()> {
    // Listening begins before the first start: a signal in between must not leave children behind.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let width = commands.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let show: Show = Arc::new(move |name, line| {
        let mut out = io::stdout().lock();
        // Who reads us may have gone; the children are to run on.
        let _ = write!(out, "{name:width$} | ").and_then(|()| out.write_all(line)).and_then(|()| out.write_all(b"\n"));
    });
    let start = |(name, command): (String, String)| {
        (name.clone(), mainspring::spawn(supervise(name, command, show.clone(), stop.clone())))
    };
    let running: Vec<_> = commands.into_iter().map(start).collect();
    select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
    for (name, task) in running {
        match task.await? {
            Ok(starts) => eprintln!("supervise: {name} was started {starts} times"),
            Err(error) => eprintln!("supervise: {name}: {error}"),
        }
    }
    Ok(())
}

/// One that fails, one that will not end and has a child of its own, and one that ends when it is asked to.
async fn demo() -> io::Result<()> {
    let stop = CancellationToken::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let note = said.clone();
    let show: Show = Arc::new(move |name, line| {
        let text = format!("{name}: {}", String::from_utf8_lossy(line));
        note.lock().expect("nobody panics in here").push(text);
    });
    let commands = [
        ("fails", "echo out; echo err >&2; printf rest; exit 3"),
        ("stubborn", "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done"),
        ("polite", "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.01; done"),
    ];
    let start = |(name, command): (&str, &str)| {
        mainspring::spawn(supervise(name.to_owned(), command.to_owned(), show.clone(), stop.clone()))
    };
    let running = commands.map(start);
    let said_so_far = || said.lock().expect("nobody panics in here").clone();
    let count = |text: &str| said_so_far().iter().filter(|line| *line == text).count();
    while count("fails: rest") < 3
        || count("polite: hello") < 1
        || !said_so_far().iter().any(|line| line.starts_with("stubborn: "))
    {
        sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    let [fails, stubborn, polite] = running;
    let (fails, stubborn, polite) = (fails.await??, stubborn.await??, polite.await??);
    assert!(fails >= 3 && (stubborn, polite) == (1, 1), "{fails}, {stubborn}, {polite}");
    let said = said_so_far();
    assert!(
        said.windows(3).any(|lines| lines == ["fails: out", "fails: err", "fails: rest"]) || said.len() > 12,
        "{said:#?}"
    );
    assert!(said.contains(&"fails: (exit status: 3; starts again in 100ms)".to_owned()), "{said:#?}");
    assert!(said.contains(&"fails: (exit status: 3; starts again in 200ms)".to_owned()), "{said:#?}");
    assert!(
        said.contains(&"polite: bye".to_owned()) && said.contains(&"polite: (exit status: 0; the end)".to_owned()),
        "{said:#?}"
    );
    assert!(said.iter().any(|line| line.starts_with("stubborn: (signal: 9")), "{said:#?}");
    let grandchild = said.iter().find_map(|line| line.strip_prefix("stubborn: ")).unwrap_or_default();
    let alive = Command::new("kill").args(["-0", grandchild]).stderr(Stdio::null()).status();
    // Whoever adopted it may not have reaped it yet; what it is not is running.
    let state = Command::new("ps").args(["-o", "stat=", "-p", grandchild]).output().await;
    let is_zombie = state.is_ok_and(|output| output.stdout.first() == Some(&b'Z'));
    assert!(is_zombie || !alive.await?.success(), "the grandchild {grandchild} has outlived its group");
    println!("supervised three shells: {fails} starts of the one that fails, and nobody is left");
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_demo = words == ["--demo"];
    let split = |word: &String| word.split_once('=').map(|(name, command)| (name.to_owned(), command.to_owned()));
    let commands: Option<Vec<_>> = words.iter().map(split).collect();
    let commands = match commands {
        _ if is_demo => Vec::new(),
        Some(commands) if !commands.is_empty() => commands,
        _ => {
            eprintln!("{USAGE}");
            return if words == ["--help"] { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let outcome = Runtime::new()
        .and_then(|runtime| runtime.block_on(async { if is_demo { demo().await } else { run(commands).await } }));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervise: {error}");
            ExitCode::FAILURE
        }
    }
}
