//! A half borrows its stream.
use mainspring::net::TcpStream;
use mainspring::net::tcp::ReadHalf;

pub fn stream_half_outlives_it<'a>(mut stream: TcpStream) -> ReadHalf<'a> {
    stream.split().0 //~ E0515: cannot return value referencing function parameter `stream`
}
