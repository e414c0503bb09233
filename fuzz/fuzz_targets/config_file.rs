//! The text of `filmgate.toml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filmgate::config::fuzzing::config_file(bytes));
