//! The JSON of xAI's video API. Requests are written strictly, answers are read leniently.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filmgate_domain::{AspectRatio, Mode, Role};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::lenient::{self, is_usable_id};
use crate::words::Words;
use crate::{Content, Order};

/// The body of a submission. What a kind of submission does not know is left out.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    prompt: &'a str,
    /// Seconds; of an extension, those that are added.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<AspectRatio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reference_images: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<Link>,
}

#[derive(Serialize)]
struct Link {
    url: String,
}

/// The last part of the path, and the body.
///
/// # Errors
/// When an input is in a form that cannot be sent.
pub(super) fn order<'a>(order: &Order<'a>) -> Result<(&'static str, Body<'a>), &'static str> {
    let links = |role| order.inputs.iter().filter(move |i| i.role == role).map(|i| link(&i.content));
    let one = |role| links(role).next().transpose();
    let body = Body {
        model: order.model,
        prompt: order.prompt,
        duration: None,
        aspect_ratio: None,
        resolution: None,
        image: one(Role::FirstFrame)?,
        reference_images: links(Role::Reference).collect::<Result<_, _>>()?,
        video: one(Role::Video)?,
    };
    let path = match order.mode {
        // An edit is as long and as large as its source.
        Mode::Edit => return Ok(("edits", body)),
        Mode::Extend => {
            return Ok(("extensions", Body { duration: order.added.map(|s| s.get()), ..body }));
        }
        Mode::Text | Mode::Image | Mode::Reference => "generations",
    };
    let (duration, aspect_ratio) = (Some(order.shape.seconds.get()), Some(order.shape.aspect_ratio));
    let resolution = Some(order.shape.resolution.as_str());
    Ok((path, Body { duration, aspect_ratio, resolution, ..body }))
}

/// Files travel inside the JSON.
fn link(content: &Content) -> Result<Link, &'static str> {
    let url = match content {
        Content::Url(url) => url.clone(),
        Content::File { media_type, bytes } => format!("data:{media_type};base64,{}", STANDARD.encode(bytes)),
        Content::Made(_) => return Err("this upstream takes no ids of videos"),
    };
    Ok(Link { url })
}

/// The id in the answer to a submission, if it holds a usable one.
pub(crate) fn request_id(body: &[u8]) -> Option<Box<str>> {
    let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let id = answer.get("request_id")?.as_str()?;
    is_usable_id(id).then(|| id.into())
}

/// The progress in a body, if it is an answer at all.
pub(super) fn progress(body: &[u8]) -> Option<u8> {
    Answer::parse(body)?.progress()
}

/// How a video stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// Being made.
    Pending,
    /// Made.
    Done {
        /// As the upstream wrote it; may be relative.
        url: &'a str,
    },
    /// Blocked.
    Moderated,
    /// Not made.
    Failed,
    /// Forgotten.
    Expired,
    /// Made, but it is not said where it is.
    NoUrl,
    /// A word that this adapter does not know.
    Unknown(&'a str),
}

/// The answer of `GET videos/{id}`.
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    /// `None` when it is no JSON object, or says neither a status nor where a video is.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let answer = Self(serde_json::from_slice(body).ok()?);
        (answer.status().is_some() || answer.url().is_some()).then_some(answer)
    }

    pub(super) fn state(&self) -> State<'_> {
        // xAI's first version of the API left the status out once the video was there.
        match self.status().unwrap_or("done") {
            "pending" | "queued" | "processing" | "in_progress" => State::Pending,
            "done" if self.is_blocked() => State::Moderated,
            "done" => self.url().map_or(State::NoUrl, |url| State::Done { url: url.trim() }),
            "failed" if self.words().speak_of_moderation() => State::Moderated,
            "failed" => State::Failed,
            "expired" => State::Expired,
            other => State::Unknown(other),
        }
    }

    /// 0 to 99; a number, or a text that spells one.
    pub(super) fn progress(&self) -> Option<u8> {
        lenient::progress(self.0.get("progress")?)
    }

    /// What it cost, in ticks of 10^-10 USD.
    pub(super) fn cost_ticks(&self) -> Option<i64> {
        match self.0.get("usage")?.get("cost_in_usd_ticks")? {
            Value::Number(number) => number.as_i64().or_else(|| {
                let ticks = number.as_f64()?;
                (ticks.fract() == 0.0 && ticks.abs() < 9e15).then_some(ticks as i64)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Why it failed.
    pub(super) fn words(&self) -> Words {
        Words::of_object(&self.0)
    }

    fn status(&self) -> Option<&str> {
        self.0.get("status")?.as_str()
    }

    fn url(&self) -> Option<&str> {
        self.0.get("video")?.get("url")?.as_str()
    }

    fn is_blocked(&self) -> bool {
        let respected = self.0.get("video").and_then(|video| video.get("respect_moderation"));
        respected.and_then(Value::as_bool) == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lenient::LONGEST_ID;

    #[rstest]
    #[case(r#"{"request_id":"a-b"}"#, Some("a-b"))]
    #[case(r#"{"request_id":"a/b+c=="}"#, Some("a/b+c=="))]
    #[case(r#"{"request_id":""}"#, None)]
    #[case(r#"{"request_id":".."}"#, None)]
    #[case(r#"{"request_id":"a\nb"}"#, None)]
    #[case(r#"{"request_id":7}"#, None)]
    #[case(r#"{"request_id":null}"#, None)]
    #[case(r#"{"id":"a"}"#, None)]
    #[case(r#"["a"]"#, None)]
    #[case("", None)]
    #[case("<html>", None)]
    fn ids(#[case] body: &str, #[case] expected: Option<&str>) {
        assert_eq!(request_id(body.as_bytes()).as_deref(), expected);
    }

    #[test]
    fn an_endless_id_is_none() {
        assert!(is_usable_id(&"x".repeat(LONGEST_ID)));
        assert!(!is_usable_id(&"x".repeat(LONGEST_ID + 1)));
    }

    #[rstest]
    #[case(r#"{"status":"pending"}"#, State::Pending)]
    #[case(r#"{"status":"queued"}"#, State::Pending)]
    #[case(r#"{"status":"dreaming"}"#, State::Unknown("dreaming"))]
    #[case(r#"{"status":"done","video":{"url":"https://v/a"}}"#, State::Done { url: "https://v/a" })]
    #[case(r#"{"status":"done","video":{"url":"https://v/a","respect_moderation":true}}"#, State::Done { url: "https://v/a" })]
    #[case(r#"{"video":{"url":"https://v/a"},"model":"m"}"#, State::Done { url: "https://v/a" })]
    #[case(r#"{"status":"done","video":{"url":" "}}"#, State::Done { url: "" })]
    #[case(r#"{"status":"done","video":{"url":"https://v/a","respect_moderation":false}}"#, State::Moderated)]
    #[case(r#"{"status":"done","video":{"respect_moderation":false}}"#, State::Moderated)]
    #[case(r#"{"status":"done","video":{"url":null}}"#, State::NoUrl)]
    #[case(r#"{"status":"done","video":{}}"#, State::NoUrl)]
    #[case(r#"{"status":"done","video":null}"#, State::NoUrl)]
    #[case(r#"{"status":"done"}"#, State::NoUrl)]
    #[case(r#"{"status":"expired"}"#, State::Expired)]
    #[case(r#"{"status":"failed"}"#, State::Failed)]
    #[case(r#"{"status":"failed","error":{"code":"internal_error","message":"oops"}}"#, State::Failed)]
    #[case(
        r#"{"status":"failed","error":{"code":"x","message":"Blocked by Moderation."}}"#,
        State::Moderated
    )]
    #[case(r#"{"status":"failed","error":{"code":"moderation_blocked"}}"#, State::Moderated)]
    #[case(r#"{"status":"failed","error":"moderated"}"#, State::Moderated)]
    fn states(#[case] body: &str, #[case] expected: State<'_>) {
        assert_eq!(Answer::parse(body.as_bytes()).unwrap().state(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("null")]
    #[case("[]")]
    #[case("{}")]
    #[case(r#"{"status":3}"#)]
    #[case(r#"{"status":null,"video":{"url":7}}"#)]
    #[case("<html><title>Log in</title>")]
    fn no_answers(#[case] body: &str) {
        assert!(Answer::parse(body.as_bytes()).is_none());
    }

    #[rstest]
    #[case("0", Some(0))]
    #[case("42", Some(42))]
    #[case("42.9", Some(42))]
    #[case(r#""42""#, Some(42))]
    #[case(r#"" 42.5% ""#, Some(42))]
    #[case("100", Some(99))]
    #[case("1e300", Some(99))]
    #[case("-5", Some(0))]
    #[case(r#""NaN""#, None)]
    #[case(r#""half""#, None)]
    #[case("null", None)]
    #[case("[1]", None)]
    fn progresses(#[case] value: &str, #[case] expected: Option<u8>) {
        let body = format!(r#"{{"status":"pending","progress":{value}}}"#);
        assert_eq!(progress(body.as_bytes()), expected);
    }

    #[rstest]
    #[case("3500000000", Some(3_500_000_000))]
    #[case("3.5e9", Some(3_500_000_000))]
    #[case(r#""3500000000""#, Some(3_500_000_000))]
    #[case("0.5", None)]
    #[case("1e300", None)]
    #[case("null", None)]
    fn costs(#[case] value: &str, #[case] expected: Option<i64>) {
        let body = format!(r#"{{"status":"done","usage":{{"cost_in_usd_ticks":{value}}}}}"#);
        assert_eq!(Answer::parse(body.as_bytes()).unwrap().cost_ticks(), expected);
    }
}
