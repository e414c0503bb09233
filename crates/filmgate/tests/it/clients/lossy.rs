//! A way to the gateway on which the first answer gets lost.

use std::io::{Read as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// The address of a proxy of a gateway. Of its first connection it passes on what the client says, waits until the
/// gateway begins to answer, and hangs up. All other connections are as good as direct ones.
pub(crate) fn losing_the_first_answer(url: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let gateway = url.strip_prefix("http://").unwrap().to_owned();
    // It ends with the test's process.
    thread::spawn(move || {
        for (n, client) in listener.incoming().enumerate() {
            let (client, gateway) = (client.unwrap(), TcpStream::connect(&gateway).unwrap());
            connect(client, gateway, n == 0);
        }
    });
    proxy
}

fn connect(client: TcpStream, gateway: TcpStream, is_lost: bool) {
    let (mut from_client, mut to_gateway) = (client.try_clone().unwrap(), gateway.try_clone().unwrap());
    thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_gateway);
        let _ = to_gateway.shutdown(Shutdown::Write);
    });
    let (mut from_gateway, mut to_client) = (gateway, client);
    thread::spawn(move || {
        if is_lost {
            let _ = from_gateway.read(&mut [0]);
            let _ = from_gateway.shutdown(Shutdown::Both);
        } else {
            let _ = copy(&mut from_gateway, &mut to_client);
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
}
