//! Which tokens the list shows: what stands in its address.

use filmgate_domain::Standing;
use filmgate_engine::{TokenFilter, TokenQuery, TokenSort};
use serde::{Deserialize, Serialize};

/// How many rows a page may have.
pub(super) const SIZES: [usize; 3] = [50, 100, 200];

/// The address of a list. What cannot be understood is as if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Params {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) pool: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) q: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) sort: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) dir: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) per: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) page: String,
}

/// The columns that can be sorted by, and their words.
pub(super) const SORTS: [(&str, TokenSort); 6] = [
    ("id", TokenSort::Id),
    ("left", TokenSort::Left),
    ("in_flight", TokenSort::InFlight),
    ("uses", TokenSort::Uses),
    ("fails", TokenSort::Fails),
    ("last_used", TokenSort::LastUsed),
];

impl Params {
    /// Of the part of an address after the `?`.
    pub(super) fn of_query(query: &str) -> Self {
        serde_html_form::from_str(query).unwrap_or_default()
    }

    /// As a part of an address.
    pub(super) fn query(&self) -> String {
        serde_html_form::to_string(self).unwrap_or_default()
    }

    /// The address of the list.
    pub(super) fn address(&self) -> String {
        let query = self.query();
        if query.is_empty() { "/admin/tokens".to_owned() } else { format!("/admin/tokens?{query}") }
    }

    pub(super) fn filter(&self) -> TokenFilter {
        TokenFilter {
            pool: self.pool.clone(),
            standings: Standing::under(&self.status).unwrap_or_default().to_vec(),
            tag: self.tag.trim().to_owned(),
            text: self.q.trim().to_owned(),
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filter() != TokenFilter::default()
    }

    /// Rows on a page.
    pub(super) fn size(&self) -> usize {
        self.per.parse().ok().filter(|size| SIZES.contains(size)).unwrap_or(SIZES[0])
    }

    /// Which page, from 1.
    pub(super) fn number(&self) -> usize {
        self.page.parse().unwrap_or(1).clamp(1, 1_000_000)
    }

    pub(super) fn sort(&self) -> (&'static str, TokenSort) {
        SORTS.into_iter().find(|(word, _)| *word == self.sort).unwrap_or(SORTS[0])
    }

    pub(super) fn is_descending(&self) -> bool {
        self.dir == "desc"
    }

    pub(super) fn engine_query(&self) -> TokenQuery {
        TokenQuery {
            filter: self.filter(),
            after: None,
            sort: self.sort().1,
            descending: self.is_descending(),
            skip: (self.number() - 1) * self.size(),
            take: self.size(),
        }
    }

    /// Another page of the same list.
    pub(super) fn at_page(&self, number: usize) -> Self {
        let page = if number == 1 { String::new() } else { number.to_string() };
        Self { page, ..self.clone() }
    }

    /// The same list sorted by this column: the other way round if it is already.
    pub(super) fn sorted_by(&self, word: &str) -> Self {
        let is_it = self.sort().0 == word;
        // Of figures the greatest are looked for, of ids the first.
        let descending = if is_it { !self.is_descending() } else { word != SORTS[0].0 };
        let dir = if descending { "desc" } else { "asc" }.to_owned();
        Self { sort: word.to_owned(), dir, page: String::new(), ..self.clone() }
    }

    /// The same list with another status.
    pub(super) fn with_status(&self, status: &str) -> Self {
        Self { status: status.to_owned(), page: String::new(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_and_nonsense_is_passed_over() {
        let params = Params::of_query("pool=ssoSuper&status=busy&q=a%20b&sort=left&dir=desc&per=200&page=3");
        assert_eq!(Params::of_query(&params.query()), params);
        assert_eq!((params.size(), params.number(), params.is_descending()), (200, 3, true));
        assert_eq!((params.engine_query().skip, params.filter().text), (400, "a b".to_owned()));
        let odd = Params::of_query("status=odd&per=7&page=-1&sort=secret&done=x");
        assert_eq!((odd.size(), odd.number(), odd.sort().0), (50, 1, "id"));
        assert!(!odd.is_filtered());
        assert_eq!(Params::default().address(), "/admin/tokens");
    }

    #[test]
    fn a_column_sorts_both_ways() {
        let by_left = Params::default().sorted_by("left");
        assert_eq!(by_left.address(), "/admin/tokens?sort=left&dir=desc");
        assert_eq!(by_left.sorted_by("left").address(), "/admin/tokens?sort=left&dir=asc");
        assert_eq!(Params::default().sorted_by("id").address(), "/admin/tokens?sort=id&dir=desc");
        assert_eq!(by_left.at_page(2).address(), "/admin/tokens?sort=left&dir=desc&page=2");
    }
}
