//! Small real videos, each made once.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use filmgate_domain::Shape;

/// A video of this form, which differs from all others by its `id` in a box that no player shows.
pub(crate) fn video(shape: Shape, id: &str) -> Bytes {
    let length = u32::try_from(8 + id.len()).expect("a short id");
    [&flat(shape)[..], &length.to_be_bytes(), b"free", id.as_bytes()].concat().into()
}

fn flat(shape: Shape) -> Bytes {
    static MADE: OnceLock<Mutex<HashMap<Shape, Bytes>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().expect("no panic under this lock");
    let make = || {
        let (width, height) = shape.usual_size();
        filmgate_simulator::flat_video(width, height, shape.seconds.get()).into()
    };
    made.entry(shape).or_insert_with(make).clone()
}
