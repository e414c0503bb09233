//! Every field that the description knows of, with everything that it is not meant to hold. The description says
//! which fields there are, so a new one is tried without a line here.

mod imports;
mod judge;
mod known;
mod places;
mod values;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, TestApp};
use crate::openapi::{document, operations};
use judge::{Court, Expected, Shot};
use known::Known;
use places::{Place, Schemas};
use values::{texts, values};

/// What stands in a body where the value goes that is tried.
const HERE: &str = "@@here@@";

/// The operations of the description: path, method, operation.
struct Described {
    app: TestApp,
    known: Known,
    document: Value,
}

impl Described {
    async fn start() -> Self {
        let (app, known) = Known::start().await;
        let document = document(&app).await;
        Self { app, known, document }
    }

    fn schemas(&self) -> Schemas<'_> {
        Schemas { document: &self.document, known: &self.known }
    }

    fn key(&self, path: &str) -> String {
        if path.starts_with("/admin") { ADMIN_KEY.to_owned() } else { self.app.client_key.clone() }
    }

    /// A request to an operation, before there is anything in it.
    fn shot(&self, path: &str, method: &str, expected: Expected) -> Shot {
        Shot {
            method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            url: format!("{}{}", self.app.url, self.known.path(path)),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", self.key(path)).into_bytes())],
            body: Vec::new(),
            expected,
        }
    }

    /// The schemas of the bodies of a type.
    fn bodies(&self, media_type: &str) -> Vec<(&str, &str, &Value)> {
        let pointer = format!("/requestBody/content/{}/schema", media_type.replace('/', "~1"));
        let all = operations(&self.document);
        all.filter_map(|(path, method, operation)| Some((path, method, operation.pointer(&pointer)?)))
            .collect()
    }

    /// The parameters of a kind.
    fn parameters(&self, kind: &str) -> Vec<(&str, &str, &Value)> {
        let all = operations(&self.document).flat_map(|(path, method, operation)| {
            let all = operation["parameters"].as_array().into_iter().flatten();
            all.map(move |parameter| (path, method, parameter))
        });
        all.filter(|(_, _, parameter)| parameter["in"] == kind).collect()
    }
}

/// Without the fields of objects that are null: null counts as absent.
fn said(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key.clone(), said(value))).collect())
        }
        other => other.clone(),
    }
}

fn fits(described: &Described, schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    schema["components"] = described.document["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap().is_valid(&said(value))
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_every_field_of_every_json_body() {
    let described = Described::start().await;
    let schemas = described.schemas();
    let mut court = Court::new(&described.app);
    let bodies = described.bodies("application/json");
    assert!(bodies.len() > 10, "the description was read");
    for (path, method, schema) in bodies {
        let places = schemas.places(schema);
        assert!(!places.is_empty(), "{method} {path}");
        for place in places {
            let body = schemas.body(schema, &place.steps, json!(HERE)).to_string();
            let (before, after) = body.split_once(&format!("\"{HERE}\"")).unwrap();
            for written in values() {
                let what = format!("{method} {path}: {} = {written}", place.name());
                let fits = written.value.as_ref().is_some_and(|value| fits(&described, &place.schema, value));
                let absent = written.value == Some(Value::Null);
                let expected = Expected::of(what, &place.name(), !fits && !absent);
                let mut shot = described.shot(path, method, expected);
                shot.header("content-type", "application/json");
                shot.body = [before.as_bytes(), &written.bytes, after.as_bytes()].concat();
                court.shoot(shot).await;
            }
        }
    }
    court.adjourn().await;
}

/// A part of a form; with a name it is a file.
fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
    let head = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// The parts of a form that tries a place: every text, a file, and names that do not go together.
fn forms(place: &Place) -> Vec<(String, Vec<u8>, bool)> {
    let name = place.bracketed();
    let text = |text: &str| part(&name, None, text.as_bytes());
    let mut forms: Vec<(String, Vec<u8>, bool)> = Vec::new();
    for value in texts() {
        let shown: String = value.chars().take(40).collect();
        forms.push((format!("{shown:?}"), text(&value), false));
    }
    let nested = |more: &str| part(&format!("{name}{more}"), None, b"x");
    let takes_files = place.schema.to_string().contains("binary");
    forms.push(("no UTF-8".to_owned(), part(&name, None, b"\xff\xfe"), true));
    forms.push((
        "a file".to_owned(),
        part(&name, Some("a.bin"), b"\0\x01\x02"),
        !place.schema["type"].is_null() || takes_files,
    ));
    forms.push(("twice".to_owned(), [text("x"), text("y")].concat(), true));
    for more in ["[", "[a", "]", "[a]b", "[[a]]", "[a][b][c][d][e][f]"] {
        forms.push((format!("{more:?} after its name"), nested(more), true));
    }
    for more in ["[]", "[a]", "[a][b]"] {
        forms.push((format!("{more:?} after its name"), nested(more), place.schema["type"] == "string"));
    }
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_every_field_of_every_form() {
    let described = Described::start().await;
    let schemas = described.schemas();
    let mut court = Court::new(&described.app);
    let bodies = described.bodies("multipart/form-data");
    assert!(bodies.len() > 3, "the description was read");
    for (path, method, schema) in bodies {
        for place in schemas.places(schema) {
            for (what, parts, refused) in forms(&place) {
                let what = format!("{method} {path}: {} = {what}", place.name());
                let mut shot = described.shot(path, method, Expected::of(what, &place.name(), refused));
                shot.header("content-type", "multipart/form-data; boundary=b0undary");
                for (name, text) in [("prompt", "a red fox"), ("video[id]", &described.known.video())] {
                    let wanted = if name == "prompt" { "prompt" } else { "video" };
                    let has = schema_has(&described.document, schema, wanted);
                    if has && place.key() != Some(wanted) {
                        shot.body.extend(part(name, None, text.as_bytes()));
                    }
                }
                shot.body.extend(parts);
                shot.body.extend(b"--b0undary--\r\n");
                court.shoot(shot).await;
            }
        }
    }
    court.adjourn().await;
}

fn schema_has(document: &Value, schema: &Value, field: &str) -> bool {
    let place = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    let schema = place.and_then(|place| document.pointer(place)).unwrap_or(schema);
    !schema["properties"][field].is_null()
}

/// A text in a query or a path.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// Whether a text is right for a parameter.
fn text_fits(described: &Described, schema: &Value, text: &str) -> bool {
    let number = || text.parse::<i64>().is_ok_and(|number| fits(described, schema, &json!(number)));
    match schema["type"].as_str() {
        Some("integer") => number(),
        Some("boolean") => matches!(text, "true" | "false"),
        // What is empty narrows nothing.
        _ => text.trim().is_empty() || fits(described, schema, &json!(text)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_every_parameter_of_every_query() {
    let described = Described::start().await;
    let mut court = Court::new(&described.app);
    let parameters = described.parameters("query");
    assert!(parameters.len() > 30, "the description was read");
    for (path, method, parameter) in parameters {
        let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
        let mut queries = vec![
            (format!("{name}=%FF%FE"), schema["type"] != "string", "no UTF-8".to_owned()),
            (format!("{name}=1&{name}=2"), true, "twice".to_owned()),
            (format!("{name}=%"), schema["type"] != "string", "a bare %".to_owned()),
            (format!("{name}=%zz"), schema["type"] != "string", "%zz".to_owned()),
            (name.to_owned(), false, "nothing".to_owned()),
            (format!("{name}[]=1&{name}[a]=2"), false, "brackets".to_owned()),
        ];
        for text in texts().into_iter().filter(|text| text.len() < 10_000) {
            let refused = !text_fits(&described, schema, &text);
            queries.push((format!("{name}={}", escaped(text.as_bytes())), refused, format!("{text:?}")));
        }
        for (query, refused, what) in queries {
            let what = format!("{method} {path}?{name} = {what}");
            let mut shot = described.shot(path, method, Expected::of(what, name, refused));
            shot.url = format!("{}?{query}", shot.url);
            court.shoot(shot).await;
        }
    }
    court.adjourn().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_every_parameter_of_every_path() {
    let described = Described::start().await;
    let mut court = Court::new(&described.app);
    let parameters = described.parameters("path");
    assert!(parameters.len() > 15, "the description was read");
    for (path, method, parameter) in parameters {
        let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
        let texts = texts().into_iter().filter(|text| !text.is_empty() && text.len() < 15_000);
        let bytes = texts.map(String::into_bytes).chain([b"\xff\xfe".to_vec(), b"%2e%2e%2f".to_vec()]);
        for bytes in bytes {
            let what = format!("{method} {path}: {:.40}", String::from_utf8_lossy(&bytes));
            let mut shot = described.shot(path, method, Expected::refusal(what));
            shot.url = format!("{}{}", described.app.url, path.replace(&name, &escaped(&bytes)));
            shot.header("content-type", "application/json");
            shot.body = b"{}".to_vec();
            court.shoot(shot).await;
        }
    }
    court.adjourn().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_every_header_that_is_read() {
    let described = Described::start().await;
    let schemas = described.schemas();
    let mut court = Court::new(&described.app);
    let documented = described.parameters("header");
    assert!(documented.len() > 10, "the description was read");
    let documented = documented.into_iter().map(|(path, method, parameter)| {
        (path, method, parameter["name"].as_str().unwrap(), parameter["schema"].clone())
    });
    let anything = || json!({});
    let others =
        ["traceparent", "x-stainless-retry-count", "x-request-id", "accept", "origin", "prefer", "expect-ct"];
    let others = others.map(|name| ("/v1/videos", "post", name, anything()));
    let conditions = ["if-range", "if-modified-since", "if-match", "if-unmodified-since"];
    let conditions = conditions.map(|name| ("/v1/videos/{id}/content", "get", name, anything()));
    for (path, method, name, schema) in documented.chain(others).chain(conditions) {
        let sendable =
            |text: &String| text.len() < 10_000 && text.bytes().all(|byte| byte >= 32 && byte != 127);
        let written = texts().into_iter().filter(sendable).map(String::into_bytes);
        let written = written.chain([b"\xff\xfe".to_vec(), b"a\tb".to_vec(), vec![b'-'; 5_000]]);
        for bytes in written {
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            let what = format!("{method} {path}: {name} = {text:.40}");
            let refused =
                !text_fits(&described, &schema, &text) || text.is_empty() && name == "Idempotency-Key";
            let mut shot = described.shot(path, method, Expected::of(what, name, refused));
            shot.header(name, bytes);
            if method != "get" {
                let pointer = "/requestBody/content/application~1json/schema";
                let body = described.document["paths"][path][method].pointer(pointer).unwrap();
                shot.header("content-type", "application/json");
                shot.body = schemas.sample(body).to_string().into_bytes();
            }
            court.shoot(shot).await;
        }
    }
    court.adjourn().await;
}
