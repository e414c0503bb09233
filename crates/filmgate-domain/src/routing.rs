//! The policy: which pools may make a video, in which order, and what each is asked for.
//!
//! The founding rule is not written here; it follows from what the default pools say they deliver:
//!
//! | asked | goes to | if no token there |
//! |---|---|---|
//! | 480p up to 6 s | `ssoBasic` | `ssoSuper` (an upgrade) |
//! | 720p, or longer than 6 s | `ssoSuper` | `ssoBasic` (a fallback: 480p, 6 s, and everybody is told) |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::UnknownWord;
use crate::{Catalog, Mode, Model, NoToken, Pool, Resolution, Seconds, Shape};

/// The switches of `[video]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoutingSettings {
    /// False: the old loop, the model's pools in order, whatever the video asks for.
    pub smart_token_routing: bool,
    /// Whether pools that cannot deliver a video as asked may make it when the others have no token.
    pub allow_fallback_to_basic: bool,
    /// Whether a fallback writes its WARN line.
    pub log_fallback_warning: bool,
    /// Whether a video may go to a stronger pool than the first that suffices.
    pub allow_upgrade_to_super: bool,
    /// The share (0 to 1) of a stronger pool's quota that upgrades leave untouched.
    pub upgrade_reserve: f64,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            smart_token_routing: true,
            allow_fallback_to_basic: true,
            log_fallback_warning: true,
            allow_upgrade_to_super: true,
            upgrade_reserve: 0.2,
        }
    }
}

/// How a pool relates to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The first pool that delivers the video as asked.
    Primary,
    /// A stronger pool than needed.
    Upgrade,
    /// A pool that cannot deliver the video as asked.
    Fallback,
}

impl Route {
    /// All routes, the best first.
    pub const ALL: [Route; 3] = [Route::Primary, Route::Upgrade, Route::Fallback];

    /// The word used in the API, the store and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Primary => "primary",
            Route::Upgrade => "upgrade",
            Route::Fallback => "fallback",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a request when no token that can deliver it is to be had. The client decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnShortage {
    /// A pool that delivers less makes it, if the operator allows that, and the client is told.
    #[default]
    Fallback,
    /// It is refused.
    Fail,
    /// It waits for a token that can deliver it.
    Wait,
}

impl OnShortage {
    /// All choices.
    pub const ALL: [OnShortage; 3] = [OnShortage::Fallback, OnShortage::Fail, OnShortage::Wait];

    /// The word used in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnShortage::Fallback => "fallback",
            OnShortage::Fail => "fail",
            OnShortage::Wait => "wait",
        }
    }
}

impl FromStr for OnShortage {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// What routing has to know about a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The model, by name or alias.
    pub model: &'a str,
    /// The form.
    pub shape: Shape,
    /// How it is made.
    pub mode: Mode,
    /// Whether a pool that cannot deliver it as asked may make it, where the operator allows that.
    pub fallback: bool,
}

impl<'a> Wanted<'a> {
    /// A video from text, for which a fallback will do.
    pub const fn new(model: &'a str, shape: Shape) -> Self {
        Self { model, shape, mode: Mode::Text, fallback: true }
    }
}

/// A pool that may make the video, and what it would be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The pool's place in [`Catalog::pools`].
    pub pool: usize,
    /// How it relates to what was asked.
    pub route: Route,
    /// What it would be asked for.
    pub sent: Shape,
}

/// No pool of the model delivers such a video.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Undeliverable {
    /// What was asked.
    pub asked: Shape,
    /// How it was to be made.
    pub mode: Mode,
    /// The model's public name.
    pub model: Box<str>,
    /// The longest video of that resolution that can be had; `None` when there is none of it at all.
    pub longest: Option<Seconds>,
    /// What can be had in this mode, such as `480p up to 15s, 720p up to 15s`; empty when the model does not
    /// have this mode at all.
    pub available: String,
}

impl Undeliverable {
    fn sentence(&self) -> String {
        let Self { asked: Shape { resolution, seconds, .. }, mode, model, available, .. } = self;
        if available.is_empty() {
            return format!("no pool makes {} with {model}", mode.phrase());
        }
        let what = if *mode == Mode::Text { String::new() } else { format!(" as {}", mode.phrase()) };
        format!("no pool delivers {resolution} {seconds}s{what} with {model}; it makes {available}")
    }
}

/// A video that is to be routed.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    catalog: &'a Catalog,
    pub(crate) model: &'a Model,
    /// The model's pools, by their places in the catalog.
    pools: &'a [usize],
    pub(crate) wanted: Wanted<'a>,
    /// Whether anybody minds what the pools deliver.
    smart: bool,
}

impl<'a> Question<'a> {
    /// Looks the model up, by name or alias.
    pub(crate) fn new(catalog: &'a Catalog, wanted: &Wanted<'_>, smart: bool) -> Result<Self, NoToken> {
        let Some((model, pools)) = catalog.find(wanted.model) else {
            let known: Vec<&str> = catalog.models().iter().map(|m| &*m.name).collect();
            return Err(NoToken::UnknownModel { model: wanted.model.into(), known: known.join(", ") });
        };
        // From here on the model goes by its public name.
        Ok(Self { catalog, model, pools, wanted: Wanted { model: &model.name, ..*wanted }, smart })
    }

    /// The candidates in the order in which they are to be tried, switches left aside: the pools that deliver
    /// the video in the model's order, then the others, strongest first. None when no pool delivers it.
    ///
    /// Without smart routing: the model's pools in order, each asked for exactly what was asked.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        let Self { wanted: Wanted { shape: asked, .. }, smart, .. } = *self;
        let pools = self.pools.iter().copied();
        let sufficient = pools.clone().filter(move |pool| !smart || self.delivers(*pool)).enumerate();
        let sufficient = sufficient.map(move |(nth, pool)| {
            let route = match nth {
                _ if !smart && !self.delivers(pool) => Route::Fallback,
                _ if !smart => Route::Primary,
                0 => Route::Primary,
                _ => Route::Upgrade,
            };
            Candidate { pool, route, sent: asked }
        });
        let insufficient = pools.rev().take_while(move |_| smart && self.deliverable());
        let insufficient = insufficient.filter(move |pool| !self.delivers(*pool));
        let insufficient = insufficient.filter_map(move |pool| {
            let sent = self.catalog.pools()[pool].nearest(&self.wanted)?;
            Some(Candidate { pool, route: Route::Fallback, sent })
        });
        sufficient.chain(insufficient)
    }

    /// Whether some pool of the model delivers this form. Without smart routing nobody asks.
    ///
    /// # Errors
    /// With what can be had.
    pub(crate) fn check(&self) -> Result<(), NoToken> {
        if !self.smart || self.deliverable() {
            return Ok(());
        }
        let Wanted { shape: asked, mode, .. } = self.wanted;
        let longest = self.longest(asked.resolution);
        let (model, available) = (self.model.name.clone(), self.available());
        Err(NoToken::Undeliverable(Box::new(Undeliverable { asked, mode, model, longest, available })))
    }

    /// The pools that cannot deliver it as asked, if that matters.
    pub(crate) fn unable(&self) -> impl Iterator<Item = &Pool> {
        let unable = self.pools.iter().filter(move |pool| self.smart && !self.delivers(**pool));
        unable.map(move |pool| &*self.catalog.pools()[*pool])
    }

    fn deliverable(&self) -> bool {
        self.pools.iter().any(|pool| self.delivers(*pool))
    }

    fn delivers(&self, pool: usize) -> bool {
        self.catalog.pools()[pool].delivers(&self.wanted)
    }

    /// The longest video of a resolution that some pool delivers.
    fn longest(&self, resolution: Resolution) -> Option<Seconds> {
        let pools = self.pools.iter().map(|pool| &self.catalog.pools()[*pool]);
        pools.filter_map(|pool| pool.longest(&self.model.name, self.wanted.mode, resolution)).max()
    }

    /// "480p up to 15s, 720p up to 15s".
    fn available(&self) -> String {
        let offer =
            |resolution| self.longest(resolution).map(|seconds| format!("{resolution} up to {seconds}s"));
        let offers: Vec<String> = Resolution::ALL.into_iter().filter_map(offer).collect();
        offers.join(", ")
    }
}

/// The log lines of the founding document, word by word. A token shows its first characters only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingLine<'a> {
    /// INFO: the first pool had a token.
    Chosen {
        /// What was asked.
        asked: Shape,
        /// The pool.
        pool: &'a str,
        /// The token's first characters.
        token: &'a str,
    },
    /// WARN: the pools that deliver the video have no token.
    Shortage {
        /// What was asked.
        asked: Shape,
        /// The pool that would have delivered it.
        from: &'a str,
        /// The pool that makes it instead.
        to: &'a str,
    },
    /// INFO: another pool than the first makes it.
    Instead {
        /// The first pool.
        from: &'a str,
        /// The pool that makes it.
        to: &'a str,
        /// The token's first characters.
        token: &'a str,
    },
    /// WARN: no pool has a token.
    NoToken {
        /// What was asked.
        asked: Shape,
    },
}

impl fmt::Display for RoutingLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Video token routing: ")?;
        match self {
            RoutingLine::Chosen { asked: Shape { resolution, seconds, .. }, pool, token } => {
                write!(f, "resolution={resolution}, length={seconds}s -> pool={pool} (token={token}...)")
            }
            RoutingLine::Shortage { asked: Shape { resolution, seconds, .. }, from, to } => write!(
                f,
                "{from} pool has no available token for resolution={resolution}, length={seconds}s. \
                 Falling back to {to} pool."
            ),
            RoutingLine::Instead { from, to, token } => {
                write!(f, "fallback from {from} -> {to} (token={token}...)")
            }
            RoutingLine::NoToken { asked: Shape { resolution, seconds, .. } } => {
                write!(f, "no available token in any pool (resolution={resolution}, length={seconds}s)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::AspectRatio;

    fn shape(resolution: Resolution, seconds: u32) -> Shape {
        Shape { resolution, seconds: Seconds::new(seconds).unwrap(), aspect_ratio: AspectRatio::R16x9 }
    }

    fn question(catalog: &Catalog, asked: Shape, smart: bool) -> Question<'_> {
        Question::new(catalog, &Wanted::new("grok-video", asked), smart).unwrap()
    }

    #[rstest]
    #[case(Resolution::P480, 6, &[("ssoBasic", "primary", "480p 6s 16:9"), ("ssoSuper", "upgrade", "480p 6s 16:9")])]
    #[case(Resolution::P720, 6, &[("ssoSuper", "primary", "720p 6s 16:9"), ("ssoBasic", "fallback", "480p 6s 16:9")])]
    #[case(Resolution::P480, 7, &[("ssoSuper", "primary", "480p 7s 16:9"), ("ssoBasic", "fallback", "480p 6s 16:9")])]
    #[case(Resolution::P720, 3, &[("ssoSuper", "primary", "720p 3s 16:9"), ("ssoBasic", "fallback", "480p 3s 16:9")])]
    fn f3_f4_f5_the_founding_rule_follows_from_the_default_pools(
        #[case] resolution: Resolution,
        #[case] seconds: u32,
        #[case] expected: &[(&str, &str, &str)],
    ) {
        let catalog = Catalog::founding();
        let question = question(&catalog, shape(resolution, seconds), true);
        let order: Vec<_> = question
            .candidates()
            .map(|c| (&*catalog.pools()[c.pool].name, c.route.as_str(), c.sent.to_string()))
            .collect();
        let order: Vec<_> = order.iter().map(|(pool, route, sent)| (*pool, *route, &**sent)).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn the_old_loop_takes_the_pools_in_order_and_changes_nothing() {
        let catalog = Catalog::founding();
        let asked = shape(Resolution::P1080, 20);
        let order: Vec<_> = question(&catalog, asked, false).candidates().collect();
        assert_eq!(order.iter().map(|c| c.pool).collect::<Vec<_>>(), [0, 1]);
        assert!(order.iter().all(|c| c.sent == asked));
        assert!(question(&catalog, asked, false).check().is_ok());
    }

    #[test]
    fn what_no_pool_delivers_is_refused_with_what_can_be_had() {
        let catalog = Catalog::founding();
        let question = question(&catalog, shape(Resolution::P1080, 6), true);
        assert_eq!(question.candidates().count(), 0);
        let refused = question.check().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "no pool delivers 1080p 6s with grok-imagine-video; it makes 480p up to 15s, 720p up to 15s"
        );
    }

    #[test]
    fn a_mode_that_no_pool_has_is_named() {
        let mut pools: Vec<Pool> = Catalog::founding().pools().iter().map(|p| (**p).clone()).collect();
        for capability in pools.iter_mut().flat_map(|pool| &mut pool.delivers) {
            capability.modes = Some(vec![Mode::Text, Mode::Image]);
        }
        let catalog = Catalog::new(pools, Catalog::founding().models().to_vec()).unwrap();
        let refused = |mode, resolution| {
            let wanted = Wanted { mode, ..Wanted::new("grok-video", shape(resolution, 6)) };
            Question::new(&catalog, &wanted, true).unwrap().check().unwrap_err().to_string()
        };
        let edit = refused(Mode::Edit, Resolution::P480);
        assert_eq!(edit, "no pool makes an edit of a video with grok-imagine-video");
        let image = refused(Mode::Image, Resolution::P1080);
        assert!(image.starts_with("no pool delivers 1080p 6s as a video from an image with"), "{image}");
    }

    #[test]
    fn f8_log_lines_are_those_of_the_founding_document() {
        let asked = shape(Resolution::P720, 6);
        let (from, to, token) = ("ssoSuper", "ssoBasic", "eyJ0eXAiOi");
        let lines = [
            RoutingLine::Chosen { asked, pool: from, token }.to_string(),
            RoutingLine::Shortage { asked, from, to }.to_string(),
            RoutingLine::Instead { from, to, token }.to_string(),
            RoutingLine::NoToken { asked }.to_string(),
        ];
        assert_eq!(
            lines,
            [
                "Video token routing: resolution=720p, length=6s -> pool=ssoSuper (token=eyJ0eXAiOi...)",
                "Video token routing: ssoSuper pool has no available token for resolution=720p, length=6s. \
                 Falling back to ssoBasic pool.",
                "Video token routing: fallback from ssoSuper -> ssoBasic (token=eyJ0eXAiOi...)",
                "Video token routing: no available token in any pool (resolution=720p, length=6s)",
            ]
        );
    }
}
