//! What is asked of a gateway.

use filmgate_domain::{AspectRatio, Delivered, Orientation, Resolution, Seconds, Shape, Shortfall};
use serde_json::{Value, json};

/// A video to be made. What is `None` is the gateway's to choose.
pub(in crate::cli) struct Order {
    pub(in crate::cli) prompt: String,
    pub(in crate::cli) model: Option<String>,
    pub(in crate::cli) resolution: Option<Resolution>,
    pub(in crate::cli) seconds: Option<Seconds>,
    pub(in crate::cli) aspect_ratio: AspectRatio,
    /// What happens when no token that can deliver it is free.
    pub(in crate::cli) on_shortage: Option<String>,
    /// How long to wait for one, in seconds.
    pub(in crate::cli) max_wait: Option<u32>,
}

impl Order {
    /// The body of `POST /videos`.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "prompt": self.prompt, "aspect_ratio": self.aspect_ratio });
        if let Some(model) = &self.model {
            body["model"] = json!(model);
        }
        if let Some(resolution) = self.resolution {
            body["resolution"] = json!(resolution);
        }
        if let Some(seconds) = self.seconds {
            // The dialect has it as a string.
            body["seconds"] = json!(seconds.to_string());
        }
        if let Some(on_shortage) = &self.on_shortage {
            body["on_shortage"] = json!(on_shortage);
        }
        if let Some(max_wait) = self.max_wait {
            body["max_wait"] = json!(max_wait);
        }
        body
    }

    /// `720p 10s 16:9`, as far as it was said.
    pub(super) fn words(&self) -> String {
        let resolution = self.resolution.map(|resolution| format!("{resolution} "));
        let seconds = self.seconds.map(|seconds| format!("{seconds}s "));
        format!("{}{}{}", resolution.unwrap_or_default(), seconds.unwrap_or_default(), self.aspect_ratio)
    }

    /// What is missing in a file of what was said.
    pub(super) fn shortfalls(&self, file: &Delivered) -> Vec<String> {
        let wanted = Shape {
            resolution: self.resolution.unwrap_or(Resolution::P480),
            seconds: self.seconds.unwrap_or_default(),
            aspect_ratio: self.aspect_ratio,
        };
        let was_said = |shortfall: &Shortfall| match shortfall {
            Shortfall::Resolution { .. } => self.resolution.is_some(),
            Shortfall::Seconds { .. } => self.seconds.is_some(),
            // A square may be what a gateway makes of an unknown field; it is less than a landscape all the same.
            Shortfall::Orientation { wanted, .. } => *wanted != Orientation::Square,
        };
        file.shortfalls(&wanted).iter().filter(|s| was_said(s)).map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(resolution: Option<Resolution>, seconds: Option<u32>) -> Order {
        Order {
            prompt: "fox".to_owned(),
            model: None,
            resolution,
            seconds: seconds.map(|n| Seconds::new(n).unwrap()),
            aspect_ratio: AspectRatio::R16x9,
            on_shortage: None,
            max_wait: None,
        }
    }

    #[test]
    fn only_what_was_said_is_sent() {
        assert_eq!(order(None, None).body(), json!({ "prompt": "fox", "aspect_ratio": "16:9" }));
        let body = json!({ "prompt": "fox", "aspect_ratio": "16:9", "resolution": "720p", "seconds": "10" });
        assert_eq!(order(Some(Resolution::P720), Some(10)).body(), body);
    }

    #[test]
    fn only_what_was_said_can_be_missing() {
        let file = Delivered {
            width: 320,
            height: 180,
            duration_ms: 1000,
            codec: "h264".into(),
            bytes: 1,
            sha256: "".into(),
        };
        assert!(order(None, None).shortfalls(&file).is_empty());
        let missing = order(Some(Resolution::P720), Some(10)).shortfalls(&file);
        assert_eq!(missing, ["720p became 320x180", "10s became 1s"]);
    }
}
