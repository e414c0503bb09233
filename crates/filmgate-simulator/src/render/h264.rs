//! Encodes a drawn clip with OpenH264.

use openh264::{
    OpenH264API,
    encoder::{
        BitRate, Complexity, EncodedBitStream, Encoder, EncoderConfig, FrameRate, IntraFramePeriod,
        RateControlMode, VuiConfig,
    },
    formats::YUVSlices,
};

use super::{
    Clip, RenderError,
    canvas::Canvas,
    mp4::{Sample, Track},
    scene::Scene,
};

const NAL_KEY_PICTURE: u8 = 5;
const NAL_PICTURE: u8 = 1;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;

pub(super) fn encode(clip: &Clip, frames_per_second: u32) -> Result<Track, RenderError> {
    let scene = Scene::new(clip);
    let mut canvas = scene.canvas();
    let mut encoder =
        Encoder::with_api_config(OpenH264API::from_source(), settings(clip, frames_per_second))?;
    let mut nals = Nals::default();
    let mut samples = Vec::new();
    for number in 0..clip.seconds * frames_per_second {
        scene.draw(&mut canvas, f64::from(number) / f64::from(frames_per_second));
        let picture = encoder.encode(&slices(&canvas))?;
        samples.push(nals.sample(&picture));
    }
    let (Some(sps), Some(pps)) = (nals.sps, nals.pps) else { return Err(RenderError::NoParameterSets) };
    Ok(Track { width: clip.width, height: clip.height, frames_per_second, sps, pps, samples })
}

fn settings(clip: &Clip, frames_per_second: u32) -> EncoderConfig {
    // Room for sharp text: about 1.5 Mbit/s for 720p. The default of 120 kbit/s is for video calls.
    let bits_per_second = clip.width * clip.height * 8 / 5;
    EncoderConfig::new()
        .bitrate(BitRate::from_bps(bits_per_second))
        // Every picture equally good. The other modes complain on stderr when no picture may be skipped.
        .rate_control_mode(RateControlMode::Off)
        .max_frame_rate(FrameRate::from_hz(frames_per_second as f32))
        .complexity(Complexity::Low)
        // A player can seek to every second second.
        .intra_frame_period(IntraFramePeriod::from_num_frames(frames_per_second * 2))
        // A skipped picture would be an empty sample.
        .skip_frames(false)
        // More threads make more slices, and other bytes on every machine.
        .num_threads(1)
        .scene_change_detect(false)
        .vui(VuiConfig::bt709())
}

fn slices(canvas: &Canvas) -> YUVSlices<'_> {
    let (width, height) = (canvas.width, canvas.height);
    YUVSlices::new((&canvas.y, &canvas.u, &canvas.v), (width, height), (width, width / 2, width / 2))
}

/// Sorts what the encoder gives: parameter sets apart, pictures into samples.
#[derive(Default)]
struct Nals {
    sps: Option<Vec<u8>>,
    pps: Option<Vec<u8>>,
}

impl Nals {
    fn sample(&mut self, picture: &EncodedBitStream<'_>) -> Sample {
        let mut sample = Sample { data: Vec::new(), key: false };
        let layers = (0..picture.num_layers()).filter_map(|index| picture.layer(index));
        for layer in layers {
            for index in 0..layer.nal_count() {
                let nal = layer.nal_unit(index).map(without_start_code).unwrap_or_default();
                match nal.first().map(|header| header & 0x1f) {
                    Some(NAL_SPS) => self.sps = Some(nal.to_vec()),
                    Some(NAL_PPS) => self.pps = Some(nal.to_vec()),
                    Some(kind @ (NAL_KEY_PICTURE | NAL_PICTURE)) => {
                        sample.key |= kind == NAL_KEY_PICTURE;
                        let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
                        sample.data.extend(length.to_be_bytes());
                        sample.data.extend(nal);
                    }
                    _ => {}
                }
            }
        }
        sample
    }
}

fn without_start_code(nal: &[u8]) -> &[u8] {
    nal.strip_prefix(&[0, 0, 0, 1]).or_else(|| nal.strip_prefix(&[0, 0, 1])).unwrap_or(nal)
}
