//! How the pictures of a track are encoded and how large they are: the sample description (`stsd`).

use std::fmt;

use crate::boxes::{Fields, children, need};
use crate::{ProbeError, h264, h265};

/// How pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, also called AVC.
    H264,
    /// H.265, also called HEVC.
    H265,
    /// AV1.
    Av1,
    /// VP9.
    Vp9,
    /// Anything else, by the four-letter code in the file, which may be any bytes.
    Other([u8; 4]),
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::H264 => f.write_str("h264"),
            Self::H265 => f.write_str("h265"),
            Self::Av1 => f.write_str("av1"),
            Self::Vp9 => f.write_str("vp9"),
            Self::Other(code) => write!(f, "{}", code.escape_ascii()),
        }
    }
}

/// The pictures of a track. The sides are as claimed, after cropping; nothing is checked yet.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) codec: Codec,
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// The body of `avcC`, with the parameter sets; empty for other codecs, and when larger than any that is
    /// right.
    pub(crate) avcc: Vec<u8>,
}

/// What is kept of an `avcC`, in bytes. Real ones have about 50.
const MAX_AVCC_BYTES: usize = 16 * 1024;

impl Picture {
    /// Reads the first description in `stsd`.
    ///
    /// H.264 and H.265 say their size in their own bytes (the SPS), and that is what a decoder makes,
    /// whatever the MP4 around it says; it is taken where it is there, and the size in the MP4 otherwise.
    pub(crate) fn parse(stsd: &[u8]) -> Result<Self, ProbeError> {
        let (mut fields, ..) = Fields::full(stsd, "stsd")?;
        fields.u32()?;
        let (kind, entry) = children(fields.rest())
            .next()
            .transpose()?
            .ok_or(ProbeError::damaged("stsd", "its pictures are not described"))?;
        let mut fields = Fields::new(entry, "stsd");
        fields.take(24)?;
        let described = (u64::from(fields.u16()?), u64::from(fields.u16()?));
        fields.take(50)?;
        let details = fields.rest();
        let codec = match kind {
            b"avc1" | b"avc3" => Codec::H264,
            b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => Codec::H265,
            b"av01" => Codec::Av1,
            b"vp09" => Codec::Vp9,
            b"encv" => return Err(ProbeError::Unsupported { what: "an encrypted video" }),
            other => Codec::Other(*other),
        };
        let coded = match codec {
            Codec::H264 => h264::size(need(details, "avcC")?)?,
            Codec::H265 => h265::size(need(details, "hvcC")?)?,
            Codec::Av1 | Codec::Vp9 | Codec::Other(_) => None,
        };
        let (width, height) = coded.unwrap_or(described);
        let avcc = match codec {
            Codec::H264 => need(details, "avcC")?,
            _ => &[],
        };
        let avcc = if avcc.len() <= MAX_AVCC_BYTES { avcc.to_vec() } else { Vec::new() };
        Ok(Self { codec, width, height, avcc })
    }
}
