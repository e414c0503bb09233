//! The old gateway's tokens, through the same import as `filmgate token import`.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::report::Report;
use crate::cli::client::AdminClient;
use crate::cli::out;

/// The tokens of a `token.json`, in the form that the import reads.
#[derive(Debug, Default)]
pub(super) struct OldTokens {
    /// By pool; what is no list of tokens stays as it is, for the import to refuse.
    pools: Map<String, Value>,
}

/// What another pool would be like.
#[derive(Debug)]
pub(super) struct NewPool {
    /// The pools in use, weakest first.
    pub(super) in_use: Vec<String>,
    /// The upstream that its tokens would be for.
    pub(super) upstream: String,
}

impl NewPool {
    /// The lines of a configuration that make it.
    fn lines(&self, name: &str) -> Vec<String> {
        let name = out::clean(name);
        let mut pools = self.in_use.clone();
        pools.push(name.clone());
        vec![
            "[video]".to_owned(),
            format!("pools = {}  # weakest first", toml::Value::from(pools)),
            format!("[{}]", super::target::dotted(&["pools", &name])),
            format!("upstream = {}", toml::Value::from(&*self.upstream)),
            "delivers = [{ resolution = \"720p\", max_seconds = 15 }]  # what it really delivers".to_owned(),
        ]
    }
}

/// The admin API's answer to an import, dry or not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    added: Vec<IgnoredAny>,
    duplicates: Vec<IgnoredAny>,
    refused: Vec<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    place: String,
    reason: String,
}

/// What the import says of a session cookie for the official API.
const NOT_OFFICIAL: &str = "--upstream URL";
/// How many places are named one by one.
const NAMED: usize = 10;

impl OldTokens {
    /// Takes them from the file's content. Version 1 had other names, and objects by token in place of lists.
    pub(super) fn of(content: &Value) -> Self {
        let mut pools = Map::new();
        for (name, tokens) in content.as_object().into_iter().flatten() {
            let name = if matches!(&**name, "sso" | "ssoNormal") { "ssoBasic" } else { name };
            let tokens = match tokens {
                Value::Object(by_token) => {
                    Value::Array(by_token.iter().map(|(token, about)| modern(token, about)).collect())
                }
                other => other.clone(),
            };
            match (pools.get_mut(name), tokens) {
                (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
                (_, tokens) => drop(pools.insert(name.to_owned(), tokens)),
            }
        }
        Self { pools }
    }

    /// The pools that have tokens.
    pub(super) fn concerned(&self) -> BTreeSet<String> {
        let filled =
            self.pools.iter().filter(|(_, tokens)| tokens.as_array().is_none_or(|list| !list.is_empty()));
        filled.map(|(name, _)| name.clone()).collect()
    }

    /// Brings them over, or only looks. `moved` are pools that a dry run counts as belonging to a compatible
    /// server, because they will.
    pub(super) async fn bring(
        &self,
        client: &AdminClient,
        apply: bool,
        moved: &BTreeSet<String>,
    ) -> anyhow::Result<Outcome> {
        let query: &[(&str, &str)] = if apply { &[] } else { &[("dry_run", "true")] };
        let body = serde_json::to_vec(&self.pools)?;
        let answer: Answer =
            serde_json::from_value(client.send(Method::POST, &["tokens", "import"], query, body).await?)?;
        let is_moved = |refusal: &Refusal| {
            !apply && refusal.reason.contains(NOT_OFFICIAL) && moved.contains(pool_of(&refusal.place))
        };
        let refused: BTreeMap<String, String> = answer
            .refused
            .into_iter()
            .filter(|refusal| !is_moved(refusal))
            .map(|r| (r.place, r.reason))
            .collect();
        Ok(self.outcome(refused, answer.added.len(), answer.duplicates.len()))
    }

    fn outcome(&self, refused: BTreeMap<String, String>, added: usize, known: usize) -> Outcome {
        let mut outcome = Outcome { added, known, refused, ..Outcome::default() };
        let mut seen = BTreeSet::new();
        for (pool, list) in &self.pools {
            for (nth, token) in list.as_array().into_iter().flatten().enumerate() {
                if outcome.refused.contains_key(&format!("{pool}[{nth}]")) {
                    continue;
                }
                let (text, status, consumed) = about(token);
                outcome.counts_consumption |= consumed;
                if seen.insert(text) {
                    *outcome.taken.entry(pool.clone()).or_default().entry(status).or_default() += 1;
                } else {
                    outcome.twice += 1;
                }
            }
        }
        outcome
    }
}

/// A token of version 1 as version 2 writes it.
fn modern(token: &str, about: &Value) -> Value {
    let mut modern = Map::from_iter([("token".to_owned(), json!(token))]);
    let mut carry = |old: &str, new: &str| {
        if let Some(value) = about.get(old).filter(|value| !value.is_null()) {
            modern.insert(new.to_owned(), value.clone());
        }
    };
    for same in ["status", "tags", "note"] {
        carry(same, same);
    }
    carry("createdTime", "created_at");
    carry("failedCount", "fail_count");
    carry("lastFailureTime", "last_fail_at");
    carry("lastFailureReason", "last_fail_reason");
    // -1 means that nobody had looked.
    if about.get("remainingQueries").and_then(Value::as_i64).is_some_and(|left| left >= 0) {
        carry("remainingQueries", "quota");
    }
    Value::Object(modern)
}

/// A token's text without what the import cuts off, its status, and whether its consumption was counted.
fn about(token: &Value) -> (&str, String, bool) {
    let text = token.as_str().or_else(|| token["token"].as_str()).unwrap_or_default().trim();
    let text = text.strip_prefix("sso=").unwrap_or(text);
    let text = text.strip_suffix(';').unwrap_or(text);
    let status = token.get("status").and_then(Value::as_str).unwrap_or("active");
    let consumed = token.get("consumed").and_then(Value::as_f64).is_some_and(|consumed| consumed > 0.0);
    (text, status.to_owned(), consumed)
}

/// `ssoBasic` of `ssoBasic[3]`.
fn pool_of(place: &str) -> &str {
    place.rsplit_once('[').map_or(place, |(pool, _)| pool)
}

fn counted(tokens: usize) -> String {
    if tokens == 1 { "1 token".to_owned() } else { format!("{tokens} tokens") }
}

/// What became of the tokens.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Counted by pool and status.
    taken: BTreeMap<String, BTreeMap<String, usize>>,
    /// That were in the file twice.
    twice: usize,
    /// That are new here, and that were here before; only after it was done.
    added: usize,
    known: usize,
    /// By place, with the reason.
    refused: BTreeMap<String, String>,
    counts_consumption: bool,
}

impl Outcome {
    /// Tells what became of them. `again` is this command for a compatible server.
    pub(super) fn tell(&self, report: &mut Report, applied: bool, again: String, new_pool: &NewPool) {
        for (pool, statuses) in &self.taken {
            let count: usize = statuses.values().sum();
            let of_each: Vec<String> = statuses.iter().map(|(status, n)| format!("{n} {status}")).collect();
            let to = format!("{} in pool {pool} ({})", counted(count), of_each.join(", "));
            report.takes(format!("token.json: {pool}"), to, applied && self.added == 0);
        }
        if applied && self.added > 0 && self.known > self.twice {
            let known = self.known - self.twice;
            report
                .leaves("Here before, and as it was here (status and note, too):", format!("{known} tokens"));
        }
        if self.twice > 0 {
            report.leaves("In the file twice:", counted(self.twice));
        }
        if self.counts_consumption {
            report.leaves(super::leftover::reason("token.consumed"), "the tokens' `consumed`");
        }
        self.tell_refused(report, again, new_pool);
    }

    fn tell_refused(&self, report: &mut Report, again: String, new_pool: &NewPool) {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (place, reason) in &self.refused {
            reasons.entry(reason).or_default().push(place);
        }
        let (cookies, others): (Vec<_>, Vec<_>) =
            reasons.into_iter().partition(|(reason, _)| reason.contains(NOT_OFFICIAL));
        let count: usize = cookies.iter().map(|(_, places)| places.len()).sum();
        if count > 0 {
            let pools: BTreeSet<&str> =
                cookies.iter().flat_map(|(_, places)| places).map(|p| pool_of(p)).collect();
            let pools = pools.into_iter().collect::<Vec<_>>().join(" and ");
            report.needs(
                format!(
                    "{} in {pools}: no API keys of xAI, but session cookies of a web site. The official API, which \
                     those pools belong to, does not take them, and filmgate does not pretend to be a browser. If you \
                     have a server that speaks xAI's video API and takes them, name it (not the web site):",
                    counted(count)
                ),
                [again],
            );
            report.needs(
                "Or use the official API, with a key from its console, in a pool of its own:",
                ["XAI_API_KEY=xai-... filmgate serve --preset xai".to_owned()],
            );
        }
        for (reason, places) in others {
            let todo = if reason.starts_with("there is no pool") {
                new_pool.lines(pool_of(places[0]))
            } else {
                Vec::new()
            };
            let more = places.len().saturating_sub(NAMED);
            let mut named = places[..places.len().min(NAMED)].join(", ");
            if more > 0 {
                named.push_str(&format!(" and {more} more"));
            }
            report.needs(format!("token.json, {named}: {}.", reason.trim_end_matches('.')), todo);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &Outcome, applied: bool) -> String {
        let mut report = Report::default();
        let new_pool =
            NewPool { in_use: vec!["ssoBasic".to_owned(), "gpu".to_owned()], upstream: "mine".to_owned() };
        outcome.tell(&mut report, applied, "filmgate migrate ... --upstream URL".to_owned(), &new_pool);
        report.render()
    }

    #[test]
    fn version_1_becomes_version_2() {
        let old = json!({
            "ssoNormal": { "eyJ-one": {
                "createdTime": 1768982343998_i64, "remainingQueries": 79, "heavyremainingQueries": -1,
                "status": "expired", "failedCount": 3, "lastFailureTime": null, "lastFailureReason": "401",
                "tags": ["a"], "note": "mine",
            }},
            "sso": { "eyJ-old": { "remainingQueries": -1 } },
            "ssoSuper": {},
        });
        let tokens = OldTokens::of(&old);
        assert_eq!(tokens.concerned().into_iter().collect::<Vec<_>>(), ["ssoBasic"]);
        let expected = json!({
            "ssoBasic": [
                { "token": "eyJ-old" },
                { "token": "eyJ-one", "status": "expired", "tags": ["a"], "note": "mine",
                  "created_at": 1768982343998_i64, "fail_count": 3, "last_fail_reason": "401", "quota": 79 },
            ],
            "ssoSuper": [],
        });
        let mut pools = Value::Object(tokens.pools);
        pools["ssoBasic"].as_array_mut().unwrap().sort_by_key(|token| {
            token["token"].to_string().len() * 2 - 9 * usize::from(token["token"] == "eyJ-old")
        });
        assert_eq!(pools, expected);
    }

    #[test]
    fn tokens_are_counted_by_pool_and_status() {
        let old = json!({
            "ssoBasic": ["sso=abc;", { "token": "abc" }, { "token": "d", "status": "disabled", "consumed": 4 }, 7],
            "ssoSuper": [{ "token": "e", "status": "cooling" }],
        });
        let refused =
            BTreeMap::from([("ssoBasic[3]".to_owned(), "expected a token, found a number".to_owned())]);
        insta::assert_snapshot!(told(&OldTokens::of(&old).outcome(refused, 0, 0), false), @r#"
        Taken over
          token.json: ssoBasic  ->  2 tokens in pool ssoBasic (1 active, 1 disabled)
          token.json: ssoSuper  ->  1 token in pool ssoSuper (1 cooling)

        Left out, and why
          In the file twice:
              1 token
          Filmgate keeps its own books of quota (pools.NAME.quota_units and quota_window) and asks nobody
          for it:
              the tokens' `consumed`

        Needs you
          1. token.json, ssoBasic[3]: expected a token, found a number.
        "#);
    }

    #[test]
    fn session_cookies_and_foreign_pools_need_the_operator() {
        let reason =
            "pool ssoBasic belongs to the official xAI API ...; name a compatible server with --upstream URL";
        let mut refused: BTreeMap<String, String> =
            (0..3).map(|nth| (format!("ssoBasic[{nth}]"), reason.to_owned())).collect();
        refused.extend((0..12).map(|nth| {
            (format!("sso.Heavy[{nth:02}]"), "there is no pool \"sso.Heavy\"; there is ssoBasic".to_owned())
        }));
        insta::assert_snapshot!(told(&Outcome { refused, ..Outcome::default() }, false), @r#"
        Taken over
          nothing

        Left out, and why
          nothing

        Needs you
          1. 3 tokens in ssoBasic: no API keys of xAI, but session cookies of a web site. The official API,
             which those pools belong to, does not take them, and filmgate does not pretend to be a browser.
             If you have a server that speaks xAI's video API and takes them, name it (not the web site):
                 filmgate migrate ... --upstream URL
          2. Or use the official API, with a key from its console, in a pool of its own:
                 XAI_API_KEY=xai-... filmgate serve --preset xai
          3. token.json, sso.Heavy[00], sso.Heavy[01], sso.Heavy[02], sso.Heavy[03], sso.Heavy[04],
             sso.Heavy[05], sso.Heavy[06], sso.Heavy[07], sso.Heavy[08], sso.Heavy[09] and 2 more: there is
             no pool "sso.Heavy"; there is ssoBasic.
                 [video]
                 pools = ["ssoBasic", "gpu", "sso.Heavy"]  # weakest first
                 [pools."sso.Heavy"]
                 upstream = "mine"
                 delivers = [{ resolution = "720p", max_seconds = 15 }]  # what it really delivers
        "#);
    }

    #[test]
    fn what_is_no_list_is_left_for_the_import_to_refuse() {
        let tokens = OldTokens::of(&json!({ "ssoBasic": 7, "ssoSuper": [] }));
        assert_eq!(tokens.pools["ssoBasic"], json!(7));
        assert_eq!(tokens.concerned().into_iter().collect::<Vec<_>>(), ["ssoBasic"]);
    }
}
