//! Two readers at once would be two tasks in one place.
use mainspring::net::TcpStream;

pub fn stream_split_twice(stream: &mut TcpStream) {
    let first = stream.split();
    let second = stream.split(); //~ E0499: cannot borrow `*stream` as mutable more than once
    drop((first, second));
}
