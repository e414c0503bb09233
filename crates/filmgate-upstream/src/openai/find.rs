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
use crate::client::Client;
use crate::lenient::is_usable_id;

/// How far the upstream's clock may be behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Pages that are read, at most: 100 videos each, and only those since the order went out.
const MOST_PAGES: usize = 20;

pub(super) async fn find(client: &Client, token: &Secret, lost: &Lost<'_>) -> Result<Vec<Box<str>>, Failure> {
    let call = client.question(token);
    let since = lost.sent_at - CLOCK_SLACK;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", "100"), ("order", "desc")];
        query.extend(after.as_deref().map(|id| ("after", id)));
        let request = client.request(&call, Method::GET, &["videos"])?.query(&query);
        let (status, body) = client.answer(&call, request).await?;
        let garbage = |what: &str| call.garbage(status, what, &body);
        let page = Page::parse(&body).ok_or_else(|| garbage("with something that is no list of videos"))?;
        for video in &page.videos {
            if made_at(video).ok_or_else(|| garbage("with a video that has no created_at"))? < since {
                continue;
            }
            let prompt = video.get("prompt").and_then(Value::as_str);
            let prompt = prompt.ok_or_else(|| garbage("with a video that has no prompt"))?;
            if prompt.trim() == lost.prompt.trim() {
                let id = id_of(video).ok_or_else(|| garbage("with a video that has no usable id"))?;
                found.push(id.into());
            }
        }
        let oldest = page.videos.iter().filter_map(made_at).min();
        let last = page.videos.last().and_then(id_of).map(str::to_owned);
        let goes_on = page.has_more && oldest.is_some_and(|at| at >= since) && last != after;
        if !goes_on {
            return Ok(found);
        }
        after = last;
    }
    Err(call.unsent(Cause::Garbage, "its list of videos does not end"))
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

/// Seconds since the epoch, rounded to the end of the second.
fn made_at(video: &Map<String, Value>) -> Option<Timestamp> {
    let seconds = video.get("created_at")?.as_f64()?;
    Some(Timestamp::from_millis((seconds * 1000.0) as i64 + 999))
}

fn id_of(video: &Map<String, Value>) -> Option<&str> {
    video.get("id")?.as_str().filter(|id| is_usable_id(id))
}
