//! A video, as a gateway of the OpenAI Videos dialect shows it. Read leniently: gateways differ.

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::job::Report;

/// A video and the answer that it was read from.
#[derive(Debug)]
pub(super) struct Video {
    /// The whole answer.
    pub(super) json: Value,
    pub(super) id: String,
    /// What filmgate tells beyond the dialect; empty where another gateway answers.
    pub(super) report: Report,
}

/// Where a video stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    InProgress,
    Completed,
    Failed,
}

impl Video {
    pub(super) fn read(json: Value) -> anyhow::Result<Self> {
        let id =
            json["id"].as_str().context("the gateway's answer has no id; is it an OpenAI Videos API?")?;
        let report = serde_json::from_value(json["filmgate"].clone()).unwrap_or_default();
        Ok(Self { id: id.to_owned(), report, json })
    }

    pub(super) fn phase(&self) -> Phase {
        let status = self.json["status"].as_str().unwrap_or_default();
        match status {
            // Some gateways call a moderated video completed, with an error.
            "completed" | "succeeded" if self.json["error"].is_null() => Phase::Completed,
            "completed" | "succeeded" | "failed" | "cancelled" | "canceled" | "expired" => Phase::Failed,
            "queued" | "pending" => Phase::Queued,
            _ => Phase::InProgress,
        }
    }

    /// 0 to 100.
    pub(super) fn progress(&self) -> u64 {
        self.json["progress"].as_f64().map_or(0, |percent| percent.clamp(0.0, 100.0) as u64)
    }

    pub(super) fn prompt(&self) -> Option<&str> {
        self.json["prompt"].as_str()
    }

    /// Why it failed.
    pub(super) fn failure(&self) -> String {
        let error = &self.json["error"];
        let message = error["message"].as_str().or(error.as_str()).unwrap_or("the gateway does not say why");
        match error["code"].as_str() {
            Some(code) => format!("{message} ({code})"),
            None => message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({ "status": "queued" }), Phase::Queued)]
    #[case(json!({ "status": "processing" }), Phase::InProgress)]
    #[case(json!({}), Phase::InProgress)]
    #[case(json!({ "status": "completed", "error": null }), Phase::Completed)]
    #[case(json!({ "status": "completed", "error": { "code": "moderation" } }), Phase::Failed)]
    #[case(json!({ "status": "cancelled" }), Phase::Failed)]
    fn phases_of_all_gateways(#[case] mut json: Value, #[case] phase: Phase) {
        json["id"] = json!("video_1");
        assert_eq!(Video::read(json).unwrap().phase(), phase);
    }

    #[test]
    fn odd_answers_are_read_all_the_same() {
        let video =
            Video::read(json!({ "id": "x", "progress": 33.5, "error": "boom", "filmgate": 7 })).unwrap();
        assert_eq!((video.progress(), &*video.failure()), (33, "boom"));
        assert!(video.report.pool.is_none());
        assert!(Video::read(json!({ "object": "video" })).is_err());
    }
}
