//! A form: the first byte says what it is to be.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::multipart(bytes));
