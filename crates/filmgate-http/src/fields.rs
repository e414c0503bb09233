//! The fields of a request body, JSON or form, taken out one by one: what is left over was not understood.

use std::str::FromStr;

use bytes::Bytes;
use filmgate_domain::{Seconds, SpecError};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::form::{self, Form};
use crate::refusal::Refusal;

/// A JSON object, or a form with the same meaning.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// The files of a form, by the name of their field.
    files: Vec<(String, Bytes)>,
    /// Whether it came as a form.
    is_form: bool,
    /// The path to this object, for error messages: `video_config.`, or nothing.
    path: String,
}

impl Fields {
    /// # Errors
    /// 400 when the body is not a JSON object.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self::nested(map, String::new())),
            Ok(other) => Err(malformed(format!("the body must be a JSON object, not {}", kind(&other)))),
            Err(error) => {
                let refusal = malformed(format!("the body is not valid JSON: {error}"));
                Err(place_of_error(body).into_iter().fold(refusal, |refusal, place| refusal.about(&place)))
            }
        }
    }

    /// Reads JSON, by the content type. Without one, JSON is assumed.
    ///
    /// # Errors
    /// 400 when the body is no JSON object; 415 for other types.
    pub(crate) fn from_json_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        match essence(headers).as_deref() {
            None | Some("application/json") => Self::from_json(body),
            Some(other) => Err(wrong_type("application/json", other)),
        }
    }

    /// Reads JSON or a multipart form, by the content type. Without one, JSON is assumed.
    ///
    /// # Errors
    /// 400 when the body is neither; 415 for other types.
    pub(crate) async fn from_body(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        match essence(headers).as_deref() {
            None | Some("application/json") => Self::from_json(body),
            Some("multipart/form-data") => Self::from_form(headers, body).await,
            Some(other) => Err(wrong_type("application/json or multipart/form-data", other)),
        }
    }

    async fn from_form(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        Ok(Self::of_form(form::read(headers, body).await?))
    }

    /// The fields of a form that was read.
    pub(crate) fn of_form(Form { texts, files }: Form) -> Self {
        Self { map: texts, files, is_form: true, path: String::new() }
    }

    /// The name of a field as the client would say it.
    pub(crate) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    /// Whether a field is there and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.peek(field).is_some()
    }

    /// Whether it came as a form.
    pub(crate) fn is_form(&self) -> bool {
        self.is_form
    }

    /// Looks at a field; null counts as absent.
    pub(crate) fn peek(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Takes out a field; null counts as absent.
    pub(crate) fn take(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|value| !value.is_null())
    }

    /// Takes out a field that may say null and mean it.
    pub(crate) fn take_as_said(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field)
    }

    /// Takes out a text.
    pub(crate) fn text(&mut self, field: &str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, "a string", &other)),
        }
    }

    /// Takes out a text and reads it.
    pub(crate) fn parsed<T: FromStr<Err = SpecError>>(&mut self, field: &str) -> Result<Option<T>, Refusal> {
        let name = self.name(field);
        let text = self.text(field)?;
        text.map(|t| t.parse().map_err(crate::refusal::bad_spec(&name))).transpose()
    }

    /// Takes out a length: a whole number, or a string of one.
    pub(crate) fn seconds(&mut self, field: &str) -> Result<Option<Seconds>, Refusal> {
        let name = self.name(field);
        let text = match self.take(field) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => match number.as_f64() {
                // Python writes 6.0 where 6 was meant.
                Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
                _ => number.to_string(),
            },
            Some(other) => return Err(self.wrong(field, "a whole number of seconds", &other)),
        };
        text.parse().map(Some).map_err(crate::refusal::bad_spec(&name))
    }

    /// Takes out a switch: a boolean, or "true", "1", "yes" and their opposites.
    pub(crate) fn flag(&mut self, field: &str) -> Result<Option<bool>, Refusal> {
        let value = match self.take(field) {
            None => return Ok(None),
            Some(value) => value,
        };
        match &value {
            Value::Bool(flag) => return Ok(Some(*flag)),
            Value::String(text) => match &*text.to_ascii_lowercase() {
                "true" | "1" | "yes" => return Ok(Some(true)),
                "false" | "0" | "no" => return Ok(Some(false)),
                _ => {}
            },
            _ => {}
        }
        Err(self.wrong(field, "true or false", &value))
    }

    /// Takes out an object.
    pub(crate) fn object(&mut self, field: &str) -> Result<Option<Fields>, Refusal> {
        let path = format!("{}{field}.", self.path);
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields::nested(map, path))),
            Some(other) => Err(self.wrong(field, "an object", &other)),
        }
    }

    /// The fields of an object in this one; `path` is what comes before their names.
    pub(crate) fn nested(map: Map<String, Value>, path: String) -> Self {
        Self { map, files: Vec::new(), is_form: false, path }
    }

    /// Takes out a file of a form.
    pub(crate) fn file(&mut self, field: &str) -> Option<Bytes> {
        let place = self.files.iter().position(|(name, _)| name == field)?;
        Some(self.files.remove(place).1)
    }

    /// Refuses fields that would change the video in a way that is not on offer.
    pub(crate) fn refuse(&self, fields: &[&str]) -> Result<(), Refusal> {
        match self.left().find(|key| fields.contains(&base(key))) {
            None => Ok(()),
            Some(key) => {
                let name = self.short_name(key);
                let message = format!("`{name}` is not supported here; nothing was made");
                Err(Refusal::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message).about(&name))
            }
        }
    }

    /// Ends the reading: what is left, other than the `harmless` fields, is refused by name.
    pub(crate) fn finish(self, harmless: &[&str]) -> Result<(), Refusal> {
        match self.left().find(|key| !harmless.contains(&base(key))) {
            None => Ok(()),
            Some(key) => {
                let name = self.short_name(key);
                let message = format!("`{name}` is not a field that filmgate knows; it would have no effect");
                Err(Refusal::new(StatusCode::BAD_REQUEST, "unknown_parameter", message).about(&name))
            }
        }
    }

    /// The names of the fields that were not taken out.
    fn left(&self) -> impl Iterator<Item = &str> {
        let texts = self.map.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| &**key);
        texts.chain(self.files.iter().map(|(key, _)| &**key))
    }

    /// A name that the client chose, but not a megabyte of it.
    fn short_name(&self, key: &str) -> String {
        self.name(key).chars().take(100).collect()
    }

    pub(crate) fn wrong(&self, field: &str, expected: &str, found: &Value) -> Refusal {
        let name = self.name(field);
        let message = format!("`{name}` must be {expected}, not {}", kind(found));
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_type", message).about(&name)
    }
}

/// The content type without its parameters.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    // What is no text is no type that is known.
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// The field in which a text ends to be JSON. It is read a second time for that, so only what is wrong pays.
fn place_of_error(body: &[u8]) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, Value>(&mut reader).err()?;
    let place = error.path().to_string();
    // What is no field has a sign in its place: `.` is the body itself, `?` what should be a field's name.
    let place: String = place.trim_end_matches(['.', '?']).chars().take(100).collect();
    (!place.is_empty()).then_some(place)
}

fn wrong_type(expected: &str, found: &str) -> Refusal {
    let found: String = found.chars().take(100).collect();
    let message = format!("send {expected}, not {found:?}");
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}

pub(crate) fn malformed(message: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message)
}

/// A form spells lists `reference_images[]`.
fn base(key: &str) -> &str {
    key.split('[').next().unwrap_or(key)
}

/// What a person calls a JSON value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::from_json(json.as_bytes()).unwrap()
    }

    #[rstest]
    #[case(r#"{"s":6}"#, Some(6))]
    #[case(r#"{"s":"6"}"#, Some(6))]
    #[case(r#"{"s":6.0}"#, Some(6))]
    #[case(r#"{"s":null}"#, None)]
    #[case("{}", None)]
    fn lengths_come_in_many_spellings(#[case] json: &str, #[case] expected: Option<u32>) {
        assert_eq!(fields(json).seconds("s").unwrap().map(Seconds::get), expected);
    }

    #[rstest]
    #[case(r#"{"s":6.5}"#)]
    #[case(r#"{"s":-1}"#)]
    #[case(r#"{"s":1e300}"#)]
    #[case(r#"{"s":""}"#)]
    #[case(r#"{"s":[6]}"#)]
    #[case(r#"{"s":true}"#)]
    fn no_lengths(#[case] json: &str) {
        let refusal = fields(json).seconds("s").unwrap_err();
        assert_eq!((refusal.status, refusal.param.as_deref()), (StatusCode::BAD_REQUEST, Some("s")));
    }

    #[test]
    fn nested_fields_are_named_by_their_path() {
        let mut outer = fields(r#"{"video_config":{"oops":1,"resolution_name":7}}"#);
        let mut inner = outer.object("video_config").unwrap().unwrap();
        let wrong = inner.text("resolution_name").unwrap_err();
        assert_eq!(wrong.message, "`video_config.resolution_name` must be a string, not a number");
        let unknown = inner.finish(&[]).unwrap_err();
        assert_eq!(unknown.param.as_deref(), Some("video_config.oops"));
    }

    #[rstest]
    #[case(r#"{"a":1,"prompt":"\ud800"}"#, Some("prompt"))]
    #[case(r#"{"a":{"b":[0,NaN]}}"#, Some("a.b[1]"))]
    #[case(r#"{"a":1,}"#, None)]
    #[case(r#"{"a":1} x"#, None)]
    #[case("", None)]
    fn what_is_no_json_is_named_by_its_field(#[case] json: &str, #[case] param: Option<&str>) {
        assert_eq!(Fields::from_json(json.as_bytes()).unwrap_err().param.as_deref(), param);
    }

    #[test]
    fn what_is_too_deep_is_named_and_not_repeated() {
        let deep = format!("{{\"user\":{}}}", "[".repeat(100_000));
        let param = Fields::from_json(deep.as_bytes()).unwrap_err().param.unwrap();
        assert!(param.starts_with("user[0]") && param.len() <= 100, "{param}");
    }

    #[tokio::test]
    async fn forms_mean_the_same_as_json() {
        let body = "--x\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\nfox\r\n--x\r\n\
                    content-disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\nPNG\r\n--x--\r\n";
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=x".parse().unwrap());
        let mut form = Fields::from_body(&headers, &Bytes::from_static(body.as_bytes())).await.unwrap();
        assert_eq!(form.text("prompt").unwrap().as_deref(), Some("fox"));
        assert_eq!(form.file("image").as_deref(), Some(&b"PNG"[..]));
        assert_eq!(form.file("image"), None);
        let broken = Fields::from_body(&headers, &Bytes::from_static(b"nonsense")).await.unwrap_err();
        assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    }
}
