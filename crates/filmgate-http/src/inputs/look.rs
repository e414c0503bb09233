//! Tells what bytes are, by their beginning, and how large the picture is. Nothing is decoded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use filmgate_domain::Role;

use super::Looks;
use crate::App;
use crate::refusal::Refusal;

/// The media type and the form of an input.
pub(super) async fn look(
    app: &App,
    role: Role,
    param: &str,
    bytes: &Bytes,
) -> Result<(&'static str, Looks), Refusal> {
    if role != Role::Video {
        return picture(param, bytes);
    }
    if bytes.get(4..8) != Some(b"ftyp") {
        return Err(Refusal::invalid(param, format!("`{param}` is not an MP4 video")));
    }
    let measured = app.engine.measure(bytes.clone()).await;
    let measured = measured
        .map_err(|error| Refusal::invalid(param, format!("`{param}` is no video to start from: {error}")))?;
    let (width, height) = (measured.width, measured.height);
    Ok(("video/mp4", Looks { width, height, duration_ms: Some(measured.duration_ms) }))
}

fn picture(param: &str, bytes: &[u8]) -> Result<(&'static str, Looks), Refusal> {
    let media_type = match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => {
            let message = format!("`{param}` is not an image; send a PNG, a JPEG or a WebP");
            return Err(Refusal::invalid(param, message));
        }
    };
    let size = imagesize::blob_size(bytes).ok();
    let size = size.and_then(|s| Some((u32::try_from(s.width).ok()?, u32::try_from(s.height).ok()?)));
    match size.filter(|(width, height)| *width > 0 && *height > 0) {
        Some((width, height)) => Ok((media_type, Looks { width, height, duration_ms: None })),
        None => {
            Err(Refusal::invalid(param, format!("`{param}` is a damaged image: its size cannot be read")))
        }
    }
}

/// The bytes of a data URI; what it says about itself does not count.
pub(super) fn data_uri(text: &str, param: &str) -> Result<Bytes, Refusal> {
    let wrong = || {
        let message =
            format!("`{param}` is no data URI of base64: it begins with data:image/png;base64, say");
        Refusal::invalid(param, message)
    };
    let (head, data) = text.split_once(',').ok_or_else(wrong)?;
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err(wrong());
    }
    STANDARD.decode(data.trim()).map(Bytes::from).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0";

    #[test]
    fn a_picture_is_told_by_its_bytes() {
        let (media_type, looks) = picture("image", PNG).unwrap();
        assert_eq!((media_type, looks.width, looks.height), ("image/png", 640, 480));
    }

    #[rstest]
    #[case(b"")]
    #[case(b"GIF89a\x01\0\x01\0")]
    #[case(b"<svg xmlns='http://www.w3.org/2000/svg'/>")]
    #[case(b"\x89PNG\r\n\x1a\n")]
    #[case(b"\xff\xd8\xff\xe0\0\0")]
    #[case(b"RIFF\0\0\0\0WEBPVP8 ")]
    fn what_is_no_picture_is_refused_by_name(#[case] bytes: &[u8]) {
        assert_eq!(picture("image", bytes).unwrap_err().param.as_deref(), Some("image"));
    }

    #[rstest]
    #[case("data:image/png;base64,Zm94", Some("fox"))]
    #[case("data:;BASE64,Zm94", Some("fox"))]
    #[case("data:image/png,fox", None)]
    #[case("data:image/png;base64", None)]
    #[case("data:image/png;base64,###", None)]
    fn data_uris(#[case] text: &str, #[case] expected: Option<&str>) {
        let read = data_uri(text, "image").ok();
        assert_eq!(read.as_deref(), expected.map(str::as_bytes));
    }
}
