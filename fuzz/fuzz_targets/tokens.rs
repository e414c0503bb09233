//! The text of a token import.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::tokens(bytes));
