//! Posters of real videos: their sides, their colours, and which way up they are.

use std::io::Cursor;

use filmgate_media::Codec;
use image_webp::WebPDecoder;

use crate::{poster, probe, samples};

/// A picture of three bytes a pixel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads a WebP.
    pub(crate) fn read(webp: &[u8]) -> Self {
        let mut decoder = WebPDecoder::new(Cursor::new(webp)).unwrap();
        assert!(!decoder.has_alpha() && !decoder.is_animated());
        let mut bytes = vec![0; decoder.output_buffer_size().unwrap()];
        decoder.read_image(&mut bytes).unwrap();
        let (width, height) = decoder.dimensions();
        Self { width, height, pixels: bytes.as_chunks().0.to_vec() }
    }

    #[cfg(feature = "h264")]
    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.pixels[(y * self.width + x) as usize]
    }

    /// The average colour of a rectangle, in eighths of the sides.
    #[cfg(feature = "h264")]
    fn average(&self, column: u32, row: u32) -> [u8; 3] {
        let part = |side: u32, eighth: u32| side * eighth / 8..side * (eighth + 1) / 8;
        let pixels: Vec<_> = part(self.height, row)
            .flat_map(|y| part(self.width, column).map(move |x| (x, y)))
            .map(|(x, y)| self.at(x, y))
            .collect();
        [0, 1, 2].map(|colour| {
            let sum: usize = pixels.iter().map(|pixel| usize::from(pixel[colour])).sum();
            (sum / pixels.len()) as u8
        })
    }
}

fn sample(name: &str) -> Vec<u8> {
    samples::all().into_iter().find(|(other, _)| other == name).unwrap().1
}

/// The sides of `picture` are those of the video `file`, the longer one fitted to `longest`.
pub(crate) fn assert_fits(picture: &Picture, file: &[u8], longest: u32) {
    let video = probe(file).unwrap();
    let long = video.width.max(video.height);
    let longest = longest.min(long);
    let side = |side: u32| ((side * longest + long / 2) / long).max(1);
    assert_eq!((picture.width, picture.height), (side(video.width), side(video.height)));
}

/// How far apart two colours may be that went different ways: two scalers, and both round more than once.
#[cfg(feature = "h264")]
const NEAR: u8 = 4;

#[cfg(feature = "h264")]
fn assert_near(one: [u8; 3], other: [u8; 3], of: &str) {
    let near = one.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= NEAR);
    assert!(near, "{of}: {one:?} and {other:?}");
}

#[cfg(feature = "h264")]
#[test]
fn agree_with_ffmpeg() {
    let list = include_str!("../samples/posters.txt");
    assert!(list.lines().count() >= 12, "only {} posters", list.lines().count());
    for line in list.lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let wanted: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert_eq!(wanted.len(), 8 * 8 * 3, "{name}");
        let file = sample(name);
        // With sides that eight does not divide, the parts are not quite those of ffmpeg.
        let picture = [640, 376]
            .into_iter()
            .map(|longest| {
                let webp = poster(&file, longest).unwrap_or_else(|error| panic!("{name}: {error}"));
                let picture = Picture::read(&webp);
                assert_fits(&picture, &file, longest);
                picture
            })
            .find(|picture| picture.width.is_multiple_of(8) && picture.height.is_multiple_of(8))
            .unwrap_or_else(|| panic!("{name}: no size that can be compared"));
        for (place, wanted) in (0..).zip(wanted.as_chunks().0) {
            let (column, row) = (place % 8, place / 8);
            assert_near(
                picture.average(column, row),
                *wanted,
                &format!("{name}, column {column}, row {row}"),
            );
        }
    }
}

#[cfg(feature = "h264")]
#[test]
fn a_red_video_has_a_red_poster_whatever_its_matrix_and_range() {
    for name in ["h264_red_bt709.mp4", "h264_red_bt601_full.mp4"] {
        let picture = Picture::read(&poster(&sample(name), 640).unwrap());
        assert_eq!((picture.width, picture.height), (128, 96), "{name}");
        for pixel in &picture.pixels {
            assert_near(*pixel, [253, 0, 2], name);
        }
    }
}

#[cfg(feature = "h264")]
#[test]
fn a_mirrored_video_has_a_mirrored_poster() {
    let mut file = sample("h264_480p_moov_at_end.mp4");
    let plain = Picture::read(&poster(&file, 94).unwrap());
    let one = 0x1_0000_u32.to_be_bytes();
    let matrix = [&one[..], &[0; 12], &one].concat();
    let tkhd = file.windows(4).position(|kind| kind == b"tkhd").unwrap();
    let at = tkhd + file[tkhd..].windows(matrix.len()).position(|bytes| bytes == matrix).unwrap();
    file[at..at + 4].copy_from_slice(&(-0x1_0000_i32).to_be_bytes());
    let mirrored = Picture::read(&poster(&file, 94).unwrap());
    assert_eq!((mirrored.width, mirrored.height), (94, 52));
    assert!((0..52).all(|y| (0..94).all(|x| mirrored.at(x, y) == plain.at(93 - x, y))));
    assert_ne!(mirrored, plain);
}

#[cfg(feature = "h264")]
#[test]
fn h264_of_an_unusual_kind_is_told_as_such() {
    for (name, what) in
        [("h264_422.mp4", "4:2:0"), ("h264_444.mp4", "4:2:0"), ("h264_interlaced.mp4", "interlaced")]
    {
        let error = poster(&sample(name), 640).unwrap_err();
        assert_eq!(error.code(), "unsupported_picture", "{name}");
        assert!(error.to_string().contains(what), "{name}: {error}");
    }
}

#[test]
fn other_codecs_are_told_by_name_and_the_video_is_not_blamed() {
    let mut files = vec![
        ("hevc_1080p.mp4", Codec::H265),
        ("av1_480p.mp4", Codec::Av1),
        ("vp9_480p.mp4", Codec::Vp9),
        ("mpeg4_part2.mp4", Codec::Other(*b"mp4v")),
    ];
    if cfg!(not(feature = "h264")) {
        files.push(("h264_720p_faststart.mp4", Codec::H264));
    }
    for (name, codec) in files {
        let error = poster(&sample(name), 640).unwrap_err();
        assert_eq!(error.code(), "unsupported_codec", "{name}");
        let message = format!("no poster can be made of {codec} here; the video itself is fine");
        assert_eq!(error.to_string(), message, "{name}");
    }
}

#[test]
fn what_is_no_video_is_told_as_the_prober_tells_it() {
    for file in [&b"<!DOCTYPE html>"[..], &sample("webm.webm"), &sample("sound_only.m4a"), b""] {
        let (poster, probe) = (poster(file, 640).unwrap_err(), probe(file).unwrap_err());
        assert_eq!((poster.code(), poster.to_string()), (probe.code(), probe.to_string()));
    }
}

#[cfg(feature = "h264")]
#[test]
fn a_file_cut_anywhere_has_a_poster_only_while_it_is_a_video() {
    for name in ["h264_red_bt709.mp4", "h264_fragmented_absolute.mp4"] {
        let file = sample(name);
        let whole = poster(&file, 32).unwrap();
        for length in 0..file.len() {
            let cut = &file[..length];
            match (poster(cut, 32), probe(cut)) {
                (Ok(of_cut), Ok(_)) => assert_eq!(of_cut, whole, "{name} cut to {length}"),
                (Err(of_cut), Err(error)) => {
                    assert_eq!(of_cut.code(), error.code(), "{name} cut to {length}")
                }
                (poster, probe) => panic!("{name} cut to {length}: {poster:?} of {probe:?}"),
            }
        }
    }
}
