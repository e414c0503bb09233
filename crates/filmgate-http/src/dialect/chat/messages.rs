//! The conversation: its texts are the prompt, its first image is the first frame.

use serde_json::Value;

use crate::fields::kind;
use crate::inputs::Given;
use crate::refusal::Refusal;

/// What the messages say.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) prompt: String,
    pub(super) image: Option<Given>,
}

/// Reads the conversation. Of several images the first counts, but one message has one at most.
pub(super) fn read(messages: Option<Value>, last_only: bool) -> Result<Messages, Refusal> {
    let messages = match messages {
        None => return Err(Refusal::invalid("messages", "`messages` is missing; put the prompt there")),
        Some(Value::Array(messages)) => messages,
        Some(other) => {
            let message = format!("`messages` must be an array, not {}", kind(&other));
            return Err(Refusal::invalid("messages", message));
        }
    };
    let (mut texts, mut image) = (Vec::new(), None);
    for (nth, message) in messages.iter().enumerate() {
        let name = format!("messages[{nth}]");
        let Value::Object(message) = message else {
            let wrong = format!("`{name}` must be an object, not {}", kind(message));
            return Err(Refusal::invalid(&name, wrong));
        };
        let role = message.get("role").and_then(Value::as_str).unwrap_or("user");
        let content = content(message.get("content"), &format!("{name}.content"))?;
        image = image.or(content.image);
        if !content.text.trim().is_empty() {
            texts.push((role, content.text));
        }
    }
    Ok(Messages { prompt: prompt(texts, last_only), image })
}

fn prompt(mut texts: Vec<(&str, String)>, last_only: bool) -> String {
    if last_only || texts.len() == 1 {
        return texts.pop().map(|(_, text)| text).unwrap_or_default();
    }
    let lines = texts.into_iter().map(|(role, text)| match role {
        "user" => text,
        role => format!("{role}: {text}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What one message says.
#[derive(Default)]
struct Content {
    text: String,
    image: Option<Given>,
}

/// A message's content: a string, or parts.
fn content(content: Option<&Value>, name: &str) -> Result<Content, Refusal> {
    let parts = match content {
        None | Some(Value::Null) => return Ok(Content::default()),
        Some(Value::String(text)) => return Ok(Content { text: text.clone(), image: None }),
        Some(Value::Array(parts)) => parts,
        Some(other) => {
            let message = format!("`{name}` must be a string or an array of parts, not {}", kind(other));
            return Err(Refusal::invalid(name, message));
        }
    };
    let mut content = Content::default();
    for (nth, part) in parts.iter().enumerate() {
        let name = format!("{name}[{nth}]");
        let kind_of_part = match part.get("type") {
            None | Some(Value::Null) => "text",
            Some(Value::String(kind)) => kind,
            Some(other) => {
                let message = format!("`{name}.type` must be a string, not {}", kind(other));
                return Err(Refusal::invalid(&format!("{name}.type"), message));
            }
        };
        match kind_of_part {
            "text" => match part.get("text").and_then(Value::as_str) {
                Some(text) => content.text.push_str(text),
                None => {
                    let message = format!("`{name}` must be {{\"type\":\"text\",\"text\":…}}");
                    return Err(Refusal::invalid(&name, message));
                }
            },
            "image_url" if content.image.is_some() => {
                let message = format!("`{name}`: one image is the first frame; a second one has no place");
                return Err(Refusal::invalid(&name, message));
            }
            "image_url" => content.image = Some(image(part, &name)?),
            other => {
                let other: String = other.chars().take(40).collect();
                let message =
                    format!("`{name}`: parts of type {other:?} are not supported here; nothing was made");
                return Err(Refusal::invalid(&name, message));
            }
        }
    }
    Ok(content)
}

/// `{"image_url":{"url":…}}`, or `{"image_url":"…"}`.
fn image(part: &Value, name: &str) -> Result<Given, Refusal> {
    let image = part.get("image_url");
    let address = image.and_then(|image| image.as_str().or_else(|| image.get("url")?.as_str()));
    match address {
        Some(address) => Ok(Given::image(address.to_owned(), &format!("{name}.image_url.url"))),
        None => {
            let message = format!("`{name}` must be {{\"type\":\"image_url\",\"image_url\":{{\"url\":…}}}}");
            Err(Refusal::invalid(name, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read_json(json: &str, last_only: bool) -> Result<Messages, Refusal> {
        read(Some(serde_json::from_str(json).unwrap()), last_only)
    }

    #[rstest]
    #[case(r#"[]"#, "")]
    #[case(r#"[{"role":"user","content":"fox"}]"#, "fox")]
    #[case(
        r#"[{"role":"system","content":"be calm"},{"role":"user","content":"fox"}]"#,
        "system: be calm\nfox"
    )]
    #[case(r#"[{"role":"user","content":"be calm"},{"role":"user","content":"fox"}]"#, "be calm\nfox")]
    #[case(r#"[{"content":[{"type":"text","text":"a "},{"text":"fox"}]}]"#, "a fox")]
    fn all_messages_are_the_prompt(#[case] json: &str, #[case] expected: &str) {
        let read = read_json(json, false).unwrap();
        assert_eq!((&*read.prompt, read.image.is_none()), (expected, true));
    }

    #[test]
    fn or_the_last_one_is() {
        let json = r#"[{"role":"user","content":"be calm"},{"role":"user","content":"fox"}]"#;
        assert_eq!(read_json(json, true).unwrap().prompt, "fox");
    }

    #[rstest]
    #[case(r#"{"url":"data:image/png;base64,AA=="}"#)]
    #[case(r#""https://example.com/a.png""#)]
    fn the_first_image_is_the_first_frame(#[case] image: &str) {
        let part = format!(r#"{{"type":"image_url","image_url":{image}}}"#);
        let json = format!(
            r#"[{{"role":"user","content":[{{"type":"text","text":"fox"}},{part}]}},{{"role":"user","content":[{part}]}}]"#
        );
        let read = read_json(&json, false).unwrap();
        assert_eq!(read.prompt, "fox");
        assert_eq!(read.image.unwrap().param, "messages[0].content[1].image_url.url");
    }

    #[rstest]
    #[case(r#"["fox"]"#, "messages[0]")]
    #[case(r#"[{"role":"user","content":7}]"#, "messages[0].content")]
    #[case(r#"[{"content":[{"type":"image_url","image_url":7}]}]"#, "messages[0].content[0]")]
    #[case(r#"[{"content":[{"type":"image_url"}]}]"#, "messages[0].content[0]")]
    #[case(
        r#"[{"content":[{"type":"image_url","image_url":"a"},{"type":"image_url","image_url":"b"}]}]"#,
        "messages[0].content[1]"
    )]
    #[case(r#"[{"content":[{"type":"input_audio","input_audio":{}}]}]"#, "messages[0].content[0]")]
    #[case(r#"[{"content":[{"type":"file","file":{}}]}]"#, "messages[0].content[0]")]
    #[case(r#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages[0].content[0]")]
    #[case(r#"[{"content":[{"type":7,"text":"fox"}]}]"#, "messages[0].content[0].type")]
    #[case(r#""fox""#, "messages")]
    fn wrong_messages_are_named(#[case] json: &str, #[case] param: &str) {
        assert_eq!(read_json(json, false).unwrap_err().param.as_deref(), Some(param));
    }
}
