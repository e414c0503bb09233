//! A request for a video in the xAI dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::xai_create(bytes));
