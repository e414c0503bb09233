//! The prober against real videos, bad deliveries, and both of them damaged at random.

mod build;
mod corpus;
mod large;
mod mutations;
mod samples;
mod seeds;

use std::io::Cursor;

use filmgate_media::{Measured, ProbeError};

/// Measures a file that lies in memory.
fn probe(file: &[u8]) -> Result<Measured, ProbeError> {
    filmgate_media::probe(&mut Cursor::new(file), file.len() as u64)
}
