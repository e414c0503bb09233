//! Multipart forms, with the meaning of JSON: `a[b]` is a field of an object, `a[]` an element of an array.

use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::fields::malformed;
use crate::refusal::Refusal;

/// A field's name is no path to somewhere deep.
const DEEPEST: usize = 4;

/// What stands in a form.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// Texts, nested as their names say.
    pub(crate) texts: Map<String, Value>,
    /// Files by the name of their field, in their order.
    pub(crate) files: Vec<(String, Bytes)>,
}

/// Reads a form whose size was looked at before.
pub(crate) async fn read(headers: &HeaderMap, body: &Bytes) -> Result<Form, Refusal> {
    let broken = |error: &dyn std::fmt::Display| malformed(format!("the form cannot be read: {error}"));
    let mut request = Request::new(body.clone().into());
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    request.headers_mut().extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    DefaultBodyLimit::disable().apply(&mut request);
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|e| broken(&e.body_text()))?;
    let mut form = Form::default();
    while let Some(field) = multipart.next_field().await.map_err(|e| broken(&e.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            if form.files.iter().any(|(other, _)| *other == name) && !name.ends_with("[]") {
                return Err(twice(&name));
            }
            let bytes = field.bytes().await.map_err(|e| broken(&e.body_text()))?;
            form.files.push((name, bytes));
        } else {
            let bytes = field.bytes().await.map_err(|e| broken(&e.body_text()))?;
            insert(&mut form.texts, &name, text(&name, &bytes)?)?;
        }
    }
    Ok(form)
}

/// As strict as JSON is: bytes that are no UTF-8 are refused, and not replaced by something else.
fn text(name: &str, bytes: &[u8]) -> Result<String, Refusal> {
    let text = str::from_utf8(bytes).map_err(|_| {
        let name = shorten(name);
        Refusal::invalid(&name, format!("`{name}` is not UTF-8"))
    })?;
    Ok(text.to_owned())
}

/// Puts a text where its name says.
fn insert(map: &mut Map<String, Value>, name: &str, text: String) -> Result<(), Refusal> {
    let (first, steps) = match name.split_once('[') {
        None => (name, Vec::new()),
        Some((first, rest)) => {
            let inner = rest.strip_suffix(']').ok_or_else(|| unreadable(name))?;
            (first, inner.split("][").collect::<Vec<_>>())
        }
    };
    let nested = steps.iter().any(|step| step.contains(['[', ']']));
    if first.is_empty() || nested || steps.len() > DEEPEST {
        return Err(unreadable(name));
    }
    let mut place = map.entry(first).or_insert(Value::Null);
    for step in steps {
        place = if step.is_empty() {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut().ok_or_else(|| twice(name))?;
            list.push(Value::Null);
            list.last_mut().expect("it was just filled")
        } else {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let object = place.as_object_mut().ok_or_else(|| twice(name))?;
            object.entry(step).or_insert(Value::Null)
        };
    }
    if !place.is_null() {
        return Err(twice(name));
    }
    *place = Value::String(text);
    Ok(())
}

fn shorten(name: &str) -> String {
    name.chars().take(100).collect()
}

fn twice(name: &str) -> Refusal {
    let name = shorten(name);
    Refusal::invalid(&name, format!("`{name}` is given twice"))
}

fn unreadable(name: &str) -> Refusal {
    let name = shorten(name);
    let message = format!("{name:?} is no name of a field; nested ones look like video[id]");
    Refusal::invalid(&name, message)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn nested(fields: &[(&str, &str)]) -> Result<Value, Refusal> {
        let mut map = Map::new();
        fields.iter().try_for_each(|(name, text)| insert(&mut map, name, (*text).to_owned()))?;
        Ok(Value::Object(map))
    }

    #[test]
    fn brackets_nest() {
        let fields =
            [("a", "1"), ("b[c]", "2"), ("b[d][e]", "3"), ("f[]", "4"), ("f[]", "5"), ("g[][h]", "6")];
        let expected = json!({
            "a": "1", "b": { "c": "2", "d": { "e": "3" } }, "f": ["4", "5"], "g": [{ "h": "6" }],
        });
        assert_eq!(nested(&fields).unwrap(), expected);
    }

    #[rstest]
    #[case(&[("a", "1"), ("a", "2")])]
    #[case(&[("a", "1"), ("a[b]", "2")])]
    #[case(&[("a[b]", "1"), ("a[]", "2")])]
    #[case(&[("a[b]", "1"), ("a[b]", "2")])]
    #[case(&[("a[", "1")])]
    #[case(&[("[a]", "1")])]
    #[case(&[("", "1")])]
    #[case(&[("a[b", "1")])]
    #[case(&[("a[b]c", "1")])]
    #[case(&[("a[[b]]", "1")])]
    #[case(&[("a[b][c][d][e][f]", "1")])]
    fn what_makes_no_sense_is_named(#[case] fields: &[(&str, &str)]) {
        let refusal = nested(fields).unwrap_err();
        assert_eq!(refusal.param.as_deref(), Some(fields.last().unwrap().0));
    }
}
