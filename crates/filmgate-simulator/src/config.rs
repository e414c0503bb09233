//! What a simulator is made of: tiers, tokens, and how it behaves.

use std::{collections::HashSet, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{clock::SimClock, frame::Resolution};

/// Everything that can be set. `..Default::default()` fills in the rest.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// The tiers that tokens may have. Default: [`Tier::basic`] and [`Tier::super_`].
    pub tiers: Vec<Tier>,
    /// The tokens that are accepted. Default: three [`demo_tokens`] of each default tier.
    pub tokens: Vec<SimToken>,
    /// How long a video takes, in seconds from its acceptance. Default 6.0. It is not done before its
    /// file is drawn, so a very small number means "as soon as the file is there".
    pub video_seconds: f64,
    /// Scheme and authority of the links to the files, such as `http://sim.example:9000`. Default: the
    /// address that is listened on.
    pub public_base: Option<String>,
    /// Whether a video is accepted before or after its create is answered.
    pub accept: AcceptMode,
    /// How long a create waits for its answer; a client that hangs up meanwhile stops nothing. Default 0.
    pub answer_delay: Duration,
    /// How the videos are drawn.
    pub render: Render,
    /// Bytes that each file is larger than what is drawn: a box at its end that players skip. Default 0.
    pub padding: usize,
    /// Where the time comes from. Default: the machine's clock.
    pub clock: SimClock,
    /// Whether creates of one token with the same `Idempotency-Key` make one video, in both dialects. Default
    /// false, as at xAI.
    pub honours_idempotency_keys: bool,
    /// Whether and how every answer tells what is left of the token's quota: `x-ratelimit-limit-requests`,
    /// `-remaining-requests` and `-reset-requests`, all of units. Default: not at all.
    pub limit_headers: Option<LimitHeaders>,
    /// How the OpenAI dialect deviates. Default: not at all.
    pub openai: OpenAiManners,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        let mut tokens = demo_tokens("basic", 3);
        tokens.extend(demo_tokens("super", 3));
        Self {
            tiers: vec![Tier::basic(), Tier::super_()],
            tokens,
            video_seconds: 6.0,
            public_base: None,
            accept: AcceptMode::BeforeAnswer,
            answer_delay: Duration::ZERO,
            render: Render::Full,
            padding: 0,
            clock: SimClock::system(),
            honours_idempotency_keys: false,
            limit_headers: None,
            openai: OpenAiManners::default(),
        }
    }
}

/// How it is told in how long there is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitHeaders {
    /// `90`
    Seconds,
    /// `1m30s`
    Spelled,
    /// As seconds since 1970.
    Epoch,
}

/// What servers of the OpenAI dialect do otherwise than OpenAI did. All false and zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenAiManners {
    /// Where files can be sent, JSON is refused with 415 (create, edits, extensions), as at vLLM-Omni.
    pub multipart_only: bool,
    /// `processing`, `succeeded` and `cancelled` in place of `in_progress`, `completed` and `failed`.
    pub odd_statuses: bool,
    /// `seconds` is a number in answers, not a text.
    pub numeric_seconds: bool,
    /// `/content` answers 302 to a signed link that needs no token.
    pub content_redirects: bool,
    /// What moderation withholds ends completed, with an `error` and no file, not failed.
    pub moderation_as_completed_with_error: bool,
    /// A video that was taken is listed so much later, in milliseconds. What was answered is known at once.
    pub listed_after_ms: u64,
}

/// Whether a create is answered when its video is already certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptMode {
    /// Accepted and billed, then answered.
    #[default]
    BeforeAnswer,
    /// Answered first; accepted and billed `delay` later. Until then the id is unknown (404).
    AfterAnswer {
        /// From the answer to the acceptance.
        delay: Duration,
    },
}

/// How the videos are drawn. Size and length are right in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Render {
    /// Twelve pictures a second.
    #[default]
    Full,
    /// Two pictures a second: for tests that want real pictures but not wait for them.
    Small,
    /// One flat colour, drawn in next to no time. Also what the others do without the feature `h264`.
    Flat,
}

/// A kind of account: what it delivers, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Its name, which tokens refer to.
    pub name: String,
    /// What it delivers: a resolution, and the longest video in seconds at that resolution. Whatever is
    /// asked beyond that is silently made smaller and shorter.
    pub delivers: Vec<(Resolution, u32)>,
    /// Units, and the rolling window in which they come back; `None` is unlimited.
    pub quota: Option<(u32, Duration)>,
    /// Units that a video costs.
    pub cost_per_video: u32,
    /// How many videos a token may have unfinished at once (429 beyond that); `None` is any number.
    pub max_in_flight: Option<u32>,
}

impl Tier {
    /// `basic` of the founding document: 480p and 6 s, 80 units in 20 h, 4 a video.
    #[must_use]
    pub fn basic() -> Self {
        Self {
            name: "basic".to_owned(),
            delivers: vec![(Resolution::P480, 6)],
            quota: Some((80, Duration::from_secs(20 * 3600))),
            cost_per_video: 4,
            max_in_flight: None,
        }
    }

    /// `super` of the founding document: up to 720p and 15 s, 140 units in 2 h, 4 a video.
    #[must_use]
    pub fn super_() -> Self {
        Self {
            name: "super".to_owned(),
            delivers: vec![(Resolution::P480, 15), (Resolution::P720, 15)],
            quota: Some((140, Duration::from_secs(2 * 3600))),
            cost_per_video: 4,
            max_in_flight: None,
        }
    }

    /// `official`, an account of the paid API: up to 1080p and 15 s, no quota.
    #[must_use]
    pub fn official() -> Self {
        Self {
            name: "official".to_owned(),
            delivers: Resolution::ALL.into_iter().map(|resolution| (resolution, 15)).collect(),
            quota: None,
            cost_per_video: 1,
            max_in_flight: None,
        }
    }

    /// What this tier makes of a wish: the largest resolution up to the one asked, and no longer than it
    /// can. A tier that has only larger ones gives its smallest.
    pub(crate) fn made_of(&self, resolution: Resolution, seconds: u32) -> (Resolution, u32) {
        let best = self.delivers.iter().filter(|(has, _)| *has <= resolution).max_by_key(|(has, _)| *has);
        let smallest = self.delivers.iter().min_by_key(|(has, _)| *has);
        best.or(smallest).map_or((resolution, seconds), |&(has, longest)| (has, seconds.min(longest)))
    }
}

/// A token that the simulator knows. Its secret never shows in Debug output or in a report.
#[derive(Clone, PartialEq, Eq)]
pub struct SimToken {
    /// What reports call it, such as `basic-1`; unique.
    pub name: String,
    /// What clients send as their bearer token; unique.
    pub secret: String,
    /// The name of its [`Tier`].
    pub tier: String,
}

impl fmt::Debug for SimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimToken").field("name", &self.name).field("tier", &self.tier).finish_non_exhaustive()
    }
}

/// `n` tokens of a tier, named `TIER-1` and so on.
///
/// They look like the JWTs of the real provider: long, and all with the same first characters. The same
/// tier and number always give the same secret, so a simulator that was restarted knows them again.
#[must_use]
pub fn demo_tokens(tier: &str, n: usize) -> Vec<SimToken> {
    (1..=n).map(|index| demo_token(tier, index)).collect()
}

fn demo_token(tier: &str, index: usize) -> SimToken {
    let name = format!("{tier}-{index}");
    let digest = |part: &str| Sha256::digest(format!("filmgate simulator {part} {name}"));
    let session = hex::encode(&digest("session")[..16]);
    let secret = format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode(format!(r#"{{"session_id":"{session}"}}"#)),
        URL_SAFE_NO_PAD.encode(digest("signature")),
    );
    SimToken { name, secret, tier: tier.to_owned() }
}

impl SimulatorConfig {
    /// What is wrong with this configuration, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if !self.video_seconds.is_finite() || self.video_seconds < 0.0 {
            return Some(format!("video_seconds must be zero or more, not {}", self.video_seconds));
        }
        let mut tiers = HashSet::new();
        for tier in &self.tiers {
            if tier.delivers.is_empty() {
                return Some(format!("tier {} delivers nothing", tier.name));
            }
            if !tiers.insert(tier.name.as_str()) {
                return Some(format!("tier {} stands there twice", tier.name));
            }
        }
        let (mut names, mut secrets) = (HashSet::new(), HashSet::new());
        for token in &self.tokens {
            if !tiers.contains(token.tier.as_str()) {
                return Some(format!("token {} has the unknown tier {}", token.name, token.tier));
            }
            if !names.insert(token.name.as_str()) || !secrets.insert(token.secret.as_str()) {
                return Some(format!("token {} stands there twice", token.name));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_tokens_look_like_jwts_and_stay_the_same() {
        let tokens = demo_tokens("basic", 3);
        assert_eq!(tokens, demo_tokens("basic", 3));
        for token in &tokens {
            assert!(token.secret.starts_with("eyJ0eXAiOi"), "{}", token.secret);
            assert_eq!(token.secret.split('.').count(), 3);
            assert!(token.secret.len() > 100);
            assert!(!format!("{token:?}").contains(&token.secret));
        }
        assert_ne!(tokens[0].secret, tokens[1].secret);
        assert_ne!(tokens[0].secret, demo_tokens("super", 1)[0].secret);
    }

    #[test]
    fn tiers_downgrade_as_the_founding_document_says() {
        use Resolution::{P480, P720, P1080};
        assert_eq!(Tier::basic().made_of(P720, 10), (P480, 6));
        assert_eq!(Tier::basic().made_of(P480, 4), (P480, 4));
        assert_eq!(Tier::super_().made_of(P720, 10), (P720, 10));
        assert_eq!(Tier::super_().made_of(P1080, 15), (P720, 15));
        assert_eq!(Tier::official().made_of(P1080, 15), (P1080, 15));
        let large = Tier { delivers: vec![(P1080, 8)], ..Tier::official() };
        assert_eq!(large.made_of(P480, 15), (P1080, 8));
    }

    #[test]
    fn problems_are_found() {
        assert_eq!(SimulatorConfig::default().problem(), None);
        let twice = [demo_tokens("basic", 1), demo_tokens("basic", 1)].concat();
        let problem = SimulatorConfig { tokens: twice, ..Default::default() }.problem();
        assert!(problem.is_some_and(|text| text.contains("basic-1")));
        let unknown = SimulatorConfig { tokens: demo_tokens("gold", 1), ..Default::default() };
        assert!(unknown.problem().is_some_and(|text| text.contains("gold")));
        assert!(SimulatorConfig { video_seconds: f64::NAN, ..Default::default() }.problem().is_some());
    }
}
