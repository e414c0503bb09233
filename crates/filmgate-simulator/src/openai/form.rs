//! Reads a body, multipart or JSON, into one form: fields as JSON has them, and files beside them.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest as _, Multipart, Request, multipart::MultipartError},
    http::{StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// What a client sent.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: Map<String, Value>,
    files: HashMap<String, Upload>,
}

/// A file that came in a multipart body.
#[derive(Debug)]
pub(super) struct Upload {
    /// As the client says; empty when it says nothing.
    pub(super) media_type: String,
    pub(super) data: Bytes,
}

impl Form {
    pub(super) async fn read(request: Request, multipart_only: bool) -> Result<Self, ApiError> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.to_ascii_lowercase();
        if media_type.starts_with("multipart/form-data") {
            let multipart = Multipart::from_request(request, &()).await;
            return Self::from_multipart(multipart.map_err(|err| broken(err.status(), err.body_text()))?)
                .await;
        }
        if media_type.starts_with("application/json") && !multipart_only {
            let body = Bytes::from_request(request, &()).await;
            let body = body.map_err(|err| broken(err.status(), err.body_text()))?;
            return Self::from_json(&body);
        }
        let also = if multipart_only { "" } else { " or application/json" };
        let message = format!("Send multipart/form-data{also}, not {media_type:?}.");
        Err(broken(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
    }

    fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        let fields = serde_json::from_slice(body)
            .map_err(|err| ApiError::invalid(format!("The body is no JSON object: {err}")))?;
        Ok(Self { fields, files: HashMap::new() })
    }

    async fn from_multipart(mut parts: Multipart) -> Result<Self, ApiError> {
        let complain = |err: MultipartError| broken(err.status(), err.body_text());
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(complain)? {
            let Some(name) = part.name().map(str::to_owned) else { continue };
            let media_type = part.content_type().unwrap_or_default().to_owned();
            if part.file_name().is_some() {
                form.files.insert(name, Upload { media_type, data: part.bytes().await.map_err(complain)? });
            } else {
                form.set(&name, part.text().await.map_err(complain)?);
            }
        }
        Ok(form)
    }

    /// `video[id]` is the field `id` of the object `video`.
    fn set(&mut self, name: &str, text: String) {
        let nested = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((object, field)) = nested else {
            self.fields.insert(name.to_owned(), text.into());
            return;
        };
        let object = self.fields.entry(object).or_insert_with(|| Map::new().into());
        if let Some(object) = object.as_object_mut() {
            object.insert(field.to_owned(), text.into());
        }
    }

    /// The fields, in the form that is expected, and the files.
    pub(super) fn into_parts<T: DeserializeOwned>(self) -> Result<(T, HashMap<String, Upload>), ApiError> {
        let fields = serde_path_to_error::deserialize(Value::Object(self.fields)).map_err(|err| {
            let (param, err) = (err.path().to_string(), err.into_inner());
            ApiError::invalid(format!("{param}: {err}")).about(param)
        })?;
        Ok((fields, self.files))
    }
}

fn broken(status: StatusCode, message: String) -> ApiError {
    ApiError::new(status, "invalid-argument", message)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;

    async fn read(media_type: &str, body: &str, multipart_only: bool) -> Result<Form, ApiError> {
        let request = Request::post("/").header("content-type", media_type);
        Form::read(request.body(Body::from(body.to_owned())).expect("a request"), multipart_only).await
    }

    const PARTS: &str = "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na fox\r\n\
        --x\r\nContent-Disposition: form-data; name=\"video[id]\"\r\n\r\nv\r\n\
        --x\r\nContent-Disposition: form-data; name=\"odd[]\"\r\n\r\n1\r\n\
        --x\r\nContent-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\n\
        Content-Type: image/png\r\n\r\nhello\r\n--x--\r\n";

    #[tokio::test]
    async fn multipart_and_json_give_the_same_form() {
        let parts = read("multipart/form-data; boundary=x", PARTS, true).await.expect("good");
        let (fields, files) = parts.into_parts::<Value>().expect("an object");
        assert_eq!(fields, json!({"prompt": "a fox", "video": {"id": "v"}, "odd": {"": "1"}}));
        let file = &files["input_reference"];
        assert_eq!((file.media_type.as_str(), &file.data[..]), ("image/png", &b"hello"[..]));

        let json = read("application/json", r#"{"prompt": "a fox"}"#, false).await.expect("good");
        assert_eq!(json.fields, *json!({"prompt": "a fox"}).as_object().expect("an object"));
    }

    #[tokio::test]
    async fn bodies_that_are_refused() {
        let refused = async |media_type: &str, body: &str, multipart_only| {
            read(media_type, body, multipart_only).await.expect_err("refused").status.as_u16()
        };
        assert_eq!(refused("application/json", "{", false).await, 400);
        assert_eq!(refused("application/json", "[]", false).await, 400);
        assert_eq!(refused("application/json", "{}", true).await, 415);
        assert_eq!(refused("text/plain", "{}", false).await, 415);
        assert_eq!(refused("multipart/form-data", PARTS, false).await, 400);
        assert_eq!(refused("multipart/form-data; boundary=x", &PARTS[..100], false).await, 400);
    }
}
