//! What a video starts from: images, sounds and videos, as they were received.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{footage::Footage, frame::Aspect};

/// One image, sound or video that came with a create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The field it stood in: `image`, `reference_images[0]`, `last_frame`, `keyframes[0]`, `video`,
    /// `input_reference`, ...
    pub role: String,
    /// `data` (in the request itself), `url` (recorded, never fetched), `voice_id` or `video_id`.
    pub kind: &'static str,
    /// The URL or id, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The media type that a data URI or an uploaded file claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Size of the data in bytes, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// SHA-256 of the data, decoded, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Width and height in pixels, where the data is a PNG, a JPEG or an MP4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<(u32, u32)>,
}

impl Input {
    /// Reads an https URL or a data URI whose media type begins with `media` (`image/`, `audio/`).
    pub(crate) fn from_url(role: String, url: &str, media: &str) -> Result<Self, String> {
        if url.starts_with("https://") {
            return Ok(Self::referring(role, "url", url));
        }
        let (media_type, data) = data_uri(&role, url, media)?;
        Ok(Self::from_data(role, &media_type, &data))
    }

    /// Measures what came in the request itself.
    pub(crate) fn from_data(role: String, media_type: &str, data: &[u8]) -> Self {
        let film = || Footage::measure(data).ok().map(|footage| (footage.width, footage.height));
        Self {
            role,
            kind: "data",
            reference: None,
            media_type: Some(media_type.to_owned()),
            bytes: Some(data.len()),
            sha256: Some(hex::encode(Sha256::digest(data))),
            pixels: png_size(data).or_else(|| jpeg_size(data)).or_else(film),
        }
    }

    pub(crate) fn referring(role: String, kind: &'static str, reference: &str) -> Self {
        let reference = Some(reference.to_owned());
        Self { role, kind, reference, media_type: None, bytes: None, sha256: None, pixels: None }
    }

    pub(crate) fn aspect(&self) -> Option<Aspect> {
        self.pixels.map(|(width, height)| Aspect::nearest(width, height))
    }
}

/// Media type and data of a data URI whose media type begins with `media`.
pub(crate) fn data_uri(role: &str, url: &str, media: &str) -> Result<(String, Vec<u8>), String> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Err(format!("{role}: the url must be an https URL or a data URI"));
    };
    let Some((head, text)) = rest.split_once(',') else {
        return Err(format!("{role}: the data URI has no comma"));
    };
    let Some(media_type) = head.strip_suffix(";base64").filter(|media_type| media_type.starts_with(media))
    else {
        return Err(format!("{role}: the data URI must be base64 of {media}*"));
    };
    let data = STANDARD.decode(text).map_err(|err| format!("{role}: the data URI is no base64: {err}"))?;
    if data.is_empty() {
        return Err(format!("{role}: the data URI is empty"));
    }
    Ok((media_type.to_owned(), data))
}

/// PNG: the size stands in its first chunk.
fn png_size(data: &[u8]) -> Option<(u32, u32)> {
    let header = data.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(..16)?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    (header[4..8] == *b"IHDR").then_some(())?;
    Some((number(8)?, number(12)?))
}

/// JPEG: the size stands in the start-of-frame segment, C0 to CF without C4, C8 and CC.
fn jpeg_size(data: &[u8]) -> Option<(u32, u32)> {
    let mut rest = data.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, high, low, body @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_precision, h1, h0, w1, w0, ..] = body else { return None };
            return Some((u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into()));
        }
        rest = body.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut data = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        data.extend(width.to_be_bytes());
        data.extend(height.to_be_bytes());
        data.extend([8, 2, 0, 0, 0]);
        data
    }

    #[test]
    fn a_data_uri_is_measured() {
        let uri = format!("data:image/png;base64,{}", STANDARD.encode(png(640, 480)));
        let input = Input::from_url("image".to_owned(), &uri, "image/").expect("good");
        assert_eq!(input.bytes, Some(29));
        assert_eq!(input.sha256, Some(hex::encode(Sha256::digest(png(640, 480)))));
        assert_eq!(input.pixels, Some((640, 480)));
        assert_eq!(input.aspect().map(|aspect| aspect.name), Some("4:3"));
    }

    #[test]
    fn the_size_of_a_jpeg() {
        let mut data = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08".to_vec();
        data.extend(720_u16.to_be_bytes());
        data.extend(1280_u16.to_be_bytes());
        assert_eq!(jpeg_size(&data), Some((1280, 720)));
        assert_eq!(jpeg_size(&data[..12]), None);
        assert_eq!(jpeg_size(b"\xff\xd8\xff\xe0\x00\x00"), None);
    }

    #[test]
    fn bad_urls_are_told() {
        let read = |url: &str| Input::from_url("image".to_owned(), url, "image/");
        assert!(read("http://example.com/a.png").is_err());
        assert!(read("data:image/png;base64").is_err());
        assert!(read("data:text/plain;base64,YQ==").is_err());
        assert!(read("data:image/png;base64,!!!").is_err());
        assert!(read("data:image/png;base64,").is_err());
        assert_eq!(read("https://example.com/a.png").expect("good").kind, "url");
    }
}
