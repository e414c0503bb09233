//! What an operator sees of tokens: one, a page of those that match, all.
//!
//! Whoever looks goes through all tokens once, some thousand under the desk's lock at a time, and clones only what
//! is shown: videos pass meanwhile.

use std::sync::Arc;

use filmgate_domain::{Books, Job, Ledger, Standing, TokenId, TokenInfo};

use crate::Engine;

/// How many tokens are looked at before the desk is free for others: that takes some hundred microseconds.
const AT_ONCE: usize = 10_000;

/// A token and its books.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Everything known about it.
    pub info: TokenInfo,
    /// Units spent in the current window.
    pub spent: u32,
    /// Units reserved by jobs in flight.
    pub reserved: u32,
    /// Videos in flight, with those that the upstream may still be making.
    pub in_flight: u32,
    /// Units in a full window; `None` where its pool has no quota.
    pub granted: Option<u32>,
    /// Whether it can take a video.
    pub standing: Standing,
}

impl TokenView {
    fn of(books: Books<'_>) -> Self {
        let Books { info, spent, reserved, in_flight, granted, standing } = books;
        Self { info: info.clone(), spent, reserved, in_flight, granted, standing }
    }
}

/// Which tokens are meant. What is empty is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only those of this pool.
    pub pool: String,
    /// Only those that stand so, in one of these ways.
    pub standings: Vec<Standing>,
    /// Only those with this tag.
    pub tag: String,
    /// Only those with this in their id, note, tags or last failure, or whose shown first characters begin so.
    pub text: String,
}

/// In which order tokens are listed; equals by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSort {
    /// By id.
    #[default]
    Id,
    /// By the units that are left; those without a quota first.
    Left,
    /// By videos in flight.
    InFlight,
    /// By submissions taken.
    Uses,
    /// By refusals.
    Fails,
    /// By the last submission taken; those never used first.
    LastUsed,
}

/// Which page of which tokens.
#[derive(Clone, Debug, Default)]
pub struct TokenQuery {
    /// Which tokens.
    pub filter: TokenFilter,
    /// Only those with greater ids.
    pub after: Option<TokenId>,
    /// In which order.
    pub sort: TokenSort,
    /// The greatest first.
    pub descending: bool,
    /// How many to pass over.
    pub skip: usize,
    /// At most this many.
    pub take: usize,
}

/// A page of tokens, and how many there are.
#[derive(Clone, Debug)]
pub struct TokenPage {
    /// The page.
    pub tokens: Vec<TokenView>,
    /// All tokens that match.
    pub matching: usize,
    /// All tokens that there are.
    pub total: usize,
    /// Tokens by how they stand: those that match, however they stand. In the order of [`Standing::ALL`].
    pub standings: [usize; Standing::ALL.len()],
}

impl Engine {
    /// All tokens in the order of their ids.
    pub fn tokens(&self) -> Vec<TokenView> {
        let mut views = Vec::new();
        self.look_through(|books| views.push(TokenView::of(books)));
        views.sort_by_key(|view| view.info.id);
        views
    }

    /// A token; `None` when there is none, or it was removed.
    pub fn token(&self, id: TokenId) -> Option<TokenView> {
        let now = self.now();
        let mut desk = self.desk();
        desk.manager.advance(now);
        desk.manager.book(id).map(TokenView::of)
    }

    /// A token and its books in full.
    pub fn token_ledger(&self, id: TokenId) -> Option<(TokenView, Ledger)> {
        let now = self.now();
        let mut desk = self.desk();
        desk.manager.advance(now);
        let view = desk.manager.book(id).map(TokenView::of)?;
        Some((view, desk.manager.ledger(id)?))
    }

    /// The videos that a token is reserved for at the moment, oldest first.
    pub fn videos_of_token(&self, id: TokenId) -> Vec<Arc<Job>> {
        let has_it = |job: &Arc<Job>| {
            job.attempt().is_some_and(|attempt| attempt.token == id && attempt.settled_at.is_none())
        };
        let mut jobs: Vec<Arc<Job>> = self.unfinished().jobs().filter(has_it).collect();
        jobs.sort_by_key(|job| job.id);
        jobs
    }

    /// A page of the tokens that match.
    pub fn token_page(&self, query: &TokenQuery) -> TokenPage {
        let mut standings = [0; Standing::ALL.len()];
        let (mut total, mut found) = (0, Vec::new());
        self.look_through(|books| {
            total += 1;
            let after = query.after.is_none_or(|after| books.info.id > after);
            if after && query.filter.takes(books.info) {
                standings[Standing::ALL.iter().position(|s| *s == books.standing).unwrap_or(0)] += 1;
                if query.filter.stands(books.standing) {
                    found.push(query.place(books));
                }
            }
        });
        let matching = found.len();
        let ids = page(found, query.skip, query.take);
        TokenPage { tokens: self.views(&ids), matching, total, standings }
    }

    /// The ids of all tokens that match, smallest first.
    pub fn matching_tokens(&self, filter: &TokenFilter) -> Vec<TokenId> {
        let mut ids = Vec::new();
        self.look_through(|books| {
            if filter.stands(books.standing) && filter.takes(books.info) {
                ids.push(books.info.id);
            }
        });
        ids.sort_unstable();
        ids
    }

    /// The tokens with the smallest ids among those that are wanted.
    pub(crate) fn first_tokens(&self, take: usize, wanted: impl Fn(&TokenInfo) -> bool) -> Vec<TokenView> {
        let mut found = Vec::new();
        self.look_through(|books| {
            if wanted(books.info) {
                found.push((0, books.info.id));
            }
        });
        self.views(&page(found, 0, take))
    }

    /// Looks at every token, with the desk free for others in between.
    pub(crate) fn look_through(&self, mut look: impl FnMut(Books<'_>)) {
        let now = self.now();
        self.desk().manager.advance(now);
        for from in (0..).step_by(AT_ONCE) {
            let desk = self.desk();
            if from >= desk.manager.places() {
                return;
            }
            desk.manager.books_at(from..from + AT_ONCE).for_each(&mut look);
        }
    }

    /// Those of these tokens that are still there: the desk was free for a moment.
    fn views(&self, ids: &[TokenId]) -> Vec<TokenView> {
        let desk = self.desk();
        ids.iter().filter_map(|id| desk.manager.book(*id).map(TokenView::of)).collect()
    }
}

impl TokenFilter {
    fn stands(&self, standing: Standing) -> bool {
        self.standings.is_empty() || self.standings.contains(&standing)
    }

    /// Whether it asks for this token, however it stands.
    fn takes(&self, info: &TokenInfo) -> bool {
        (self.pool.is_empty() || self.pool == *info.pool)
            && (self.tag.is_empty() || info.tags.contains(&self.tag))
            && (self.text.is_empty() || says(info, &self.text))
    }
}

/// Whether something that is shown of a token has this text in it.
fn says(info: &TokenInfo, text: &str) -> bool {
    let number = text.strip_prefix("tok_").unwrap_or(text);
    // Nothing but what is shown: a search must not find out more of a secret.
    let beginning = text.trim_end_matches('.');
    number.parse() == Ok(info.id.0)
        || contains(&info.note, text)
        || info.tags.iter().any(|tag| contains(tag, text))
        || info.last_fail_reason.as_deref().is_some_and(|reason| contains(reason, text))
        || (!beginning.is_empty() && info.token.preview().starts_with(beginning))
}

/// Whether it is in there, in capital letters or not.
fn contains(text: &str, part: &str) -> bool {
    text.len() >= part.len()
        && text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

impl TokenQuery {
    /// Where a token stands in the list: smaller comes first, equals by their ids.
    fn place(&self, books: Books<'_>) -> (i64, TokenId) {
        let info = books.info;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let key = match self.sort {
            TokenSort::Id => info.id.0,
            TokenSort::Left => info.quota.map_or(-1, i64::from),
            TokenSort::InFlight => i64::from(books.in_flight),
            TokenSort::Uses => count(info.use_count),
            TokenSort::Fails => count(info.fail_count),
            TokenSort::LastUsed => info.last_used_at.map_or(-1, |at| at.as_millis()),
        };
        (if self.descending { -key } else { key }, info.id)
    }
}

/// The ids of one page. Only the page is put in order, not everything before and behind it.
fn page(mut found: Vec<(i64, TokenId)>, skip: usize, take: usize) -> Vec<TokenId> {
    if skip >= found.len() || take == 0 {
        return Vec::new();
    }
    if skip > 0 {
        found.select_nth_unstable(skip);
    }
    let rest = &mut found[skip..];
    if take < rest.len() {
        rest.select_nth_unstable(take);
    }
    let length = rest.len().min(take);
    let page = &mut rest[..length];
    page.sort_unstable();
    page.iter().map(|(_, id)| *id).collect()
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{Secret, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn info() -> TokenInfo {
        let secret = Secret::new("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.body.signature");
        let mut info = TokenInfo::new(TokenId(17), "ssoSuper", secret, Timestamp::from_millis(0));
        info.note = "Film department, 二号".to_owned();
        info.tags = vec!["eu".to_owned(), "Spare".to_owned()];
        info.last_fail_reason = Some("403 Forbidden: Account suspended".into());
        info
    }

    #[test]
    fn what_is_shown_can_be_searched_for() {
        for text in
            ["tok_17", "17", "film DEP", "二号", "spare", "suspended", "eyJ0", "eyJ0eXAiOi...", "eyJ0eXAiOi"]
        {
            assert!(says(&info(), text), "{text}");
        }
        for text in ["tok_1", "1", "7", "films", "eyJ0eXAiOiJKV1Qi", "...", "yJ0eX", "signature"] {
            assert!(!says(&info(), text), "{text}");
        }
    }

    #[test]
    fn every_part_of_a_filter_counts() {
        let all = TokenFilter::default();
        let filters = [
            (TokenFilter { pool: "ssoSuper".to_owned(), tag: "eu".to_owned(), ..all.clone() }, true),
            (TokenFilter { pool: "ssoBasic".to_owned(), ..all.clone() }, false),
            (TokenFilter { tag: "e".to_owned(), ..all.clone() }, false),
            (TokenFilter { text: "nobody".to_owned(), ..all.clone() }, false),
        ];
        for (filter, takes) in filters {
            assert_eq!(filter.takes(&info()), takes, "{filter:?}");
        }
        let busy = TokenFilter { standings: vec![Standing::Busy], ..all };
        assert!(busy.stands(Standing::Busy) && !busy.stands(Standing::Ready));
    }

    proptest! {
        #[test]
        fn a_page_is_a_part_of_the_sorted_list(
            keys in proptest::collection::vec(0..6i64, 0..60), skip in 0..70usize, take in 0..70usize,
        ) {
            let found: Vec<_> = (1..).zip(keys).map(|(id, key)| (key, TokenId(id))).collect();
            let mut sorted = found.clone();
            sorted.sort_unstable();
            let expected: Vec<_> = sorted.into_iter().skip(skip).take(take).map(|(_, id)| id).collect();
            prop_assert_eq!(page(found, skip, take), expected);
        }
    }
}
