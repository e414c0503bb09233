//! The prober and the posters against real videos, bad deliveries, and both of them damaged at random.

mod build;
mod corpus;
#[cfg(feature = "h264")]
mod encoded;
#[cfg(feature = "h264")]
mod hostile;
mod large;
mod mutations;
mod posters;
mod samples;
mod seeds;

use std::io::Cursor;

use filmgate_media::{Measured, PosterError, ProbeError};

/// Measures a file that lies in memory.
fn probe(file: &[u8]) -> Result<Measured, ProbeError> {
    filmgate_media::probe(&mut Cursor::new(file), file.len() as u64)
}

/// Makes the poster of a file that lies in memory.
fn poster(file: &[u8], longest_side: u32) -> Result<Vec<u8>, PosterError> {
    filmgate_media::poster(&mut Cursor::new(file), file.len() as u64, longest_side)
}
