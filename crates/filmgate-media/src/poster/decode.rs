//! The decoder: OpenH264.

use super::PosterError;
use super::plane::Frame;
#[cfg(feature = "h264")]
use super::plane::Plane;
#[cfg(feature = "h264")]
use openh264::{decoder::DecodedYUV, decoder::Decoder, formats::YUVSource};

/// Decodes the one picture in `annex_b`.
#[cfg(feature = "h264")]
pub(super) fn first_picture(annex_b: &[u8]) -> Result<Frame, PosterError> {
    let damaged = |_| PosterError::Damaged { what: "it cannot be decoded" };
    // Its defaults: no concealment of errors, no messages, one thread. `decode` also flushes, without which
    // a picture that others may come before in time would not come out.
    let mut decoder = Decoder::new().map_err(damaged)?;
    let decoded = decoder.decode(annex_b).map_err(damaged)?;
    decoded.as_ref().and_then(frame).ok_or(PosterError::Damaged { what: "a part of it is missing" })
}

#[cfg(not(feature = "h264"))]
pub(super) fn first_picture(_: &[u8]) -> Result<Frame, PosterError> {
    Err(PosterError::Codec { codec: crate::Codec::H264 })
}

/// Copies the picture out of the decoder's memory; `None` if less of it is there than was said.
#[cfg(feature = "h264")]
fn frame(decoded: &DecodedYUV<'_>) -> Option<Frame> {
    let ((width, height), (luma, u, v)) = (decoded.dimensions(), decoded.strides());
    let chroma = |plane, stride| Plane::copied(plane, stride, width.div_ceil(2), height.div_ceil(2));
    Some(Frame {
        luma: Plane::copied(decoded.y(), luma, width, height)?,
        blue: chroma(decoded.u(), u)?,
        red: chroma(decoded.v(), v)?,
    })
}
