//! The load on a server: many connections, each with one message on its way at any time.
//!
//! It is an epoll loop by hand in a process of its own, on a cpu of its own, so that what the server's process
//! spends is the server's alone. Both sides meet over the load's standard streams:
//!
//! ```text
//!   server (a child of the runner, cpu 0)      load (its child, cpu 1)
//!     accept loop                                connect all, a tenth of the messages to warm up
//!     read cpu clock              <── "ready"    wait
//!     "go" ──>                                   send and receive all messages
//!     read cpu clock              <── latencies  leave
//! ```

use super::case::Figures;
use super::machine;
use super::table::quantile;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes in a message.
pub(crate) const MESSAGE: usize = 64;

/// After so many new connections the load waits for an answer on the last, so that the server has accepted them all.
/// A server's backlog may hold no more than 128, and who finds it full tries again after a whole second.
const ACCEPTED_TOGETHER: usize = 64;

/// The cpu of the load; the server has cpu 0.
pub(crate) const LOAD_CPU: usize = 1;

/// Makes this process the load if it was started as one; a bench that uses [`drive`] calls it first.
pub(crate) fn run_if_asked() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, address, connections, messages] = arguments.as_slice() else { return false };
    if flag != "--load" {
        return false;
    }
    let count = |text: &String| text.parse::<usize>().expect("`drive` passes counts");
    let address = address.parse().expect("`drive` passes an address");
    generate(address, count(connections), count(messages)).expect("the server answers");
    true
}

/// Starts a load on `address` and watches this process, which is the server's, while the load lasts. Blocks.
pub(crate) fn drive(address: SocketAddr, connections: usize, messages: usize) -> io::Result<Figures> {
    let (spent, line) = watch(&["--load".into(), address.to_string(), connections.to_string(), messages.to_string()])?;
    let times: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [p50, p99, p999] = times[..] else { return Err(io::Error::other(format!("not three latencies: {line}"))) };
    let cpu = spent.as_nanos() as f64 / 1e3 / messages as f64;
    Ok(vec![("server cpu us", cpu), ("latency p50 us", p50), ("latency p99 us", p99), ("latency p999 us", p999)])
}

/// Starts this program as a load, with these arguments; says how much cpu time this process takes from "go" to the load's answer, and
/// what that is.
pub(crate) fn watch(arguments: &[String]) -> io::Result<(Duration, String)> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments);
    let mut load = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut to_load = load.stdin.take().expect("it was just piped");
    let mut from_load = BufReader::new(load.stdout.take().expect("it was just piped"));
    let mut line = String::new();
    from_load.read_line(&mut line)?;
    assert_eq!(line, "ready\n", "the load has connected, and warmed up");
    let before = machine::cpu_time();
    to_load.write_all(b"go\n")?;
    line.clear();
    from_load.read_line(&mut line)?;
    let spent = machine::cpu_time() - before;
    assert!(load.wait()?.success(), "the load got everything back");
    Ok((spent, line))
}

/// The load's own main part.
fn generate(address: SocketAddr, connections: usize, messages: usize) -> io::Result<()> {
    machine::raise_descriptor_limit()?;
    if let Err(error) = machine::pin_to(LOAD_CPU) {
        eprintln!("the load shares a cpu with the server: {error}");
    }
    let mut load = Load::connect(address, connections)?;
    load.round((messages / 10).max(connections))?;
    println!("ready");
    io::stdin().lock().read_line(&mut String::new())?;
    let mut latencies = load.round(messages)?;
    assert_eq!(latencies.len(), messages, "every message came back once");
    let mut at = |part| quantile(&mut latencies, part);
    println!("{} {} {}", at(0.5), at(0.99), at(0.999));
    Ok(())
}

/// One client.
struct Client {
    stream: TcpStream,
    /// Bytes of the current echo that have arrived.
    arrived: usize,
    /// When the current message left.
    sent: Instant,
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        self.arrived = 0;
        self.sent = Instant::now();
        // One small message on its way: the socket's buffer takes it whole, or something is wrong.
        self.stream.write_all(&[b'm'; MESSAGE])
    }

    /// Takes in what has arrived; true if that completes the echo. Does not read again after that, since
    /// nothing more can come before the next message is sent, and that will be a new edge.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE];
        while self.arrived < MESSAGE {
            match self.stream.read(&mut buffer[self.arrived..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.arrived += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// All clients and the loop that serves them.
struct Load {
    poll: Poll,
    clients: Vec<Client>,
}

impl Load {
    fn connect(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let mut load = Self { poll: Poll::new()?, clients: Vec::with_capacity(connections) };
        for index in 0..connections {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let mut client = Client { stream, arrived: 0, sent: Instant::now() };
            if index % ACCEPTED_TOGETHER == 0 {
                client.send()?;
                client.receive()?;
            }
            client.stream.set_nonblocking(true)?;
            let descriptor = client.stream.as_raw_fd();
            load.poll.registry().register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE)?;
            load.clients.push(client);
        }
        Ok(load)
    }

    /// Sends `messages` over all connections and gives back how long each took, in microseconds.
    fn round(&mut self, messages: usize) -> io::Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(messages);
        let mut left = messages;
        for client in self.clients.iter_mut().take(messages) {
            client.send()?;
            left -= 1;
        }
        let mut events = Events::with_capacity(1_024);
        while latencies.len() < messages {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                // An event left over from the registration finds the echo complete already.
                if client.arrived == MESSAGE || !client.receive()? {
                    continue;
                }
                latencies.push(client.sent.elapsed().as_nanos() as f64 / 1e3);
                if left > 0 {
                    client.send()?;
                    left -= 1;
                }
            }
        }
        Ok(latencies)
    }
}
