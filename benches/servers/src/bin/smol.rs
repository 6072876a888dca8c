//! An echo server that closes what has been silent for 30 seconds.

use smol::Timer;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::{TcpListener, TcpStream};
use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            smol::spawn(echo(stream)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1_024];
    loop {
        let silence = async {
            Timer::after(Duration::from_secs(30)).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match smol::future::or(stream.read(&mut buffer), silence).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
