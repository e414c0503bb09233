//! Tells what a file is that is no MP4, so that the message says more than "bad file".

use crate::ProbeError;

/// How much of the front of a file is looked at, in bytes.
pub(crate) const LOOK_BYTES: u64 = 512;

/// The boxes with which an MP4 can begin: by the standard `ftyp`, by custom the others.
const FIRST_BOXES: [&[u8; 4]; 12] = [
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx", b"uuid",
    b"emsg",
];

/// A kind of file: what it is, and which bytes it has at which place.
type Known = (&'static str, usize, &'static [u8]);

/// Images in the same boxes as an MP4.
const BOXED_IMAGES: [Known; 3] =
    [("an AVIF image", 4, b"ftypavif"), ("a HEIC image", 4, b"ftyphei"), ("a HEIF image", 4, b"ftypmif1")];

/// Files that are no video.
const NOT_VIDEO: [Known; 13] = [
    ("a PNG image", 0, b"\x89PNG"),
    ("a JPEG image", 0, b"\xff\xd8\xff"),
    ("a GIF image", 0, b"GIF8"),
    ("a WebP image", 8, b"WEBP"),
    ("a BMP image", 6, b"\0\0\0\0\x36\0\0\0"),
    ("a PDF document", 0, b"%PDF"),
    ("a ZIP archive", 0, b"PK\x03\x04"),
    ("gzip data", 0, b"\x1f\x8b"),
    ("a WAV sound", 8, b"WAVE"),
    ("an MP3 sound", 0, b"ID3"),
    ("an MP3 sound", 0, b"\xff\xfb"),
    ("a FLAC sound", 0, b"fLaC"),
    ("a playlist", 0, b"#EXTM3U"),
];

/// Videos that are no MP4.
const OTHER_VIDEO: [Known; 5] = [
    ("a WebM or Matroska video", 0, b"\x1a\x45\xdf\xa3"),
    ("an AVI video", 8, b"AVI "),
    ("a Flash video", 0, b"FLV\x01"),
    ("an Ogg file", 0, b"OggS"),
    ("an MPEG program stream", 0, b"\0\0\x01\xba"),
];

/// An error that says what the file is, unless `front`, its first bytes, begin an MP4.
pub(crate) fn expect_mp4(front: &[u8]) -> Result<(), ProbeError> {
    if let Some(what) = known(&BOXED_IMAGES, front) {
        return Err(ProbeError::NotVideo { what });
    }
    // Before the rest of the lists: the size of a first box can be any four bytes.
    if front.get(4..8).is_some_and(|kind| FIRST_BOXES.iter().any(|first| *first == kind)) {
        return Ok(());
    }
    // A transport stream: packets of 188 bytes, each with the same first byte.
    if front.first() == Some(&0x47) && front.get(188) == Some(&0x47) {
        return Err(ProbeError::Unsupported { what: "an MPEG transport stream" });
    }
    match known(&OTHER_VIDEO, front) {
        Some(what) => Err(ProbeError::Unsupported { what }),
        None => Err(ProbeError::NotVideo { what: known(&NOT_VIDEO, front).unwrap_or_else(|| text(front)) }),
    }
}

fn known(list: &[Known], front: &[u8]) -> Option<&'static str> {
    let is_it = |(_, at, bytes): &&Known| front.get(*at..).is_some_and(|front| front.starts_with(bytes));
    list.iter().find(is_it).map(|(what, ..)| *what)
}

/// Names text by its beginning; what is no text is of unknown kind.
fn text(front: &[u8]) -> &'static str {
    let front = front.strip_prefix(b"\xef\xbb\xbf").unwrap_or(front).trim_ascii_start();
    let begins =
        |with: &str| front.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()));
    // The look may end inside a character, so a few bytes at the end may be no UTF-8.
    let is_text = match std::str::from_utf8(front) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    } && !front.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    match front.first() {
        None => "empty",
        _ if !is_text => "of an unknown kind",
        _ if ["<!doctype html", "<html", "<head", "<body", "<script"].into_iter().any(begins) => {
            "an HTML page"
        }
        _ if begins("<svg") => "an SVG image",
        Some(b'<') => "an XML document",
        Some(b'{' | b'[') => "JSON text",
        Some(_) => "plain text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(front: &[u8]) -> String {
        expect_mp4(front).unwrap_err().to_string()
    }

    #[test]
    fn says_what_came_instead_of_a_video() {
        for (front, what) in [
            (&b""[..], "empty"),
            (b" \r\n", "empty"),
            (b"<!DOCTYPE html><html>", "an HTML page"),
            (b"\n  <HTML lang=en>", "an HTML page"),
            (b"\xef\xbb\xbf<html>", "an HTML page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
            (b"{\"error\":\"not found\"}", "JSON text"),
            (b"[1]", "JSON text"),
            (b"upstream connect error", "plain text"),
            ("nicht gefunden: \u{e4}".as_bytes(), "plain text"),
            (b"\x89PNG\r\n\x1a\n", "a PNG image"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP image"),
            (b"\0\0\0\x1cftypavif", "an AVIF image"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "a WAV sound"),
            (b"#EXTM3U\n#EXTINF:6,\n", "a playlist"),
            (b"\x7fELF\x02\x01\x01", "of an unknown kind"),
            (b"\0\0\0\x18", "of an unknown kind"),
        ] {
            assert_eq!(told(front), format!("the file is {what}, not a video"));
            assert_eq!(expect_mp4(front).unwrap_err().code(), "not_a_video");
        }
    }

    #[test]
    fn names_videos_that_are_no_mp4() {
        let mut transport_stream = [0; 376];
        transport_stream[0] = 0x47;
        transport_stream[188] = 0x47;
        for front in [&b"\x1a\x45\xdf\xa3\x01"[..], b"RIFF\x10\0\0\0AVI LIST", &transport_stream] {
            assert_eq!(expect_mp4(front).unwrap_err().code(), "unsupported_video");
        }
        assert_eq!(
            told(b"\x1a\x45\xdf\xa3\x01"),
            "the file is a WebM or Matroska video; only plain MP4 can be measured"
        );
    }

    #[test]
    fn lets_through_what_an_mp4_begins_with() {
        for kind in FIRST_BOXES {
            expect_mp4(&[b"\0\0\0\x08", &kind[..]].concat()).unwrap();
        }
    }

    #[test]
    fn a_character_cut_by_the_end_of_the_look_is_still_text() {
        assert!(told(b"<html>\xc3").contains("HTML"));
        assert!(told(b"{\"a\": \"\xff\"}").contains("unknown kind"));
    }
}
