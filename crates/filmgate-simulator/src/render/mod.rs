//! Makes the videos: real H.264 in MP4, playable in browsers, the same bytes every time.

#[cfg(feature = "h264")]
mod canvas;
mod colour;
mod flat;
#[cfg(feature = "h264")]
mod font;
#[cfg(feature = "h264")]
mod h264;
mod mp4;
#[cfg(feature = "h264")]
mod scene;
mod studio;
#[cfg(feature = "h264")]
mod text;

pub(crate) use studio::Studio;

use sha2::{Digest as _, Sha256};

use crate::config::Render;

/// What a file is to show. Equal clips give equal files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clip {
    /// Pixels, even.
    pub(crate) width: u32,
    /// Pixels, even.
    pub(crate) height: u32,
    pub(crate) seconds: u32,
    pub(crate) tier: String,
    /// What was asked and what is made, such as `720p, 10 s`.
    pub(crate) asked: String,
    pub(crate) made: String,
    pub(crate) prompt: String,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[cfg(feature = "h264")]
    #[error("encoding failed: {0}")]
    Encode(#[from] openh264::Error),
    #[error("writing the MP4 failed: {0}")]
    Mux(#[from] mp4_atom::Error),
    #[cfg(feature = "h264")]
    #[error("the encoder gave no parameter sets")]
    NoParameterSets,
}

/// A picture whose shorter side has fewer pixels has no room for words, and is flat.
#[cfg(feature = "h264")]
const LEAST_SIDE: u32 = 160;

/// Draws, encodes and packs a clip. Takes about a second for ten seconds of 720p: not for an async thread.
pub(crate) fn render(clip: &Clip, how: Render) -> Result<Vec<u8>, RenderError> {
    let track = match how {
        #[cfg(feature = "h264")]
        _ if clip.width.min(clip.height) < LEAST_SIDE => flat::encode(clip),
        #[cfg(feature = "h264")]
        Render::Full => h264::encode(clip, 12)?,
        #[cfg(feature = "h264")]
        Render::Small => h264::encode(clip, 2)?,
        _ => flat::encode(clip),
    };
    let mut file = mp4::pack(&track)?;
    // A flat colour looks alike for all words, and yet no two videos of different words are the same.
    mp4::append_note(&mut file, &Sha256::digest(&clip.prompt));
    Ok(file)
}

/// A playable video of one flat colour, some kilobytes. Both sides even.
pub fn flat_video(width: u32, height: u32, seconds: u32) -> Vec<u8> {
    let clip = Clip {
        width,
        height,
        seconds,
        tier: String::new(),
        asked: String::new(),
        made: String::new(),
        prompt: String::new(),
    };
    mp4::pack(&flat::encode(&clip)).expect("a video that was just encoded can be packed")
}

#[cfg(test)]
pub(crate) fn test_clip(width: u32, height: u32, seconds: u32, tier: &str) -> Clip {
    Clip {
        width,
        height,
        seconds,
        tier: tier.to_owned(),
        asked: "720p, 10 s".to_owned(),
        made: format!("{}p, {seconds} s", width.min(height)),
        prompt: "A red fox in the snow, trotting past a frozen lake".to_owned(),
    }
}
