//! A chat completion.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::chat(bytes));
