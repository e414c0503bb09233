//! HTTP/2 by hand, for what no client library would send.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::app::TestApp;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The kinds of frames that are used here.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Data = 0,
    Headers = 1,
    Reset = 3,
    Settings = 4,
    WindowUpdate = 8,
    Continuation = 9,
}

/// `GET /healthz` over `http`: all of it in the tables of HPACK, save the path.
pub(crate) fn get_healthz() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 8][..], b"/healthz"].concat()
}

/// `GET /openapi.json` over `http`.
pub(crate) fn get_description() -> Vec<u8> {
    [&[0x82, 0x86, 0x04, 13][..], b"/openapi.json"].concat()
}

/// A frame.
pub(crate) fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind as u8, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection that has said that it speaks HTTP/2, with these settings.
pub(crate) fn connect(app: &TestApp, settings: &[(u16, u32)]) -> TcpStream {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    let stream = app.connect_and_send(&[PREFACE, &frame(Kind::Settings, 0, 0, &payload)].concat());
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Writes until everything is written or the gateway has had enough; how much that was.
pub(crate) fn write_while_taken(stream: &TcpStream, pieces: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut writer = stream;
    pieces.take_while(|piece| writer.write_all(piece).is_ok()).map(|piece| piece.len()).sum()
}
