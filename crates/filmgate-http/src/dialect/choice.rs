//! What a client chooses besides the video: what happens at a shortage, and who is told the end.

use std::time::Duration;

use filmgate_domain::OnShortage;
use filmgate_engine::Choice;
use http::HeaderMap;
use serde_json::Value;

use crate::fields::Fields;
use crate::refusal::Refusal;

/// The longest wait for a token, in seconds: a day.
pub(crate) const LONGEST_WAIT: u64 = 24 * 3600;

/// How long a request that is to wait does, when it does not say.
pub(crate) const USUAL_WAIT: Duration = Duration::from_secs(600);

const ON_SHORTAGE: &str = "x-filmgate-on-shortage";
const MAX_WAIT: &str = "x-filmgate-max-wait";

/// Reads `on_shortage`, `max_wait` and `webhook_url` from the first of these places that has them; headers fill
/// in what they leave open.
pub(crate) fn read(places: &mut [&mut Fields], headers: &HeaderMap) -> Result<Choice, Refusal> {
    let (word, named) = find(places, headers, "on_shortage", ON_SHORTAGE);
    let on_shortage = word.map(|word| shortage(&word, &named)).transpose()?.unwrap_or_default();
    let (wait, named) = find(places, headers, "max_wait", MAX_WAIT);
    let max_wait = wait.map(|value| seconds(&value, &named)).transpose()?;
    if max_wait.is_some() && on_shortage != OnShortage::Wait {
        let message = format!("`{named}` has no effect without `on_shortage` = \"wait\"");
        return Err(Refusal::invalid(&named, message));
    }
    let max_wait = (on_shortage == OnShortage::Wait).then(|| max_wait.unwrap_or(USUAL_WAIT));
    let mut webhook = None;
    for place in places {
        let url = place.text("webhook_url")?;
        webhook = webhook.or(url.map(String::into_boxed_str));
    }
    Ok(Choice { on_shortage, max_wait, webhook, traceparent: traceparent(headers) })
}

/// The header of W3C Trace Context, if it has the form of its first version (later ones begin with it). What else
/// it must be is looked at by whoever exports traces; a bad one is left aside, as the standard wants.
fn traceparent(headers: &HeaderMap) -> Option<Box<str>> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    value.get(..55).map(Box::from)
}

/// A value, and the name under which the client gave it.
fn find(
    places: &mut [&mut Fields],
    headers: &HeaderMap,
    field: &str,
    header: &str,
) -> (Option<Value>, String) {
    let mut found = None;
    for place in places {
        // Taken out everywhere: what is left over counts as unknown.
        let value = place.take(field);
        found = found.or(value.map(|value| (value, place.name(field))));
    }
    match found {
        Some((value, name)) => (Some(value), name),
        None => {
            let value = headers.get(header).map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_owned());
            (value.map(Value::String), header.to_owned())
        }
    }
}

fn shortage(word: &Value, name: &str) -> Result<OnShortage, Refusal> {
    word.as_str().and_then(|word| word.parse().ok()).ok_or_else(|| {
        let words = OnShortage::ALL.map(|choice| format!("{:?}", choice.as_str())).join(", ");
        Refusal::invalid(name, format!("`{name}` must be one of {words}"))
    })
}

fn seconds(value: &Value, name: &str) -> Result<Duration, Refusal> {
    let seconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (1..=LONGEST_WAIT).contains(seconds)).ok_or_else(|| {
        let message = format!("`{name}` must be a whole number of seconds from 1 to {LONGEST_WAIT}");
        Refusal::invalid(name, message)
    })?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn chosen(json: &str, headers: &[(&'static str, &'static str)]) -> Result<Choice, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        read(&mut [&mut Fields::from_json(json.as_bytes()).unwrap()], &map)
    }

    #[rstest]
    #[case("{}", &[], OnShortage::Fallback, None)]
    #[case(r#"{"on_shortage":"fail"}"#, &[], OnShortage::Fail, None)]
    #[case(r#"{"on_shortage":"wait"}"#, &[], OnShortage::Wait, Some(600))]
    #[case(r#"{"on_shortage":"wait","max_wait":"30"}"#, &[], OnShortage::Wait, Some(30))]
    #[case("{}", &[("x-filmgate-on-shortage", "wait"), ("x-filmgate-max-wait", "5")], OnShortage::Wait, Some(5))]
    #[case(r#"{"on_shortage":"fallback"}"#, &[("x-filmgate-on-shortage", "fail")], OnShortage::Fallback, None)]
    fn choices(
        #[case] json: &str,
        #[case] headers: &[(&'static str, &'static str)],
        #[case] on_shortage: OnShortage,
        #[case] max_wait: Option<u64>,
    ) {
        let choice = chosen(json, headers).unwrap();
        assert_eq!((choice.on_shortage, choice.max_wait.map(|d| d.as_secs())), (on_shortage, max_wait));
    }

    #[rstest]
    #[case(r#"{"on_shortage":"panic"}"#, &[], "on_shortage")]
    #[case(r#"{"on_shortage":7}"#, &[], "on_shortage")]
    #[case(r#"{"max_wait":5}"#, &[], "max_wait")]
    #[case(r#"{"on_shortage":"wait","max_wait":0}"#, &[], "max_wait")]
    #[case(r#"{"on_shortage":"wait","max_wait":"soon"}"#, &[], "max_wait")]
    #[case(r#"{"on_shortage":"wait","max_wait":86401}"#, &[], "max_wait")]
    #[case("{}", &[("x-filmgate-on-shortage", "perhaps")], "x-filmgate-on-shortage")]
    fn wrong_choices_are_named(
        #[case] json: &str,
        #[case] headers: &[(&'static str, &'static str)],
        #[case] param: &str,
    ) {
        assert_eq!(chosen(json, headers).unwrap_err().param.as_deref(), Some(param));
    }
}
