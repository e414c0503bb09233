//! Ids as LiteLLM makes them: `video_` and base64, with characters that a path must escape.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use uuid::Uuid;

const PREFIX: &str = "video_";
/// Is spelled `+/+/`; with the sixteen bytes of an id, `==` follows at the end.
const AWKWARD: [u8; 3] = [0xfb, 0xff, 0xbf];

/// How OpenAI's dialect spells an id.
pub(crate) fn spelled(id: Uuid) -> String {
    format!("{PREFIX}{}", STANDARD.encode([&AWKWARD, &id.as_bytes()[..]].concat()))
}

/// The id that is spelled so.
pub(super) fn parse(text: &str) -> Option<Uuid> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    Uuid::from_slice(bytes.strip_prefix(&AWKWARD)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_awkward_and_read_back() {
        for _ in 0..100 {
            let id = Uuid::new_v4();
            let text = spelled(id);
            assert!(text.starts_with("video_+/+/") && text.ends_with("=="), "{text}");
            assert_eq!(parse(&text), Some(id));
        }
    }

    #[test]
    fn anything_else_is_no_id() {
        let id = Uuid::new_v4();
        for text in ["", "video_", "video_+/+/", "edits", &id.to_string(), &spelled(id)[6..]] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&spelled(id).replace("==", "")), None);
    }
}
