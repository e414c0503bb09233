//! A request for a video in the OpenAI dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::openai_create(bytes));
