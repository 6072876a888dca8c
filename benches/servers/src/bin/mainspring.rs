//! An echo server that closes what has been silent for 30 seconds.

use mainspring::net::{TcpListener, TcpStream};
use mainspring::runtime::Runtime;
use mainspring::time::timeout;
use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            drop(mainspring::spawn(echo(stream)));
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1_024];
    loop {
        match timeout(Duration::from_secs(30), stream.read(&mut buffer)).await.map_err(io::Error::other)?? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
