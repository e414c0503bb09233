//! `--set` flags, one a line.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate::config::fuzzing::config_set(bytes));
