//! The index (`moov`): the tracks of a file and what each holds.

use crate::ProbeError;
use crate::boxes::{Fields, all, find, need};
use crate::fragments::Defaults;
use crate::picture::Picture;
use crate::samples::Samples;

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
    /// Shown turned by 90 or 270 degrees.
    pub(crate) turned: bool,
    pub(crate) samples: Samples,
    pub(crate) defaults: Defaults,
    ticks_per_second: u32,
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
            let defaults = Defaults { ticks: fields.u32()?, bytes: fields.u32()? };
            if let Some(track) = movie.tracks.iter_mut().find(|track| track.id == id) {
                track.defaults = defaults;
            }
        }
        Ok(movie)
    }
}

impl Track {
    fn parse(trak: &[u8], len: u64) -> Result<Self, ProbeError> {
        let (id, turned) = track_header(need(trak, "tkhd")?)?;
        let mdia = need(trak, "mdia")?;
        let stbl = need(need(mdia, "minf")?, "stbl")?;
        let picture = match &handler(need(mdia, "hdlr")?)? {
            b"vide" => Some(Picture::parse(need(stbl, "stsd")?)?),
            _ => None,
        };
        Ok(Self {
            id,
            picture,
            turned,
            samples: Samples::from_tables(stbl, len)?,
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

/// The id of a track, and whether its matrix turns the picture by a quarter or three.
fn track_header(tkhd: &[u8]) -> Result<(u32, bool), ProbeError> {
    let (mut fields, version, _) = Fields::full(tkhd, "tkhd")?;
    let (times, duration) = if version == 0 { (8, 4) } else { (16, 8) };
    fields.take(times)?;
    let id = fields.u32()?;
    // Reserved, duration, reserved, layer, alternate group, volume, reserved.
    fields.take(4 + duration + 16)?;
    // The matrix is a b u, c d v, x y w; a turn by a quarter leaves nothing of x in x nor of y in y.
    let [a, b, _, c, d] = [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
    Ok((id, a == 0 && d == 0 && b != 0 && c != 0))
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
