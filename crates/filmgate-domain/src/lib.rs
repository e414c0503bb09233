//! The pure core of filmgate: what a video is, which token makes it, and what became of it.
//!
//! Nothing here does I/O, waits, reads a clock or draws its own random numbers: time and chance are
//! arguments. So every rule can be tested as a table, and a whole day can be simulated in a second.
//!
//! ```
//! use filmgate_domain::*;
//! # use rand::SeedableRng as _;
//! # let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//! # let now = Timestamp::from_millis(0);
//! let catalog = Catalog::founding();
//! let mut manager = TokenManager::new(catalog, RoutingSettings::default());
//! manager.add(TokenInfo::new(TokenId(1), "ssoBasic", Secret::new("basic-token-0123456789"), now), now);
//! manager.add(TokenInfo::new(TokenId(2), "ssoSuper", Secret::new("super-token-0123456789"), now), now);
//!
//! let (token, reservation) =
//!     manager.token_for_video(Resolution::P720, Seconds::new(6).unwrap(), now, &mut rng).unwrap();
//! assert_eq!(&*token.pool, "ssoSuper");
//! manager.release(reservation, now);
//! ```

mod account;
mod books;
mod catalog;
mod clock;
mod decision;
mod delivery;
mod entry;
mod explain;
mod failure;
mod forecast;
mod glance;
mod ids;
mod input;
mod job;
mod lost_answer;
mod manager;
mod minute;
mod pool;
mod ranking;
mod rate_limit;
mod routing;
mod spec;
mod step;
mod token;
mod upkeep;
mod what_if;

pub use account::{Account, Balance, Booked, Ended, Period};
pub use books::{Books, Ledger, Standing};
pub use catalog::{Catalog, CatalogError, Model};
pub use clock::{Clock, Timestamp};
pub use decision::{Chosen, Decision, NoToken, PassedOver, Reason, TokenClass};
pub use delivery::{Delivered, Shortfall, Verdict};
pub use failure::{Cause, Certainty, Failure, Fault, JobFailure};
pub use forecast::{Coming, Forecast, HORIZON, PACE_OVER, Stock, pace};
pub use glance::PoolSummary;
pub use ids::{CallerId, JobId, KeyId, TokenId};
pub use input::{Input, Mode, Role, Source};
pub use job::{Attempt, Job, JobState, Outcome};
pub use lost_answer::LostAnswer;
pub use manager::{Grant, Reservation, Settlement, TokenManager};
pub use minute::{Course, Latency, Minute};
pub use pool::{Capability, Cost, Pool, Quota};
pub use rate_limit::RateLimit;
pub use routing::{Candidate, OnShortage, Route, RoutingLine, RoutingSettings, Undeliverable, Wanted};
pub use spec::{AspectRatio, Orientation, Resolution, Seconds, Shape, SpecError, VideoSpec};
pub use step::{Effects, Event, Next, Polled, Rules, step};
pub use token::{Blame, Secret, TokenInfo, TokenStatus};
pub use what_if::{Fate, Past, Policy, WhatIf, route_again};
