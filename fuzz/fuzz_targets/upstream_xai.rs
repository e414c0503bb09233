//! Answers of the xAI dialect, to a submission and to a poll.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate_upstream::fuzzing::upstream_xai(bytes));
