//! Videos made by ffmpeg, and the figures that ffprobe printed for them (`samples/make.sh` makes both).

use std::fs;
use std::path::{Path, PathBuf};

use filmgate_media::Codec;
use serde_json::Value;

use crate::probe;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// All sample files, by name: those that ffprobe measured, then sound only and another container.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = measured_by_ffprobe().into_iter().map(|(name, _)| name).collect();
    names.extend(["sound_only.m4a", "webm.webm"].map(str::to_owned));
    names
        .into_iter()
        .map(|name| {
            let file = fs::read(folder().join(&name)).unwrap();
            (name, file)
        })
        .collect()
}

/// Each line of `ffprobe.txt`: a file, and what ffprobe says of its picture track.
fn measured_by_ffprobe() -> Vec<(String, Value)> {
    let lines = fs::read_to_string(folder().join("ffprobe.txt")).unwrap();
    lines
        .lines()
        .map(|line| {
            let (name, json) = line.split_once(' ').unwrap();
            let mut json: Value = serde_json::from_str(json).unwrap();
            (name.to_owned(), json["streams"][0].take())
        })
        .collect()
}

#[test]
fn agrees_with_ffprobe() {
    let files = measured_by_ffprobe();
    assert!(files.len() >= 15, "only {} samples", files.len());
    for (name, stream) in files {
        let measured =
            probe(&fs::read(folder().join(&name)).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut width, mut height) = (stream["width"].as_u64().unwrap(), stream["height"].as_u64().unwrap());
        if stream["side_data_list"][0]["rotation"].as_i64().is_some_and(|degrees| degrees % 180 != 0) {
            (width, height) = (height, width);
        }
        let seconds: f64 = stream["duration"].as_str().unwrap().parse().unwrap();
        let frames = stream["nb_read_frames"].as_str().unwrap();
        let codec = match stream["codec_name"].as_str().unwrap() {
            "h264" => Codec::H264,
            "hevc" => Codec::H265,
            "av1" => Codec::Av1,
            "vp9" => Codec::Vp9,
            "mpeg4" => Codec::Other(*b"mp4v"),
            other => panic!("{name}: a codec without a line here: {other}"),
        };
        assert_eq!((u64::from(measured.width), u64::from(measured.height)), (width, height), "{name}");
        assert_eq!(measured.duration_ms, (seconds * 1000.0).round() as u64, "{name}");
        assert_eq!(measured.frames.to_string(), frames, "{name}");
        assert_eq!(measured.codec, codec, "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_told_as_cut() {
    for (name, file) in all() {
        let Ok(whole) = probe(&file) else { continue };
        for length in 0..file.len() {
            match probe(&file[..length]) {
                // A fragmented file cut between two fragments is a shorter file.
                Ok(cut) => assert!(
                    name.contains("fragmented") && cut.frames <= whole.frames,
                    "{name} cut to {length}"
                ),
                Err(error) => {
                    let code = if length < 8 { "not_a_video" } else { "truncated_video" };
                    assert_eq!(error.code(), code, "{name} cut to {length}: {error}");
                }
            }
        }
    }
}
