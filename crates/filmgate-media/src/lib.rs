//! Measures delivered video files, and makes their posters: a bounded MP4 prober.
//!
//! [`probe`] says what a file *is*: width, height, duration, codec and frames, or why it is no video that can
//! be delivered. The bytes come from strangers, so every step is bounded by what is physically there:
//!
//! - **It ends.** The file is walked once, box by box; a box is at least 8 bytes, no walk goes backwards, at
//!   most [`MAX_BOXES`] boxes are looked at, and there is no recursion: the code names the boxes it goes down
//!   into.
//! - **It stays small.** Only box headers and the index (`moov`, `moof`) are read, one at a time and at most
//!   [`MAX_INDEX_BYTES`] together. Tables are summed where they lie and never unpacked; a count without the
//!   bytes to back it is multiplied or refused, never looped over or allocated.
//! - **It cannot panic.** Bytes are taken through `boxes::Fields`, which answers "too short" with an error,
//!   and sums saturate (a saturated sum is far beyond every limit).
//!
//! [`poster`] makes a small WebP of the first picture. It stands on the same walk, and is the only thing here
//! that decodes pictures; what that risks, and how it is bounded, is said there.
//!
//! What [`probe`] does not do: decode pictures. A file whose index is right and whose pictures are noise is measured
//! as its index says. A fragmented file cut exactly between two fragments is a shorter valid file, and is
//! measured so.

mod bits;
mod boxes;
mod error;
mod fragments;
mod h264;
mod h265;
mod moov;
mod picture;
mod poster;
mod samples;
mod sniff;

use std::io::{Read, Seek};

pub use error::ProbeError;
pub use picture::Codec;
pub use poster::{MAX_KEY_FRAME_BYTES, MAX_MACROBLOCKS, PosterError, poster};

use boxes::Header;
use moov::{Movie, Track};
use picture::Picture;

/// The longest side of a picture that is believed, in pixels.
pub const MAX_SIDE: u64 = 16_384;
/// The longest duration that is believed, in milliseconds: one hour.
pub const MAX_DURATION_MS: u64 = 3_600_000;
/// The most frames that are believed: an hour at 240 frames a second.
pub const MAX_FRAMES: u64 = 864_000;
/// The most bytes of index (`moov` and all `moof` together) that are read.
pub const MAX_INDEX_BYTES: u64 = 16 * 1024 * 1024;
/// The most top-level boxes that are looked at. An hour in fragments of half a second has 14,400.
pub const MAX_BOXES: u64 = 20_000;

/// What a video file is, as a player shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measured {
    /// Width in pixels after cropping and rotation, 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Height in pixels after cropping and rotation, 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Duration of the picture track in milliseconds, rounded, 1 to [`MAX_DURATION_MS`].
    pub duration_ms: u64,
    /// How the pictures are encoded.
    pub codec: Codec,
    /// Number of pictures, 1 to [`MAX_FRAMES`].
    pub frames: u64,
}

/// Measures the MP4 file of `len` bytes behind `reader`, wherever its index lies and whether fragmented or
/// not.
///
/// Reads from byte 0 whatever the reader's position, and leaves the position undefined.
///
/// # Errors
///
/// A [`ProbeError`] whose [`code`](ProbeError::code) says what is wrong with the file, or [`ProbeError::Io`]
/// when the reader fails.
pub fn probe(reader: &mut (impl Read + Seek), len: u64) -> Result<Measured, ProbeError> {
    judge(&read_movie(reader, len)?, len)
}

/// Walks the top-level boxes of an MP4 once and reads the index out of them.
fn read_movie(reader: &mut (impl Read + Seek), len: u64) -> Result<Movie, ProbeError> {
    sniff::expect_mp4(&boxes::read_at(reader, 0, len.min(sniff::LOOK_BYTES), len)?)?;
    let mut movie: Option<Movie> = None;
    let mut budget = MAX_INDEX_BYTES;
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        if at == len {
            return movie.ok_or(ProbeError::Truncated { what: "its index (moov) is missing", len });
        }
        let header = Header::read(reader, at, len)?;
        match (&header.kind, &mut movie) {
            (b"moov", None) => {
                let moov = header.read_body(reader, at, len, &mut budget)?;
                movie = Some(Movie::parse(&moov, len)?);
            }
            (b"moof", Some(movie)) => {
                let moof = header.read_body(reader, at, len, &mut budget)?;
                fragments::add(movie, &moof, at, len)?;
            }
            (b"moof", None) => return Err(ProbeError::damaged("moof", "a fragment comes before the index")),
            _ => {}
        }
        at += header.size;
    }
    Err(ProbeError::absurd("number of boxes", MAX_BOXES + 1, MAX_BOXES))
}

/// The picture track that a player shows: the first one that holds pictures.
fn shown(movie: &Movie, len: u64) -> Result<(&Track, &Picture), ProbeError> {
    let pictures = || movie.tracks.iter().filter_map(|track| Some((track, track.picture.as_ref()?)));
    if pictures().next().is_none() {
        return Err(ProbeError::NotVideo { what: "an MP4 without a picture track" });
    }
    pictures().find(|(track, _)| track.samples.count > 0).ok_or(match movie.fragmented {
        true => ProbeError::Truncated { what: "its fragments are missing", len },
        false => ProbeError::NotVideo { what: "an MP4 without a single picture" },
    })
}

/// The verdict on a file whose index is read: the figures of the track that is shown.
fn judge(movie: &Movie, len: u64) -> Result<Measured, ProbeError> {
    let (track, picture) = shown(movie, len)?;
    let samples = &track.samples;
    let within = |what, value: u64, limit| match value {
        value if (1..=limit).contains(&value) => Ok(value),
        _ => Err(ProbeError::absurd(what, value, limit)),
    };
    within("number of frames", samples.count, MAX_FRAMES)?;
    if samples.bytes < samples.count || samples.bytes > len {
        return Err(ProbeError::damaged("trak", "its frames cannot have the sizes listed"));
    }
    let duration_ms = within("duration in milliseconds", track.duration_ms()?, MAX_DURATION_MS)?;
    let side = |what, value| within(what, value, MAX_SIDE).map(|side| side as u32);
    let (width, height) =
        (side("width in pixels", picture.width)?, side("height in pixels", picture.height)?);
    let (width, height) = if track.turn.transposed { (height, width) } else { (width, height) };
    Ok(Measured { width, height, duration_ms, codec: picture.codec, frames: samples.count })
}
