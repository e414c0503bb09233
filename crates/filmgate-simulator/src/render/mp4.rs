//! Packs encoded pictures into an MP4 that plays while it loads: `ftyp`, `moov`, `mdat`.

use mp4_atom::{
    Atom as _, Avc1, Avcc, Codec, Dinf, Dref, DrefEntry, Encode as _, FourCC, Ftyp, Hdlr, Mdat, Mdhd, Mdia,
    Minf, Moov, Mvhd, Stbl, Stco, Stsc, StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Tkhd,
    Trak, Url, Visual, Vmhd,
};

use super::RenderError;

/// Units a second of the movie's clock.
const MOVIE_TIMESCALE: u32 = 1000;
/// Units a picture lasts on the track's clock.
const PICTURE_UNITS: u32 = 1000;
const HEADER_LEN: usize = 8;

/// Encoded pictures, all equally long.
pub(super) struct Track {
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
    pub(super) frames_per_second: u32,
    /// Sequence parameter set, with its NAL header.
    pub(super) sps: Vec<u8>,
    /// Picture parameter set, with its NAL header.
    pub(super) pps: Vec<u8>,
    pub(super) samples: Vec<Sample>,
}

/// One picture.
pub(super) struct Sample {
    /// NAL units, each behind its length in four bytes.
    pub(super) data: Vec<u8>,
    /// Whether playing can start here.
    pub(super) key: bool,
}

pub(super) fn pack(track: &Track) -> Result<Vec<u8>, RenderError> {
    let mut file = Vec::new();
    Ftyp {
        major_brand: FourCC::new(b"isom"),
        minor_version: 0x200,
        compatible_brands: [b"isom", b"iso2", b"avc1", b"mp41"].map(FourCC::new).to_vec(),
    }
    .encode(&mut file)?;
    // Written twice: only its length tells where the pictures begin, and the offset does not change it.
    let mut probe = Vec::new();
    movie(track, 0)?.encode(&mut probe)?;
    let offset = file.len() + probe.len() + HEADER_LEN;
    movie(track, number(offset))?.encode(&mut file)?;
    let length: usize = HEADER_LEN + track.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    file.extend(number(length).to_be_bytes());
    file.extend(<[u8; 4]>::from(Mdat::KIND));
    for sample in &track.samples {
        file.extend(&sample.data);
    }
    Ok(file)
}

/// Ends a file with bytes that no player shows.
pub(super) fn append_note(file: &mut Vec<u8>, note: &[u8]) {
    file.extend(number(HEADER_LEN + note.len()).to_be_bytes());
    file.extend(b"free");
    file.extend(note);
}

fn movie(track: &Track, data_offset: u32) -> Result<Moov, RenderError> {
    let pictures = number(track.samples.len());
    let movie_duration =
        u64::from(pictures) * u64::from(MOVIE_TIMESCALE) / u64::from(track.frames_per_second);
    let tkhd = Tkhd {
        track_id: 1,
        duration: movie_duration,
        enabled: true,
        in_movie: true,
        width: small(track.width).into(),
        height: small(track.height).into(),
        ..Tkhd::default()
    };
    let mdhd = Mdhd {
        timescale: track.frames_per_second * PICTURE_UNITS,
        duration: u64::from(pictures) * u64::from(PICTURE_UNITS),
        language: "und".to_owned(),
        ..Mdhd::default()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url { location: String::new() })] } },
        stbl: samples(track, data_offset)?,
        ..Minf::default()
    };
    let hdlr = Hdlr { handler: FourCC::new(b"vide"), name: "filmgate simulator".to_owned() };
    Ok(Moov {
        mvhd: Mvhd {
            timescale: MOVIE_TIMESCALE,
            duration: movie_duration,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: 2,
            ..Mvhd::default()
        },
        trak: vec![Trak { tkhd, mdia: Mdia { mdhd, hdlr, minf }, ..Trak::default() }],
        ..Moov::default()
    })
}

/// One chunk that holds every picture.
fn samples(track: &Track, data_offset: u32) -> Result<Stbl, RenderError> {
    let pictures = number(track.samples.len());
    let entry = Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: small(track.width),
            height: small(track.height),
            ..Visual::default()
        },
        avcc: Avcc::new(&track.sps, &track.pps)?,
        ..Avc1::default()
    };
    let keys = (1..).zip(&track.samples).filter(|(_, sample)| sample.key).map(|(number, _)| number).collect();
    let sizes = track.samples.iter().map(|sample| number(sample.data.len())).collect();
    Ok(Stbl {
        stsd: Stsd { codecs: vec![Codec::Avc1(entry)] },
        stts: Stts { entries: vec![SttsEntry { sample_count: pictures, sample_delta: PICTURE_UNITS }] },
        stss: Some(Stss { entries: keys }),
        stsc: Stsc {
            entries: vec![StscEntry {
                first_chunk: 1,
                samples_per_chunk: pictures,
                sample_description_index: 1,
            }],
        },
        stsz: Stsz { samples: StszSamples::Different { sizes } },
        stco: Some(Stco { entries: vec![data_offset] }),
        ..Stbl::default()
    })
}

/// Nothing here comes near the limit: the longest video is two minutes.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn small(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use mp4_atom::Decode as _;

    use super::*;
    use crate::{
        config::Render,
        render::{render, test_clip},
    };

    /// The top-level boxes: name, start, length.
    fn boxes(file: &[u8]) -> Vec<(String, usize, usize)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < file.len() {
            let length = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
            found.push((String::from_utf8_lossy(&file[at + 4..at + 8]).into_owned(), at, length));
            at += length;
        }
        assert_eq!(at, file.len(), "the last box ends with the file");
        found
    }

    #[track_caller]
    fn check(how: Render, width: u32, height: u32, seconds: u32) {
        let file = render(&test_clip(width, height, seconds, "super"), how).expect("rendered");
        let found = boxes(&file);
        let names: Vec<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["ftyp", "moov", "mdat", "free"]);
        let moov = Moov::decode(&mut &file[found[1].1..]).expect("moov");
        assert_eq!(moov.mvhd.duration, u64::from(seconds) * 1000);
        let trak = &moov.trak[0];
        assert_eq!(trak.tkhd.duration, u64::from(seconds) * 1000);
        assert_eq!((trak.tkhd.width.integer(), trak.tkhd.height.integer()), (small(width), small(height)));
        assert_eq!(trak.mdia.mdhd.duration, u64::from(seconds * trak.mdia.mdhd.timescale));
        let stbl = &trak.mdia.minf.stbl;
        let StszSamples::Different { sizes } = &stbl.stsz.samples else { panic!("sizes differ") };
        assert_eq!(stbl.stts.entries[0].sample_count as usize, sizes.len());
        assert_eq!(stbl.stss.as_ref().expect("stss").entries[0], 1);
        assert_eq!(stbl.stco.as_ref().expect("stco").entries, [number(found[2].1 + HEADER_LEN)]);
        assert_eq!(sizes.iter().sum::<u32>(), number(found[2].2 - HEADER_LEN));
        // Each picture is made of NAL units that fill it.
        let mut at = found[2].1 + HEADER_LEN;
        for size in sizes {
            let end = at + *size as usize;
            while at < end {
                at += 4 + u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
            }
            assert_eq!(at, end);
        }
    }

    #[test]
    fn flat_files_are_in_order() {
        check(Render::Flat, 752, 416, 6);
        check(Render::Flat, 1280, 720, 15);
        check(Render::Flat, 1080, 1920, 1);
    }

    #[test]
    fn drawn_files_are_in_order_and_the_same_each_time() {
        check(Render::Small, 752, 416, 3);
        check(Render::Full, 416, 752, 1);
        check(Render::Full, 160, 284, 1);
        check(Render::Full, 64, 36, 1);
        check(Render::Full, 2, 2, 1);
        let clip = test_clip(416, 416, 1, "basic");
        let file = render(&clip, Render::Full).expect("rendered");
        assert!(file == render(&clip, Render::Full).expect("rendered"));
    }
}
