//! The index (`moov`): the tracks of a file and what each holds.

use crate::ProbeError;
use crate::boxes::{Fields, all, find, need};
use crate::fragments::Defaults;
use crate::picture::Picture;
use crate::samples::{Place, Samples};

/// The most tracks that are looked at. Films on disc have fewer.
const MAX_TRACKS: usize = 64;

/// What the index says, summed up: at most [`MAX_TRACKS`] small values, however large the index was.
#[derive(Debug)]
pub(crate) struct Movie {
    pub(crate) tracks: Vec<Track>,
    /// Announces fragments.
    pub(crate) fragmented: bool,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) id: u32,
    /// How its pictures look; `None` for sound and all else.
    pub(crate) picture: Option<Picture>,
    pub(crate) turn: Turn,
    pub(crate) samples: Samples,
    /// Where its first sync sample lies: the first picture that can be decoded alone.
    pub(crate) key: Option<Place>,
    pub(crate) defaults: Defaults,
    ticks_per_second: u32,
}

/// How a picture is turned when it is shown: by quarters, and perhaps mirrored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its rows are shown as columns, as in a turn by 90 or 270 degrees.
    pub(crate) transposed: bool,
    /// Then left and right change places.
    pub(crate) mirrored_x: bool,
    /// Then top and bottom change places.
    pub(crate) mirrored_y: bool,
}

impl Turn {
    /// Reads the matrix a b c d: a pixel at x, y is shown at ax + cy, bx + dy. Turned by less than a quarter
    /// means not turned.
    fn from_matrix([a, b, c, d]: [u32; 4]) -> Self {
        let negative = |factor: u32| factor.cast_signed() < 0;
        let (transposed, x, y) = match [a, b, c, d].map(|factor| factor != 0) {
            [false, true, true, false] => (true, c, b),
            [true, false, false, true] => (false, a, d),
            _ => return Self::default(),
        };
        Self { transposed, mirrored_x: negative(x), mirrored_y: negative(y) }
    }
}

impl Movie {
    /// Reads the body of a `moov` box; every sample must lie within the `len` bytes of the file.
    pub(crate) fn parse(moov: &[u8], len: u64) -> Result<Self, ProbeError> {
        let mut movie = Self { tracks: Vec::new(), fragmented: false };
        for trak in all(moov, "trak") {
            if movie.tracks.len() == MAX_TRACKS {
                let limit = MAX_TRACKS as u64;
                return Err(ProbeError::absurd("number of tracks", limit + 1, limit));
            }
            movie.tracks.push(Track::parse(trak?, len)?);
        }
        let Some(mvex) = find(moov, "mvex")? else { return Ok(movie) };
        movie.fragmented = true;
        for trex in all(mvex, "trex") {
            let (mut fields, ..) = Fields::full(trex?, "trex")?;
            let (id, _description) = (fields.u32()?, fields.u32()?);
            let (ticks, bytes) = (fields.u32()?, fields.u32()?);
            // Only a poster needs these, so no delivery fails for want of them.
            let flags = fields.u32().unwrap_or(0);
            let defaults = Defaults { ticks, bytes, flags };
            if let Some(track) = movie.tracks.iter_mut().find(|track| track.id == id) {
                track.defaults = defaults;
            }
        }
        Ok(movie)
    }
}

impl Track {
    fn parse(trak: &[u8], len: u64) -> Result<Self, ProbeError> {
        let (id, turn) = track_header(need(trak, "tkhd")?)?;
        let mdia = need(trak, "mdia")?;
        let stbl = need(need(mdia, "minf")?, "stbl")?;
        let picture = match &handler(need(mdia, "hdlr")?)? {
            b"vide" => Some(Picture::parse(need(stbl, "stsd")?)?),
            _ => None,
        };
        let (samples, key) = Samples::from_tables(stbl, len)?;
        Ok(Self {
            id,
            picture,
            turn,
            samples,
            key,
            defaults: Defaults::default(),
            ticks_per_second: ticks_per_second(need(mdia, "mdhd")?)?,
        })
    }

    /// The duration of all samples in milliseconds, rounded to the nearest.
    pub(crate) fn duration_ms(&self) -> Result<u64, ProbeError> {
        let (ticks, rate) = (u128::from(self.samples.ticks), u128::from(self.ticks_per_second));
        let ms = (ticks * 1000 + rate / 2)
            .checked_div(rate)
            .ok_or(ProbeError::damaged("mdhd", "a second has no length in it"))?;
        Ok(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

/// The id of a track, and how its matrix turns the picture.
fn track_header(tkhd: &[u8]) -> Result<(u32, Turn), ProbeError> {
    let (mut fields, version, _) = Fields::full(tkhd, "tkhd")?;
    let (times, duration) = if version == 0 { (8, 4) } else { (16, 8) };
    fields.take(times)?;
    let id = fields.u32()?;
    // Reserved, duration, reserved, layer, alternate group, volume, reserved.
    fields.take(4 + duration + 16)?;
    // The matrix is a b u, c d v, x y w.
    let [a, b, _, c, d] = [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
    Ok((id, Turn::from_matrix([a, b, c, d])))
}

/// What a track is for: `vide`, `soun`, ...
fn handler(hdlr: &[u8]) -> Result<[u8; 4], ProbeError> {
    let (mut fields, ..) = Fields::full(hdlr, "hdlr")?;
    fields.u32()?;
    fields.fourcc()
}

fn ticks_per_second(mdhd: &[u8]) -> Result<u32, ProbeError> {
    let (mut fields, version, _) = Fields::full(mdhd, "mdhd")?;
    fields.take(if version == 0 { 8 } else { 16 })?;
    fields.u32()
}
