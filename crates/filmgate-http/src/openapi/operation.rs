//! One operation, as the description and its page have it.

use serde_json::{Map, Value, json};

/// What an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Videos,
    Chat,
    Models,
    Files,
    Tokens,
    Routing,
    Jobs,
    Keys,
    Webhooks,
    Configuration,
    Audit,
    Probes,
    Description,
}

impl Tag {
    /// In the order in which they are read.
    pub(super) const ALL: [Tag; 13] = [
        Tag::Videos,
        Tag::Chat,
        Tag::Models,
        Tag::Files,
        Tag::Tokens,
        Tag::Routing,
        Tag::Jobs,
        Tag::Keys,
        Tag::Webhooks,
        Tag::Configuration,
        Tag::Audit,
        Tag::Probes,
        Tag::Description,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Tag::Videos => "Videos",
            Tag::Chat => "Chat",
            Tag::Models => "Models",
            Tag::Files => "Files",
            Tag::Tokens => "Admin: tokens",
            Tag::Routing => "Admin: pools and routing",
            Tag::Jobs => "Admin: jobs",
            Tag::Keys => "Admin: callers and keys",
            Tag::Webhooks => "Admin: webhooks",
            Tag::Configuration => "Admin: configuration",
            Tag::Audit => "Admin: audit trail",
            Tag::Probes => "Probes",
            Tag::Description => "Description",
        }
    }

    /// The security scheme of its operations.
    pub(super) const fn key(self) -> Option<&'static str> {
        match self {
            Tag::Videos | Tag::Chat | Tag::Models => Some("client_key"),
            Tag::Tokens
            | Tag::Routing
            | Tag::Jobs
            | Tag::Keys
            | Tag::Webhooks
            | Tag::Configuration
            | Tag::Audit => Some("admin_key"),
            Tag::Files | Tag::Probes | Tag::Description => None,
        }
    }
}

/// The shape of an operation's errors.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errors {
    /// The OpenAI shape.
    OpenAi,
    /// That of the dialect, which the mount, the spelling of the id or the body tells.
    OfDialect,
}

/// A parameter of the path, the query or the headers.
pub(super) struct Parameter {
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) schema: Value,
    pub(super) about: &'static str,
}

/// A media type, and the schema of what has it.
pub(super) type Content = (&'static str, Value);

/// An answer of a status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Vec<Content>,
}

/// A method of a path.
pub(super) struct Operation {
    /// In lower case.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Unique.
    pub(super) id: &'static str,
    pub(super) tag: Tag,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) bodies: Vec<Content>,
    pub(super) answers: Vec<Answer>,
}

/// A reference to a schema of the document.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A string.
pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// One of these words.
pub(super) fn word<const N: usize>(words: [&str; N]) -> Value {
    json!({ "type": "string", "enum": words.to_vec() })
}

impl Operation {
    pub(super) fn new(
        tag: Tag,
        (method, path): (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let (about, bodies, answers) = ("", Vec::new(), Vec::new());
        let parameters = path.split('/').filter_map(path_parameter).collect();
        Self { method, path, id, tag, summary, about, parameters, bodies, answers }
    }

    pub(super) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    pub(super) fn query(mut self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.parameters.push(Parameter { place: "query", name, schema, about });
        self
    }

    pub(super) fn header(mut self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.parameters.push(Parameter { place: "header", name, schema, about });
        self
    }

    pub(super) fn body(mut self, media_type: &'static str, schema: Value) -> Self {
        self.bodies.push((media_type, schema));
        self
    }

    /// Answers in JSON with a schema of the document.
    pub(super) fn json(self, status: u16, name: &str, about: &'static str) -> Self {
        self.answer(status, about, vec![("application/json", schema(name))])
    }

    pub(super) fn answer(mut self, status: u16, about: &'static str, content: Vec<Content>) -> Self {
        self.answers.push(Answer { status, about, content });
        self
    }

    pub(super) fn errors<const N: usize>(mut self, errors: Errors, statuses: [u16; N]) -> Self {
        let name = match errors {
            Errors::OpenAi => "Error",
            Errors::OfDialect => "DialectError",
        };
        for status in statuses {
            self = self.json(status, name, meaning(status));
        }
        self
    }

    /// The operation object of OpenAPI.
    pub(super) fn document(&self) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag.name()],
            "summary": self.summary,
        });
        if !self.about.is_empty() {
            operation["description"] = json!(self.about);
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.iter().map(Parameter::document).collect();
        }
        if !self.bodies.is_empty() {
            operation["requestBody"] = json!({ "required": true, "content": content(&self.bodies) });
        }
        let mut answers = Map::new();
        // Whatever takes a key refuses those of another scope, and slows down whoever guesses.
        let of_keys = self.tag.key().map_or(Vec::new(), |key| {
            let error = if key == "client_key" { "DialectError" } else { "Error" };
            [403, 429].map(|status| (status, error)).to_vec()
        });
        for (status, error) in of_keys {
            let content = content(&[("application/json", schema(error))]);
            let document = json!({ "description": meaning(status), "content": content });
            answers.insert(status.to_string(), document);
        }
        for answer in &self.answers {
            let mut document = json!({ "description": answer.about });
            if !answer.content.is_empty() {
                document["content"] = content(&answer.content);
            }
            answers.insert(answer.status.to_string(), document);
        }
        operation["responses"] = Value::Object(answers);
        operation["security"] = match self.tag.key() {
            Some(scheme) => json!([{ scheme: [] }]),
            None => json!([]),
        };
        operation
    }
}

impl Parameter {
    fn document(&self) -> Value {
        json!({
            "in": self.place, "name": self.name, "required": self.place == "path",
            "description": self.about, "schema": self.schema,
        })
    }
}

fn content(content: &[Content]) -> Value {
    content
        .iter()
        .map(|(media_type, schema)| ((*media_type).to_owned(), json!({ "schema": schema })))
        .collect()
}

/// What stands in braces in a path. Names that look odd name nothing: 404, not 400, unless it says otherwise.
fn path_parameter(segment: &'static str) -> Option<Parameter> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    let about = match name {
        "model" => "A model's name or alias.",
        "caller" => "A caller, by its name or its id.",
        "name" => "A name.",
        _ => "An id, as other answers spell it.",
    };
    let schema = json!({ "type": "string", "minLength": 1 });
    Some(Parameter { place: "path", name, schema, about })
}

/// What an error status says, whatever the operation.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong; the message says what, and `param` where. Nothing was made.",
        401 => "The key is missing or not valid.",
        403 => {
            "The key is valid, and its scope does not reach so far. Of a link: it has expired or was altered."
        }
        404 => "There is no such thing, or it belongs to somebody else.",
        408 => "The body came too slowly. Nothing was made.",
        409 => "Not now: something else has to end before.",
        413 => "The body is too large.",
        415 => "The content type is not one of those listed.",
        422 => "The Idempotency-Key came with another body before.",
        429 => {
            "No token is available for such a video, a limit is reached (the caller's or that of all), or too many wrong \
             keys came from that address; the message says which. `Retry-After` says when to ask again, if that is \
             known."
        }
        503 => {
            "filmgate is stopping, cannot reach its storage, or has as many connections as it may. Nothing was \
             accepted."
        }
        _ => "An error.",
    }
}
