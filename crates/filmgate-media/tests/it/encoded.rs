//! Videos of one encoded picture, taken apart so that they can be put together wrongly.

use openh264::OpenH264API;
use openh264::encoder::{BitRate, Encoder, EncoderConfig};
use openh264::formats::YUVSlices;

use crate::build::{Clip, bx, entry, table, words};

/// The NAL units of a picture: 64x48, grey, its left half red.
pub(crate) struct Encoded {
    pub(crate) sps: Vec<u8>,
    pub(crate) pps: Vec<u8>,
    pub(crate) slice: Vec<u8>,
}

pub(crate) const SIDES: (u32, u32) = (64, 48);

impl Encoded {
    pub(crate) fn new() -> Self {
        let (width, height) = (SIDES.0 as usize, SIDES.1 as usize);
        // Grey is luma alone; red in BT.601 is 81, 90, 240.
        let plane = |width: usize, height: usize, red: u8, grey: u8| -> Vec<u8> {
            (0..width * height).map(|at| if at % width < width / 2 { red } else { grey }).collect()
        };
        let luma = plane(width, height, 81, 126);
        let (u, v) = (plane(width / 2, height / 2, 90, 128), plane(width / 2, height / 2, 240, 128));
        let config = EncoderConfig::new().skip_frames(false).bitrate(BitRate::from_bps(1_000_000));
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
        let source = YUVSlices::new((&luma, &u, &v), (width, height), (width, width / 2, width / 2));
        let stream = encoder.encode(&source).unwrap().to_vec();
        let unit = |kind: u8| {
            openh264::nal_units(&stream)
                .map(|unit| &unit[unit.iter().position(|byte| *byte == 1).unwrap() + 1..])
                .find(|unit| unit[0] & 0x1f == kind)
                .unwrap()
                .to_vec()
        };
        Self { sps: unit(7), pps: unit(8), slice: unit(5) }
    }

    /// The file with these NAL units in its one sample.
    pub(crate) fn file(&self, units: &[&[u8]]) -> Vec<u8> {
        self.clip(&[&sample(units)]).file()
    }

    /// A clip of these samples.
    pub(crate) fn clip(&self, samples: &[&[u8]]) -> Clip {
        let description = entry("avc1", SIDES.0 as u16, SIDES.1 as u16, &avcc(&[&self.sps], &[&self.pps]));
        let sizes: Vec<u32> = samples.iter().map(|sample| sample.len() as u32).collect();
        let count = samples.len() as u32;
        Clip { width: SIDES.0.into(), height: SIDES.1.into(), frames: count, ..Clip::default() }
            .with("stsd", bx("stsd", &[&words(&[0, 1]), &description]))
            .with("stsz", bx("stsz", &[&words(&[0, 0, count]), &words(&sizes)]))
            .with("mdat", bx("mdat", samples))
    }
}

/// NAL units behind their lengths.
pub(crate) fn sample(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
}

/// An `avcC` box with these parameter sets.
pub(crate) fn avcc(sps: &[&[u8]], pps: &[&[u8]]) -> Vec<u8> {
    let sets = |sets: &[&[u8]]| -> Vec<u8> {
        sets.iter().flat_map(|set| [&(set.len() as u16).to_be_bytes()[..], set].concat()).collect()
    };
    bx("avcC", &[&[1, 66, 0, 30, 0xff, 0xe0 | sps.len() as u8], &sets(sps), &[pps.len() as u8], &sets(pps)])
}

/// A `stss` box with these numbers.
pub(crate) fn stss(numbers: &[u32]) -> Vec<u8> {
    table("stss", &[&[0, numbers.len() as u32], numbers].concat())
}
