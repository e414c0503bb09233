//! Why a video goes where it goes, in words. Built only when somebody asks, or something went differently.

use std::fmt;

use serde::Serialize;

use crate::{Mode, Resolution, Route, Seconds, Shape, Timestamp, TokenId, Undeliverable};

/// How the policy decided, or would decide, about a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The model's public name.
    pub model: Box<str>,
    /// What was asked.
    pub asked: Shape,
    /// How it is to be made.
    pub mode: Mode,
    /// Where it goes; `None` when no pool has a token for it.
    pub chosen: Option<Chosen>,
    /// What was passed over on the way, in the order in which the pools were looked at.
    pub passed_over: Vec<PassedOver>,
}

/// Where a video goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chosen {
    /// The pool.
    pub pool: Box<str>,
    /// How the pool relates to what was asked.
    pub route: Route,
    /// What the upstream is asked for.
    pub sent: Shape,
    /// A token that would be taken now; among equals another may be.
    pub token: TokenId,
}

/// A pool that did not get the video, or tokens of the chosen pool that did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// The pool.
    pub pool: Box<str>,
    /// How the pool relates to what was asked; `None` when it cannot make such a video at all.
    #[serde(skip)]
    pub route: Option<Route>,
    /// Why, by class of tokens.
    pub classes: Vec<TokenClass>,
}

/// Tokens that were passed over for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenClass {
    /// How many.
    pub tokens: u32,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why tokens were passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The pool is empty.
    NoTokens,
    /// Not enough units left, until some come back.
    OutOfQuota {
        /// When enough have come back; unknown while that depends on videos in flight.
        until: Option<Timestamp>,
    },
    /// The upstream asked for a pause.
    Cooling {
        /// When it ends.
        until: Option<Timestamp>,
    },
    /// As many videos at once as the pool allows.
    InFlight {
        /// That many.
        limit: u32,
        /// When a slot comes free by itself, where that is known.
        until: Option<Timestamp>,
        /// Whether a slot is all that some of them lack.
        #[serde(skip)]
        merely: bool,
    },
    /// As many submissions a minute as the pool allows.
    Throttled {
        /// When the next may go.
        until: Option<Timestamp>,
    },
    /// Switched off by the operator.
    Disabled,
    /// Refused by the upstream too often.
    Expired,
    /// The pool does not deliver such videos.
    CannotDeliver {
        /// The resolution asked for.
        resolution: Resolution,
        /// The length asked for.
        seconds: Seconds,
        /// How it is to be made.
        mode: Mode,
    },
    /// `allow_fallback_to_basic` is off.
    FallbackNotAllowed,
    /// The client does not want a fallback.
    FallbackNotWanted,
    /// `allow_upgrade_to_super` is off.
    UpgradeNotAllowed,
    /// What is left of the pool's quota is kept for videos that only it can make.
    KeptInReserve {
        /// Units left in the pool.
        left: u64,
        /// Units that a full pool has.
        granted: u64,
        /// When so much has come back that the pool can make it; unknown while that depends on videos in
        /// flight.
        until: Option<Timestamp>,
    },
}

impl Reason {
    /// When this reason ends by itself, if that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Reason::OutOfQuota { until }
            | Reason::Cooling { until }
            | Reason::InFlight { until, .. }
            | Reason::Throttled { until }
            | Reason::KeptInReserve { until, .. } => *until,
            _ => None,
        }
    }

    /// Of two reasons that hold at once, the one that ends later; what ends nobody knows when ends last.
    pub(crate) fn longer(self, other: Reason) -> Reason {
        let (ours, other_ends) = (self.until(), other.until());
        if ours.is_some() && (other_ends.is_none() || other_ends > ours) { other } else { self }
    }

    /// Of two reasons of the same kind, the one that ends first. What ends nobody knows when stays apart: it
    /// may end sooner.
    pub(crate) fn merge(&mut self, other: Reason) -> bool {
        let (ends, other_ends) = (self.until(), other.until());
        let same = std::mem::discriminant(self) == std::mem::discriminant(&other)
            && ends.is_some() == other_ends.is_some();
        let either =
            [*self, other].iter().any(|reason| matches!(reason, Reason::InFlight { merely: true, .. }));
        if same && other_ends < ends {
            *self = other;
        }
        if let Reason::InFlight { merely, .. } = self
            && same
        {
            *merely = either;
        }
        same
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoTokens => f.write_str("no tokens"),
            Reason::OutOfQuota { .. } => f.write_str("out of quota"),
            Reason::Cooling { .. } => f.write_str("cooling"),
            Reason::InFlight { limit, .. } => write!(f, "{limit} in flight, the limit"),
            Reason::Throttled { .. } => f.write_str("at the limit of submissions a minute"),
            Reason::Disabled => f.write_str("disabled"),
            Reason::Expired => f.write_str("expired"),
            Reason::CannotDeliver { resolution, seconds, mode: Mode::Text } => {
                write!(f, "cannot deliver {resolution} {seconds}s")
            }
            Reason::CannotDeliver { resolution, seconds, mode } => {
                write!(f, "cannot deliver {resolution} {seconds}s as {}", mode.phrase())
            }
            Reason::FallbackNotAllowed => f.write_str("a fallback is not allowed"),
            Reason::FallbackNotWanted => f.write_str("the client wants no fallback"),
            Reason::UpgradeNotAllowed => f.write_str("an upgrade is not allowed"),
            Reason::KeptInReserve { left, granted, .. } => {
                write!(f, "{left} of {granted} units left, kept for videos that only it can make")
            }
        }?;
        self.until().map_or(Ok(()), |until| write!(f, " until {until}"))
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.pool)?;
        for (nth, class) in self.classes.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            match class.tokens {
                0 => write!(f, "{comma}{}", class.reason)?,
                1 => write!(f, "{comma}1 token {}", class.reason)?,
                n => write!(f, "{comma}{n} tokens {}", class.reason)?,
            }
        }
        Ok(())
    }
}

impl Decision {
    /// When a token is expected for such a video, as far as that is known.
    pub fn expected(&self) -> Option<Timestamp> {
        self.reasons().filter_map(Reason::until).min()
    }

    /// Whether a token is merely busy: it comes free when one of its videos ends.
    pub fn busy(&self) -> bool {
        let waits_for_a_video = |reason: &Reason| {
            use Reason::{InFlight, KeptInReserve, OutOfQuota};
            matches!(reason, InFlight { .. } | OutOfQuota { until: None } | KeptInReserve { until: None, .. })
        };
        self.reasons().any(waits_for_a_video)
    }

    /// Whether a pool that delivers less would make it, and one that delivers it as asked has a token that is
    /// merely at its in-flight limit, so that it may come free until `by`.
    pub fn merely_busy(&self, by: Timestamp) -> bool {
        let free_by_then = |class: &TokenClass| match class.reason {
            Reason::InFlight { until, merely, .. } => merely && until.is_none_or(|until| until <= by),
            _ => false,
        };
        let busy = |pool: &PassedOver| {
            matches!(pool.route, Some(Route::Primary | Route::Upgrade))
                && pool.classes.iter().any(free_by_then)
        };
        let chosen = self.chosen.as_ref().map(|chosen| chosen.route);
        let mut routes = self.passed_over.iter().map(|pool| pool.route).chain([chosen]);
        routes.any(|route| route == Some(Route::Fallback)) && self.passed_over.iter().any(busy)
    }

    /// Like [`Decision::why`], without the chosen pool's own tokens and the pools that were never candidates.
    pub fn why_not_before(&self) -> String {
        let chosen = self.chosen.as_ref().map(|chosen| &chosen.pool);
        let before = self.passed_over.iter().filter(|p| p.route.is_some() && Some(&p.pool) != chosen);
        let pools: Vec<String> = before.map(PassedOver::to_string).collect();
        pools.join("; ")
    }

    fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.passed_over.iter().flat_map(|pool| &pool.classes).map(|class| &class.reason)
    }

    /// Why the pools before the chosen one did not get it: "ssoSuper: 3 tokens out of quota until …".
    pub fn why(&self) -> String {
        let pools: Vec<String> = self.passed_over.iter().map(PassedOver::to_string).collect();
        pools.join("; ")
    }
}

/// `720p 6s 16:9 -> ssoBasic (fallback, sends 480p 6s 16:9); ssoSuper: 3 tokens out of quota until …`
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> ", self.asked)?;
        match &self.chosen {
            Some(chosen) => write!(f, "{} ({}, sends {})", chosen.pool, chosen.route, chosen.sent)?,
            None => f.write_str("no token")?,
        }
        if !self.passed_over.is_empty() {
            write!(f, "; {}", self.why())?;
        }
        Ok(())
    }
}

/// Why no token was reserved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// The model is not in the catalog.
    #[error("there is no model {model:?}; there is {known}")]
    UnknownModel {
        /// What was asked for.
        model: Box<str>,
        /// The models that exist, comma-separated.
        known: String,
    },
    /// No pool delivers such a video, however many tokens there are.
    #[error(transparent)]
    Undeliverable(Box<Undeliverable>),
    /// Every token that may make it is taken, out of quota, cooling or switched off.
    #[error("no token is available for {}: {}", .0.asked, .0.why())]
    Shortage(Box<Decision>),
}

impl NoToken {
    /// When a token is expected, if that is known.
    pub fn expected(&self) -> Option<Timestamp> {
        match self {
            NoToken::Shortage(decision) => decision.expected(),
            _ => None,
        }
    }
}
