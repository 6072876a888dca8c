//! The same calls as in the other programs, each made as it should be.
use mainspring::group::block_on_scope;
use mainspring::net::TcpStream;
use mainspring::runtime::Runtime;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub fn fine(runtime: Runtime, stream: TcpStream, other: TcpStream) {
    let shared = Arc::new(1);
    let local = Rc::new(1);
    let borrowed = String::new();
    let guard = runtime.enter();
    drop(mainspring::spawn(async move { *shared }));
    drop(guard);
    runtime.block_on(async {
        let task = mainspring::spawn_local(async move { local });
        assert_eq!(borrowed.len() + *task.await.unwrap(), 1);
        let mut stream = stream;
        let mut buffer = [0];
        stream.read(&mut buffer).await.unwrap();
        let (reader, writer) = stream.split();
        drop((reader, writer, buffer));
        let (reader, writer) = other.into_split();
        drop(mainspring::spawn(async move { drop((reader, writer)) }));
        let mut ticks = mainspring::time::interval(Duration::from_secs(1));
        ticks.tick().await;
        ticks.tick().await;
    });
    let text = String::from("local");
    let length = block_on_scope(runtime.handle(), async |scope| {
        let child = scope.spawn(async { Ok::<_, std::io::Error>(text.len()) });
        drop(scope.spawn(async { drop(scope.spawn(async { Ok(()) })); Ok(&text) }));
        Ok(child.await?)
    });
    drop((length.unwrap(), text));
    drop(runtime.shutdown_timeout(Duration::from_secs(1)));
}
