//! Every place in a request body that the description knows of, and a request that is right everywhere else.

use serde_json::{Map, Value, json};

use super::known::Known;

/// One step on the way to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    First,
}

/// A place in a body.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) steps: Vec<Step>,
    /// What may stand there.
    pub(super) schema: Value,
}

impl Place {
    /// As an error names it: `messages[0].content`.
    pub(super) fn name(&self) -> String {
        let mut name = String::new();
        for step in &self.steps {
            match step {
                Step::First => name.push_str("[0]"),
                Step::Key(key) if name.is_empty() => name.push_str(key),
                Step::Key(key) => name.push_str(&format!(".{key}")),
            }
        }
        name
    }

    /// As a form names it: `messages[][content]`.
    pub(super) fn bracketed(&self) -> String {
        let mut name = String::new();
        for step in &self.steps {
            match step {
                Step::First => name.push_str("[]"),
                Step::Key(key) if name.is_empty() => name.push_str(key),
                Step::Key(key) => name.push_str(&format!("[{key}]")),
            }
        }
        name
    }

    /// The key that it stands under, if it does.
    pub(super) fn key(&self) -> Option<&str> {
        match self.steps.last()? {
            Step::Key(key) => Some(key),
            Step::First => None,
        }
    }
}

/// The schemas of a description.
pub(super) struct Schemas<'a> {
    pub(super) document: &'a Value,
    pub(super) known: &'a Known,
}

impl Schemas<'_> {
    /// Every place below a schema, in the order of the description, each once.
    pub(super) fn places(&self, schema: &Value) -> Vec<Place> {
        let mut found: Vec<Place> = Vec::new();
        self.walk(schema, &mut Vec::new(), &mut found);
        found
    }

    fn walk(&self, schema: &Value, way: &mut Vec<Step>, found: &mut Vec<Place>) {
        assert!(way.len() < 12, "a schema that holds itself: {way:?}");
        for schema in self.alternatives(schema) {
            for (step, inner) in children(schema) {
                way.push(step);
                match found.iter_mut().find(|place| place.steps == *way) {
                    // Another alternative has the same field: a value may fit either.
                    Some(place) if place.schema != *inner => {
                        place.schema = json!({ "anyOf": [place.schema, inner] });
                    }
                    Some(_) => {}
                    None => found.push(Place { steps: way.clone(), schema: inner.clone() }),
                }
                self.walk(inner, way, found);
                way.pop();
            }
        }
    }

    /// A body that has this at a place, and what it must have elsewhere.
    pub(super) fn body(&self, schema: &Value, steps: &[Step], value: Value) -> Value {
        let Some((first, rest)) = steps.split_first() else { return value };
        let all = self.alternatives(schema);
        let fits = |schema: &&&Value| {
            children(schema).iter().any(|(step, inner)| step == first && self.leads(inner, rest))
        };
        let schema = all.iter().find(fits).unwrap_or_else(|| panic!("{steps:?} leads nowhere in {schema}"));
        let inner =
            children(schema).into_iter().find(|(step, inner)| step == first && self.leads(inner, rest));
        let inner = self.body(inner.unwrap().1, rest, value);
        match first {
            Step::First => json!([inner]),
            Step::Key(key) => {
                let mut object = self.sample(schema);
                if self.is_choice(schema) {
                    object = json!({});
                }
                object[key] = inner;
                object
            }
        }
    }

    /// Whether it is an object of which a field excludes the others.
    fn is_choice(&self, schema: &Value) -> bool {
        schema["properties"].as_object().is_some_and(|fields| fields.len() == 1)
    }

    fn leads(&self, schema: &Value, steps: &[Step]) -> bool {
        let Some((first, rest)) = steps.split_first() else { return true };
        let all = self.alternatives(schema);
        all.iter().any(|schema| {
            children(schema).iter().any(|(step, inner)| step == first && self.leads(inner, rest))
        })
    }

    /// Something that fits, with nothing that may be left out.
    pub(super) fn sample(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str().map(|name| name.rsplit('/').next().unwrap())
            && let Some(sample) = self.known.samples.get(name)
        {
            return sample.clone();
        }
        let schema = self.alternatives(schema)[0];
        for given in [&schema["examples"][0], &schema["const"], &schema["enum"][0], &schema["default"]] {
            if !given.is_null() {
                return given.clone();
            }
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind {
            Some("object") => {
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let field = |name: &str| (name.to_owned(), self.sample(&schema["properties"][name]));
                Value::Object(required.map(field).collect::<Map<_, _>>())
            }
            Some("array") => json!([self.sample(&schema["items"])]),
            Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(1)),
            Some("boolean") => json!(false),
            _ => json!("a red fox"),
        }
    }

    /// The schema itself, or those of which one has to fit.
    fn alternatives<'s>(&'s self, schema: &'s Value) -> Vec<&'s Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            let place = reference.strip_prefix('#').unwrap();
            return self.alternatives(self.document.pointer(place).unwrap());
        }
        match schema["anyOf"].as_array() {
            Some(all) => all.iter().flat_map(|one| self.alternatives(one)).collect(),
            None => vec![schema],
        }
    }
}

/// What an object or a list may hold.
fn children(schema: &Value) -> Vec<(Step, &Value)> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let mut children: Vec<_> = fields.map(|(key, inner)| (Step::Key(key.clone()), inner)).collect();
    if schema["additionalProperties"].is_object() {
        children.push((Step::Key("ssoBasic".to_owned()), &schema["additionalProperties"]));
    }
    if schema["items"].is_object() {
        children.push((Step::First, &schema["items"]));
    }
    children
}
