//! An edit, an extension and a remix in the OpenAI dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_http::fuzzing::openai_derive(bytes));
