//! A TCP echo server, and clients that check it.
//!
//! One task a connection, written as if it could block: read, write back, until the client is done. Methods
//! take `&self`, so one task could read while another writes to the same stream.
//!
//! Run it: `cargo run --example echo`

use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Runtime;
use std::io;
use std::net::{Shutdown, SocketAddr};

/// How many clients talk at the same time.
const CLIENTS: usize = 100;

/// Accepts for ever: dropping the runtime ends this task like any other.
async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(mainspring::spawn(echo(stream)));
    }
}

/// Sends everything back, until the other side closes its half.
async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

/// Talks to the server line by line, and returns how many bytes came back unchanged.
async fn talk(address: SocketAddr, client: usize) -> io::Result<usize> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut echoed = 0;
    for line in 0..10 {
        let sent = format!("client {client}, line {line}\n").into_bytes();
        stream.write_all(&sent).await?;
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).await?;
        assert_eq!(received, sent, "an echo says what was said");
        echoed += received.len();
    }
    // Half a close: we say no more, the server answers with its own end.
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(stream.read(&mut [0; 1]).await?, 0);
    Ok(echoed)
}

async fn run() -> io::Result<usize> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(mainspring::spawn(serve(listener)));

    let clients: Vec<_> = (0..CLIENTS).map(|client| mainspring::spawn(talk(address, client))).collect();
    let mut echoed = 0;
    for client in clients {
        echoed += client.await??;
    }
    Ok(echoed)
}

fn main() -> io::Result<()> {
    let echoed = Runtime::new()?.block_on(run())?;
    println!("{CLIENTS} clients got {echoed} bytes back, every one as sent");
    assert!(echoed > 0);
    Ok(())
}
