//! What can be done to a server with HTTP/2: many streams, resets, headers without end, windows that never open.

use std::io::Read as _;
use std::net::TcpStream;

use super::MIB;
use super::frames::{
    END_HEADERS, END_STREAM, Kind, connect, frame, get_description, get_healthz, write_while_taken,
};
use crate::app::{Setup, TestApp};
use crate::wire::read_to_end;

/// The numbers of streams that a client may open.
fn numbers() -> impl Iterator<Item = u32> {
    (0..).map(|n| 2 * n + 1)
}

/// Reads frames until one of this kind (as HTTP/2 numbers them) comes; false if the connection ends first.
fn sees(stream: &mut TcpStream, wanted: u8) -> bool {
    let mut head = [0; 9];
    loop {
        if stream.read_exact(&mut head).is_err() {
            return false;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if stream.read_exact(&mut vec![0; length]).is_err() {
            return false;
        }
        if head[3] == wanted {
            return true;
        }
    }
}

const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// Others are served as if nothing were going on, and memory has not grown much.
async fn all_is_well(app: &TestApp, before: u64) {
    app.make("a fox", "480p", 6).await;
    let grown = app.resident().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_a_connection_may_have_are_refused() {
    let app = Setup::default().start().await;
    let before = app.resident();
    let mut stream = connect(&app, &[]);
    // Posts whose bodies never come, to a route that reads them before anything else.
    let post = [&[0x83, 0x86, 0x04, 14][..], b"/admin/sign-in"].concat();
    let opened = numbers().take(1000).map(|n| frame(Kind::Headers, END_HEADERS, n, &post));
    write_while_taken(&stream, opened);
    assert!(sees(&mut stream, RST_STREAM), "a thousand streams are open");
    all_is_well(&app, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_and_resets_again_and_again_is_sent_away() {
    let app = Setup::default().start().await;
    let before = app.resident();
    let stream = connect(&app, &[]);
    let cancel = 8u32.to_be_bytes();
    let resets = numbers().take(200_000).map(|n| {
        let open = frame(Kind::Headers, END_HEADERS, n, &get_healthz());
        [open, frame(Kind::Reset, 0, n, &cancel)].concat()
    });
    let mut reader = stream.try_clone().unwrap();
    let ended = tokio::task::spawn_blocking(move || sees(&mut reader, GOAWAY));
    write_while_taken(&stream, resets);
    assert!(ended.await.unwrap(), "two hundred thousand resets were put up with");
    all_is_well(&app, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_ended() {
    let app = Setup::default().start().await;
    let before = app.resident();
    let stream = connect(&app, &[]);
    // A field that no table holds, again and again.
    let field = [&[0x00, 3][..], b"x-y", &[120], &[b'z'; 120]].concat();
    let block = field.repeat(100);
    let open = frame(Kind::Headers, END_STREAM, 1, &get_healthz());
    let more = std::iter::repeat_with(|| frame(Kind::Continuation, 0, 1, &block)).take(20_000);
    let reader = stream.try_clone().unwrap();
    let ended = tokio::task::spawn_blocking(move || read_to_end(reader));
    let sent = write_while_taken(&stream, std::iter::once(open).chain(more));
    ended.await.unwrap();
    assert!(sent < 32 << 20, "{sent} bytes of headers were taken");
    all_is_well(&app, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_much_and_never_takes_it_costs_little() {
    let app = Setup::default().start().await;
    let before = app.resident();
    let mut held = Vec::new();
    for _ in 0..50 {
        // No stream may be sent a single byte.
        let stream = connect(&app, &[(4, 0)]);
        let asked = numbers()
            .take(100)
            .map(|n| frame(Kind::Headers, END_HEADERS | END_STREAM, n, &get_description()));
        write_while_taken(&stream, asked);
        held.push(stream);
    }
    // The first answer's headers are here: they need no window.
    assert!(held.iter_mut().all(|stream| sees(stream, Kind::Headers as u8)));
    app.make("a fox", "480p", 6).await;
    let grown = app.resident().saturating_sub(before);
    assert!(grown < 50 * 100 * 64 * 1024, "{grown} bytes for fifty such connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_on_few_connections_count_as_many() {
    let app = Setup::default().set("server.max_connections=12").start().await;
    let mut stream = connect(&app, &[(4, 0)]);
    let asked =
        numbers().take(50).map(|n| frame(Kind::Headers, END_HEADERS | END_STREAM, n, &get_description()));
    write_while_taken(&stream, asked);
    let mut refused = 0;
    let mut head = [0; 9];
    for _ in 0..60 {
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap();
        // `:status: 503` begins with the name of `:status` from the table; 200 is in the table whole.
        if head[3] == Kind::Headers as u8 && payload[0] != 0x88 {
            refused += 1;
            if refused == 10 {
                return;
            }
        }
    }
    panic!("{refused} of fifty were refused, where twelve may be in progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_http2_that_asks_nothing_more_is_ended() {
    let app = Setup::default().set("server.keep_alive_timeout=\"500ms\"").start().await;
    let mut stream = connect(&app, &[]);
    write_while_taken(
        &stream,
        std::iter::once(frame(Kind::Headers, END_HEADERS | END_STREAM, 1, &get_healthz())),
    );
    assert!(sees(&mut stream, Kind::Headers as u8));
    assert!(sees(&mut stream, GOAWAY));
    read_to_end(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_small_frames_hold_up_nobody() {
    let app = Setup::default().start().await;
    let before = app.resident();
    let stream = connect(&app, &[]);
    let reader = stream.try_clone().unwrap();
    // Their answers are read by somebody, or the gateway would wait for that.
    let answers = tokio::task::spawn_blocking(move || read_to_end(reader).len());
    let flood = (0..100_000).map(|n| match n % 3 {
        0 => frame(Kind::Settings, 0, 0, &[]),
        1 => frame(Kind::WindowUpdate, 0, 0, &1u32.to_be_bytes()),
        _ => frame(Kind::Data, 0, 0, &[]),
    });
    write_while_taken(&stream, flood);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    answers.await.unwrap();
    all_is_well(&app, before).await;
}
