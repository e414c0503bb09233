//! An upstream that takes every order at once and never finishes one: what is measured is the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::message::Messages;

/// What it says of a video: about as much as the gateway does.
const PENDING: &str = r#"{"id":"video_0123456789abcdef0123456789abcdef","object":"video","model":"grok-imagine-video",
"status":"in_progress","progress":37,"created_at":1764000000,"completed_at":null,"expires_at":null,"error":null,
"prompt":"a red fox runs through fresh snow at dawn, low sun behind birches, breath visible, slow motion, shot on a
long lens, shallow depth of field, gentle camera pan from left to right","seconds":"6","size":"854x480",
"filmgate":{"state":"running","pool":"ssoBasic","route":"primary","reason":null,"asked":{"resolution":"480p",
"seconds":6,"aspect_ratio":"16:9"},"sent":{"resolution":"480p","seconds":6,"aspect_ratio":"16:9"},"delivered":null,
"verdict":null,"shortfalls":[],"routes":[{"n":1,"pool":"ssoBasic","route":"primary","sent":{"resolution":"480p",
"seconds":6,"aspect_ratio":"16:9"},"outcome":null,"error":null}]},"remixed_from_video_id":null}"#;

/// Starts to listen.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let orders = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&orders)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, orders: Arc<AtomicU64>) {
    let _ = stream.set_nodelay(true);
    let mut messages = Messages::new();
    while let Some(request) = messages.next(&mut stream).await {
        let (status, body) = if request.starts_with(b"POST") {
            (200, format!("{{\"request_id\":\"order-{}\"}}", orders.fetch_add(1, Ordering::Relaxed)))
        } else {
            (202, PENDING.to_owned())
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
