//! An edit and an extension in the xAI dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::xai_derive(bytes));
