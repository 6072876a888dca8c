//! The load on a proxy: bytes without end in at one connection, which have to come out of another.
//!
//! It is a process of its own with a thread for each side, on the cpu that all loads have; see `common::load` for how both sides
//! meet.

use super::load::{LOAD_CPU, watch};
use super::machine;
use std::env;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

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
    let (spent, line) = watch(&["--bulk".into(), address.to_string(), (mib << 20 >> 16).to_string()])?;
    assert_eq!(line, "done\n", "all came out");
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
