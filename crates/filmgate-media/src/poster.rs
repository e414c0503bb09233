//! Posters: the first picture of a video as a small WebP.

mod colour;
mod decode;
mod error;
mod plane;
mod stream;

use std::io::{Read, Seek};

pub use error::PosterError;

use crate::moov::Turn;
use crate::{Codec, ProbeError, boxes, judge, read_movie, shown};
use colour::Rgb;

/// The most macroblocks (16x16 pixels) of a picture that is decoded, with what is cropped: those of 4096x2304,
/// as in level 5.2 of H.264.
pub const MAX_MACROBLOCKS: u64 = 36_864;
/// The most bytes of a coded picture that is decoded. Large ones in 4K have about 3 MB.
pub const MAX_KEY_FRAME_BYTES: u64 = 8 * 1024 * 1024;

/// The longest side that WebP can hold, in pixels.
const MAX_WEBP_SIDE: u32 = 16_383;

/// Makes a WebP (`image/webp`, lossless) of the first picture of the MP4 file of `len` bytes behind `reader`:
/// the first sync sample of the track that [`probe`](crate::probe) measures, turned as it is shown.
///
/// Its longer side has `longest_side` pixels (1 to 16,383; what is outside counts as the nearest), or as many
/// as the picture has, if that is less. Colours are converted from BT.601, BT.709 or BT.2020 as the video says.
/// Where it says nothing, BT.601 is taken for pictures of standard definition and BT.709 for larger ones, as
/// players do.
///
/// Only H.264 is decoded, and of that what is usual: frames (not fields), 4:2:0, 8 bits. Without the feature
/// `h264` nothing is.
///
/// Reads from byte 0 whatever the reader's position, and leaves the position undefined. In a release build a
/// poster takes about a tenth of a second for 1080p, and seconds for the worst file within the limits, so call
/// it where blocking is allowed. It takes 40 to 110 MB of memory for 1080p, and at most about 250 MB, so make
/// few at once.
///
/// # What it risks
///
/// The decoder is OpenH264, which is C++: a hostile file could use a mistake in it to read or write memory of
/// this process, which no mistake in safe Rust allows. So it gets to see little, and only what was checked
/// here first: parameter sets with a believable picture size before and after cropping, few references, the
/// usual sampling and no slice groups; then the slices of one picture, in order, without prediction from
/// others. No other kind of NAL unit reaches it, and none with a start code inside, behind which another
/// could hide. It runs on one thread and conceals no errors. Whoever cannot bear what is left of the risk
/// builds without the feature `h264`.
///
/// # Errors
///
/// A [`PosterError`] whose [`code`](PosterError::code) says why there is no poster. Most of them say nothing
/// against the video.
pub fn poster(reader: &mut (impl Read + Seek), len: u64, longest_side: u32) -> Result<Vec<u8>, PosterError> {
    let movie = read_movie(reader, len)?;
    judge(&movie, len)?;
    let (track, picture) = shown(&movie, len)?;
    if picture.codec != Codec::H264 || cfg!(not(feature = "h264")) {
        return Err(PosterError::Codec { codec: picture.codec });
    }
    let key = track.key.ok_or(PosterError::Kind { what: "a video without a key frame" })?;
    if key.bytes > MAX_KEY_FRAME_BYTES {
        let what = "first picture is too large to decode, in bytes";
        return Err(PosterError::TooLarge { what, value: key.bytes, limit: MAX_KEY_FRAME_BYTES });
    }
    let sample = boxes::read_at(reader, key.at, key.bytes, len)?;
    let stream = stream::checked(&picture.avcc, &sample).map_err(|error| match error {
        // What the prober does not look at is the picture's own, not the video's.
        PosterError::Video(ProbeError::Damaged { what, .. }) => PosterError::Damaged { what },
        other => other,
    })?;
    drop(sample);
    let frame = decode::first_picture(&stream.annex_b)?;
    if (frame.luma.width as u64, frame.luma.height as u64) != (picture.width, picture.height) {
        return Err(PosterError::Damaged { what: "it has another size than the video says" });
    }
    // As players guess.
    let large = picture.width >= 1280 || picture.height > 576;
    let (width, height) = fitted(frame.luma.width, frame.luma.height, longest_side);
    Ok(webp(&frame.scaled(width, height).to_rgb(stream.colours, large), track.turn))
}

/// The sides of a picture of `width` and `height` when the longer one is at most `longest`.
fn fitted(width: usize, height: usize, longest: u32) -> (usize, usize) {
    let (long, longest) = (width.max(height), longest.clamp(1, MAX_WEBP_SIDE) as usize);
    let side = |side: usize| ((side * longest + long / 2) / long).max(1);
    if long <= longest { (width, height) } else { (side(width), side(height)) }
}

fn webp(picture: &Rgb, turn: Turn) -> Vec<u8> {
    let turned = picture.turned(turn);
    let mut file = Vec::new();
    image_webp::WebPEncoder::new(&mut file)
        .encode(&turned.pixels, turned.width as u32, turned.height as u32, image_webp::ColorType::Rgb8)
        .expect("a Vec takes all that is written, and both sides are in the range of WebP");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_side_is_fitted_and_nothing_is_enlarged() {
        assert_eq!(fitted(1920, 1080, 640), (640, 360));
        assert_eq!(fitted(1080, 1920, 640), (360, 640));
        assert_eq!(fitted(130, 98, 640), (130, 98));
        assert_eq!(fitted(8688, 2, 640), (640, 1));
        assert_eq!(fitted(1920, 1080, 0), (1, 1));
    }
}
