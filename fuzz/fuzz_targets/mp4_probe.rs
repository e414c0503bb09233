//! The MP4 prober on any bytes: it must end, stay within the memory limits of the run, and never panic or
//! believe the absurd.

#![no_main]

use std::io::Cursor;

use filmgate_media::{MAX_DURATION_MS, MAX_FRAMES, MAX_SIDE, probe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    match probe(&mut Cursor::new(file), file.len() as u64) {
        Ok(it) => {
            assert!((1..=MAX_SIDE).contains(&it.width.into()) && (1..=MAX_SIDE).contains(&it.height.into()));
            assert!((1..=MAX_DURATION_MS).contains(&it.duration_ms));
            assert!((1..=MAX_FRAMES).contains(&it.frames) && it.frames <= file.len() as u64);
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.code() != "unreadable_file"),
    }
});
