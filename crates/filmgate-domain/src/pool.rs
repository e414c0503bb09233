//! What a pool of tokens delivers, how much, and at what cost. All of it is data from the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Mode, Resolution, Seconds, Shape, Wanted};

/// A pool of tokens with the same entitlement at the same upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name, such as `ssoBasic`.
    pub name: Box<str>,
    /// The upstream that its tokens belong to.
    pub upstream: Box<str>,
    /// What its tokens deliver. A pool with an empty list delivers nothing.
    pub delivers: Vec<Capability>,
    /// Units per token and window; `None` means without limit.
    pub quota: Option<Quota>,
    /// Videos that one token may make at once; `None` means without limit.
    pub max_in_flight: Option<u32>,
    /// Submissions per token in any 60 seconds; `None` means without limit.
    pub submits_per_minute: Option<u32>,
    /// What a video costs in units: the first that matches counts, and a video that none matches is free.
    pub costs: Vec<Cost>,
}

/// One thing that a pool delivers: videos of a resolution up to a length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The resolution class.
    pub resolution: Resolution,
    /// The longest video of it.
    pub max_seconds: Seconds,
    /// Only with these models (public names); absent means with every model of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Only in these modes; absent means in every mode that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<Mode>>,
}

impl Capability {
    fn serves(&self, model: &str, mode: Mode) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|m| m == model))
            && self.modes.as_ref().is_none_or(|modes| modes.contains(&mode))
    }
}

/// Units per token and rolling window: a unit comes back one window after its submission was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Units in a window.
    pub units: u32,
    /// The window's length.
    pub window: Duration,
}

/// What videos cost in units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Only videos of this resolution; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Only videos up to this length; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<Seconds>,
    /// Units for the video.
    #[serde(default)]
    pub units: u32,
    /// Units for each second, on top.
    #[serde(default)]
    pub units_per_second: u32,
}

impl Pool {
    /// Whether it delivers this, exactly as asked.
    pub fn delivers(&self, wanted: &Wanted<'_>) -> bool {
        let Wanted { model, shape, mode, .. } = *wanted;
        let fits = |c: &Capability| c.resolution == shape.resolution && shape.seconds <= c.max_seconds;
        self.delivers.iter().any(|c| fits(c) && c.serves(model, mode))
    }

    /// The longest video of a resolution that it delivers with this model in this mode.
    pub fn longest(&self, model: &str, mode: Mode, resolution: Resolution) -> Option<Seconds> {
        let fitting = self.delivers.iter().filter(|c| c.resolution == resolution && c.serves(model, mode));
        fitting.map(|c| c.max_seconds).max()
    }

    /// What to ask this pool for instead of a `shape` that it does not deliver: the nearest resolution,
    /// a lower one before a higher, and of that as much of the length as there is.
    ///
    /// `None` when it delivers nothing at all with this model in this mode, or the mode keeps the form.
    pub fn nearest(&self, wanted: &Wanted<'_>) -> Option<Shape> {
        let Wanted { model, shape, mode, .. } = *wanted;
        if mode.keeps_form() {
            return None;
        }
        let serving = self.delivers.iter().filter(|c| c.serves(model, mode));
        let best = serving
            .max_by_key(|c| (nearness(c.resolution, shape.resolution), c.max_seconds.min(shape.seconds)))?;
        Some(Shape {
            resolution: best.resolution,
            seconds: best.max_seconds.min(shape.seconds),
            aspect_ratio: shape.aspect_ratio,
        })
    }

    /// Units that a video of this form costs.
    pub fn cost(&self, shape: &Shape) -> u32 {
        self.costs
            .iter()
            .find(|c| {
                c.resolution.is_none_or(|r| r == shape.resolution)
                    && c.max_seconds.is_none_or(|max| shape.seconds <= max)
            })
            .map_or(0, |c| c.units.saturating_add(c.units_per_second.saturating_mul(shape.seconds.get())))
    }
}

/// Orders resolutions by how well they stand in for the wanted one: itself, then the next lower ones,
/// then the next higher ones.
fn nearness(offered: Resolution, wanted: Resolution) -> (bool, i8) {
    let steps = (offered as i8) - (wanted as i8);
    (steps <= 0, -steps.abs())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::AspectRatio;

    fn shape(resolution: &str, seconds: u32) -> Shape {
        Shape {
            resolution: resolution.parse().unwrap(),
            seconds: Seconds::new(seconds).unwrap(),
            aspect_ratio: AspectRatio::R16x9,
        }
    }

    fn pool(delivers: &[(&str, u32)]) -> Pool {
        let delivers = delivers
            .iter()
            .map(|(resolution, seconds)| Capability {
                resolution: resolution.parse().unwrap(),
                max_seconds: Seconds::new(*seconds).unwrap(),
                models: None,
                modes: None,
            })
            .collect();
        Pool {
            name: "p".into(),
            upstream: "u".into(),
            delivers,
            quota: None,
            max_in_flight: None,
            submits_per_minute: None,
            costs: vec![],
        }
    }

    #[rstest]
    #[case(&[("480p", 6)], ("720p", 10), Some(("480p", 6)))]
    #[case(&[("480p", 6)], ("720p", 4), Some(("480p", 4)))]
    #[case(&[("720p", 6), ("480p", 15)], ("720p", 10), Some(("720p", 6)))]
    #[case(&[("720p", 6), ("480p", 15)], ("1080p", 10), Some(("720p", 6)))]
    #[case(&[("480p", 6), ("480p", 10)], ("480p", 15), Some(("480p", 10)))]
    #[case(&[("1080p", 5), ("720p", 5)], ("480p", 6), Some(("720p", 5)))]
    #[case(&[("1080p", 15), ("480p", 3)], ("720p", 6), Some(("480p", 3)))]
    #[case(&[], ("480p", 6), None)]
    fn nearest_form(
        #[case] delivers: &[(&str, u32)],
        #[case] asked: (&str, u32),
        #[case] expected: Option<(&str, u32)>,
    ) {
        let nearest = pool(delivers).nearest(&Wanted::new("m", shape(asked.0, asked.1)));
        assert_eq!(nearest, expected.map(|(resolution, seconds)| shape(resolution, seconds)));
    }

    #[test]
    fn abilities_can_depend_on_the_model() {
        let mut pool = pool(&[("480p", 15), ("1080p", 15)]);
        pool.delivers[1].models = Some(vec!["new".into()]);
        assert!(pool.delivers(&Wanted::new("new", shape("1080p", 15))));
        let old = Wanted::new("old", shape("1080p", 15));
        assert!(!pool.delivers(&old));
        assert_eq!(pool.nearest(&old), Some(shape("480p", 15)));
    }

    #[test]
    fn abilities_can_depend_on_the_mode() {
        let mut pool = pool(&[("480p", 15), ("720p", 15)]);
        pool.delivers[1].modes = Some(vec![Mode::Text]);
        let text = Wanted::new("m", shape("720p", 6));
        let image = Wanted { mode: Mode::Image, ..text };
        assert!(pool.delivers(&text) && !pool.delivers(&image));
        assert_eq!(pool.nearest(&image), Some(shape("480p", 6)));
        assert_eq!(pool.longest("m", Mode::Image, Resolution::P720), None);
        let edit = Wanted { mode: Mode::Edit, ..text };
        assert_eq!(pool.nearest(&edit), None, "an edit in another form than its source is no edit");
    }

    #[test]
    fn the_first_matching_cost_counts() {
        let mut pool = pool(&[]);
        assert_eq!(pool.cost(&shape("480p", 6)), 0);
        let rule = |resolution: Option<&str>, max: Option<u32>, units, units_per_second| Cost {
            resolution: resolution.map(|r| r.parse().unwrap()),
            max_seconds: max.map(|s| Seconds::new(s).unwrap()),
            units,
            units_per_second,
        };
        pool.costs =
            vec![rule(Some("720p"), Some(6), 5, 0), rule(Some("720p"), None, 1, 2), rule(None, None, 4, 0)];
        assert_eq!(pool.cost(&shape("720p", 6)), 5);
        assert_eq!(pool.cost(&shape("720p", 10)), 21);
        assert_eq!(pool.cost(&shape("480p", 10)), 4);
    }
}
