//! The headers that say how long to wait.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_upstream::fuzzing::upstream_pause(bytes));
