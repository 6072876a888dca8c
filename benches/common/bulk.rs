//! The load on a proxy: bytes without end in at one connection, which have to come out of another.
//!
//! It is a process of its own with a thread for each side, on the cpu that all loads have; see `common::load` for how both sides
//! meet.

use super::load::LOAD_CPU;
use super::machine;
use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What is written at once.
const PIECE: usize = 64 << 10;

/// Makes this process the load if it was started as one.
pub(crate) fn run_if_asked() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, address, pieces] = arguments.as_slice() else { return false };
    if flag != "--bulk" {
        return false;
    }
    let address = address.parse().expect("`drive` passes an address");
    generate(address, pieces.parse().expect("`drive` passes a count")).expect("the proxy passes everything on");
    true
}

/// Starts a load that connects twice to `address`, in at the first and out at the second, and gives the cpu time that this
/// process, the proxy's, takes for a MiB, in microseconds. Blocks.
pub(crate) fn drive(address: SocketAddr, mib: usize) -> io::Result<f64> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--bulk".into(), address.to_string(), (mib << 20 >> 16).to_string()]);
    let mut load = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut to_load = load.stdin.take().expect("it was just piped");
    let mut from_load = BufReader::new(load.stdout.take().expect("it was just piped"));
    let mut line = String::new();
    from_load.read_line(&mut line)?;
    assert_eq!(line, "ready\n", "the load has warmed up");
    let before = machine::cpu_time();
    to_load.write_all(b"go\n")?;
    line.clear();
    from_load.read_line(&mut line)?;
    let spent: Duration = machine::cpu_time() - before;
    assert_eq!(line, "done\n", "all came out");
    assert!(load.wait()?.success());
    Ok(spent.as_nanos() as f64 / 1e3 / mib as f64)
}

fn generate(address: SocketAddr, pieces: usize) -> io::Result<()> {
    if let Err(error) = machine::pin_to(LOAD_CPU) {
        eprintln!("the load shares a cpu with the proxy: {error}");
    }
    let (way_in, way_out) = (TcpStream::connect(address)?, TcpStream::connect(address)?);
    pass(&way_in, &way_out, (pieces / 10).max(1))?;
    println!("ready");
    io::stdin().lock().read_line(&mut String::new())?;
    pass(&way_in, &way_out, pieces)?;
    println!("done");
    way_in.shutdown(Shutdown::Write)
}

fn pass(mut way_in: &TcpStream, mut way_out: &TcpStream, pieces: usize) -> io::Result<()> {
    thread::scope(|scope| {
        let writer = scope.spawn(move || (0..pieces).try_for_each(|_| way_in.write_all(&[b'b'; PIECE])));
        let (mut buffer, mut left) = (vec![0; 4 * PIECE], pieces * PIECE);
        while left > 0 {
            match way_out.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left -= count,
            }
        }
        writer.join().expect("it only writes")
    })
}
