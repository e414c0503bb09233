//! Looks for the video of an order whose answer was lost, in the list of the token's videos.
//!
//! The dialect has no field of a client's own that comes back, so a video is known by its prompt and by when it
//! was made. Of two orders with the same words either video is as good; the caller sees to it that no two jobs
//! take the same.

use std::time::Duration;

use filmgate_domain::{Cause, Failure, Secret, Timestamp};
use reqwest::Method;
use serde_json::{Map, Value};

use crate::Lost;
use crate::client::{Client, Reply};
use crate::lenient::is_usable_id;

/// How far the upstream's clock may be behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Pages that are read, at most: 100 videos each, from the newest to when the order went out.
const MOST_PAGES: usize = 20;

pub(super) async fn find(client: &Client, token: &Secret, lost: &Lost<'_>) -> Result<Vec<Box<str>>, Failure> {
    let call = client.question(token);
    let since = lost.sent_at - CLOCK_SLACK;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    let mut last_made_at = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", "100"), ("order", "desc")];
        query.extend(after.as_deref().map(|id| ("after", id)));
        let request = client.request(&call, Method::GET, &["videos"])?.query(&query);
        let Reply { status, body, .. } = client.answer(&call, request).await?;
        let garbage = |what: &str| call.garbage(status, what, &body);
        let page = Page::parse(&body).ok_or_else(|| garbage("with something that is no list of videos"))?;
        let videos: Option<Vec<Listed<'_>>> = page.videos.iter().map(Listed::of).collect();
        let videos = videos.ok_or_else(|| garbage("with a video that lacks id, prompt or time"))?;
        for video in &videos {
            // In another order it would not be known where what is newer than the order ends.
            if last_made_at.is_some_and(|last| video.made_at > last) {
                return Err(garbage("with a list that does not begin with the newest"));
            }
            last_made_at = Some(video.made_at);
            if video.made_at >= since && video.prompt.trim() == lost.prompt.trim() {
                found.push(video.id.into());
            }
        }
        if !page.has_more || last_made_at.is_some_and(|last| last < since) {
            return Ok(found);
        }
        let last = videos.last().map(|video| video.id.to_owned());
        if last.is_none() || last == after {
            return Err(garbage("with the same page again"));
        }
        after = last;
    }
    Err(call.unsent(Cause::Garbage, "its list of videos does not end"))
}

/// A video in the list.
struct Listed<'a> {
    id: &'a str,
    prompt: &'a str,
    /// To the end of the second that the list names.
    made_at: Timestamp,
}

impl<'a> Listed<'a> {
    fn of(video: &'a Map<String, Value>) -> Option<Self> {
        let text = |name: &str| video.get(name)?.as_str();
        let seconds = video.get("created_at")?.as_f64()?;
        let made_at = Timestamp::from_millis((seconds * 1000.0) as i64 + 999);
        Some(Self { id: text("id").filter(|id| is_usable_id(id))?, prompt: text("prompt")?, made_at })
    }
}

struct Page {
    videos: Vec<Map<String, Value>>,
    has_more: bool,
}

impl Page {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut page: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let has_more = page.get("has_more").and_then(Value::as_bool).unwrap_or(false);
        let Value::Array(videos) = page.remove("data")? else { return None };
        let videos = videos.into_iter().map(|video| match video {
            Value::Object(video) => Some(video),
            _ => None,
        });
        Some(Self { videos: videos.collect::<Option<_>>()?, has_more })
    }
}
