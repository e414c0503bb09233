//! Clients that are slow to ask, slow to read, or do nothing at all.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::MIB;
use crate::app::{Setup, TestApp};
use crate::wire::read_to_end;

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_that_send_their_headers_byte_by_byte_hold_up_nobody() {
    let app = Setup::default().set("server.header_timeout=\"2s\"").start().await;
    let slow: Vec<_> =
        (0..500).map(|_| app.connect_and_send(b"GET /v1/videos HTTP/1.1\r\nx-slow: ")).collect();
    let writers: Vec<_> = slow.iter().map(|stream| stream.try_clone().unwrap()).collect();
    let drip = std::thread::spawn(move || {
        // Until none of them is there any more.
        while writers.iter().filter(|writer| (&**writer).write_all(b"x").is_ok()).count() > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    app.make("a fox", "480p", 6).await;
    for stream in slow {
        let answer = read_to_end(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    drip.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_nothing_more_is_ended() {
    let app = Setup::default().set("server.keep_alive_timeout=\"300ms\"").start().await;
    let mut idle = app.connect_and_send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    read_to_end(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_longer_than_headers_are_waited_for() {
    let app = Setup::default().set("server.header_timeout=\"200ms\"").start().await;
    let mut kept = app.connect_and_send(b"");
    let mut answer = [0; 12];
    for _ in 0..3 {
        kept.write_all(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        kept.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        while kept.read(&mut [0; 4096]).unwrap() == 4096 {}
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // What begins with the second request is held to the same limit as what begins with the first.
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    assert_eq!(read_to_end(kept), "");
}

/// A client that asks for a file and has next to no room for it.
async fn reader_without_room(app: &TestApp, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(app.address().parse().unwrap()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", app.client_key);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_who_reads_nothing_of_a_video_costs_little_and_not_for_ever() {
    let app = Setup::default().set("server.stall_timeout=\"2s\"").start().await;
    let video = app.make("a fox", "480p", 6).await;
    let id = video["id"].as_str().unwrap();
    // Larger than all that lies between the file and a client.
    let length = 64 * MIB;
    std::fs::write(app.file(id), vec![7; length as usize]).unwrap();
    let path = format!("/v1/videos/{id}/content");
    let (before, files) = (app.resident(), app.open_files());
    let mut readers = Vec::new();
    for _ in 0..100 {
        readers.push(reader_without_room(&app, &path).await);
    }
    for reader in &mut readers {
        let mut first = [0; 12];
        reader.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let grown = app.resident().saturating_sub(before);
    assert!(grown < 100 * MIB, "{grown} bytes for a hundred readers");
    // Others get it whole, and videos are made.
    let whole = app.content(id).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.bytes().await.unwrap().len() as u64, length);
    app.make("a hare", "480p", 6).await;
    // Each of them is given up: once it reads, the end comes too soon.
    for _ in 0..1200 {
        if app.open_files() < files + 50 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for mut reader in readers {
        let mut got = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => got += n as u64,
            }
        }
        assert!(got < length, "a reader that slept was waited for");
    }
}
