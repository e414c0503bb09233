//! Answers without success, and what is shown of their words.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_upstream::fuzzing::upstream_refusal(bytes));
