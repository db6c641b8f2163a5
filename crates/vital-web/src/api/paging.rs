//! Pages of lists: `{items, next_cursor}`, with a cursor that says behind which entry the next page begins.
//!
//! **Invariants:** a cursor is opaque, and counts for the list and the filter it came from; another one is refused. What is added while
//! somebody turns pages neither repeats nor hides an entry, because a cursor names an entry and not a number. A cursor is no secret and no
//! permission: every page is asked for with the caller's rights.

use crate::problem::Problem;
use axum::{
    extract::{FromRequestParts, RawQuery},
    http::request::Parts,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};
use vital_kernel::{Error, limits};

/// Bytes of the check in a cursor.
const CHECK_BYTES: usize = 8;
/// Longest cursor that is looked at, in characters.
const CURSOR_CHARS_MAX: usize = 512;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The entries.
    items: Vec<T>,
    /// Where the next page begins; none on the last page.
    next_cursor: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, and refuses others; they are read as `Paging`")]
pub(crate) struct PageParams {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    limit: Option<i64>,
}

/// Which page of which list, as a request asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Paging {
    /// Hash of the path and of every parameter but these two.
    list: [u8; 32],
    /// The entry that the page begins behind.
    after: Option<String>,
    /// At most so many entries, at least one.
    pub(crate) limit: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        Self::read(parts.uri.path(), query.as_deref().unwrap_or_default())
    }
}

impl Paging {
    fn read(path: &str, query: &str) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let given = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let limit = match given("limit") {
            None => limits::PAGE_SIZE,
            Some(text) => text.parse::<i64>().map_err(|_| Error::malformed("request.fields", "`limit` is a whole number."))?,
        };
        let mut hash = Sha256::new();
        hash.update(path);
        for (name, value) in pairs.iter().filter(|(name, _)| name != "cursor" && name != "limit") {
            hash.update(format!("\n{}:{name}={value}", name.len()));
        }
        let mut paging = Self { list: hash.finalize().into(), after: None, limit: limit.clamp(1, limits::PAGE_SIZE_MAX) };
        if let Some(cursor) = given("cursor") {
            paging.after = Some(paging.open(cursor).ok_or_else(foreign)?);
        }
        Ok(paging)
    }

    fn check(&self, entry: &[u8]) -> [u8; CHECK_BYTES] {
        let hash: [u8; 32] = Sha256::new().chain_update(self.list).chain_update(entry).finalize().into();
        std::array::from_fn(|i| hash[i])
    }

    fn cursor(&self, entry: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([&self.check(entry.as_bytes()), entry.as_bytes()].concat())
    }

    fn open(&self, cursor: &str) -> Option<String> {
        let bytes = Some(cursor).filter(|c| c.len() <= CURSOR_CHARS_MAX).and_then(|c| BASE64_URL_SAFE_NO_PAD.decode(c).ok())?;
        let (check, entry) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        (*check == self.check(entry)).then(|| String::from_utf8(entry.to_vec()).ok()).flatten()
    }

    /// The entry that the page begins behind.
    ///
    /// # Errors
    /// `Malformed` when the cursor names none.
    pub(crate) fn before<K: FromStr>(&self) -> Result<Option<K>, Problem> {
        self.after.as_deref().map(|key| key.parse().map_err(|_| foreign())).transpose()
    }

    /// The page that a verb found behind `before`, of at most `limit` entries.
    pub(crate) fn page<T, K: ToString>(&self, items: Vec<T>, key: impl Fn(&T) -> K) -> Listing<T> {
        let full = i64::try_from(items.len()).is_ok_and(|n| n >= self.limit);
        let next_cursor = items.last().filter(|_| full).map(|last| self.cursor(&key(last).to_string()));
        Listing { items, next_cursor }
    }

    /// A page of a list that is known as a whole. Where the entry that the page begins behind is gone, the page begins where that one stood.
    ///
    /// # Errors
    /// `Malformed` when the cursor names no place.
    pub(crate) fn page_of<T, K: ToString>(&self, mut items: Vec<T>, key: impl Fn(&T) -> K) -> Result<Listing<T>, Problem> {
        let start = match self.after.as_deref() {
            None => 0,
            Some(after) => {
                let (place, after) = after.split_once(' ').ok_or_else(foreign)?;
                let stood: usize = place.parse().map_err(|_| foreign())?;
                items.iter().position(|item| key(item).to_string() == after).map_or(stood, |at| at + 1).min(items.len())
            }
        };
        let rest = items.split_off(start);
        let left = rest.len();
        let items: Vec<T> = rest.into_iter().take(usize::try_from(self.limit).unwrap_or(usize::MAX)).collect();
        let more = items.len() < left;
        let next_cursor =
            items.last().filter(|_| more).map(|last| self.cursor(&format!("{} {}", start + items.len() - 1, key(last).to_string())));
        Ok(Listing { items, next_cursor })
    }
}

fn foreign() -> Problem {
    let detail = "This cursor is not one of this list with this filter. Begin at the first page, and keep the filter while turning pages.";
    Error::malformed("request.cursor", detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(all: &[u32], query: &str, meanwhile: impl Fn(usize, &mut Vec<u32>)) -> Vec<u32> {
        let (mut list, mut seen, mut query) = (all.to_vec(), Vec::new(), query.to_owned());
        let filter = query.clone();
        for page in 0.. {
            let listing = Paging::read("/list", &query).unwrap().page_of(list.clone(), |n| *n).unwrap();
            seen.extend(listing.items);
            let Some(next) = listing.next_cursor else { break };
            meanwhile(page, &mut list);
            query = format!("{filter}&cursor={next}");
        }
        seen
    }

    #[test]
    fn pages_together_are_the_list_whatever_is_added_meanwhile() {
        let all: Vec<u32> = (10..30).collect();
        for limit in [1, 3, 7, 20, 200] {
            assert_eq!(turned(&all, &format!("limit={limit}"), |_, _| {}), all, "{limit}");
        }
        let added = turned(&all, "limit=3", |page, list| list.insert(0, u32::try_from(page).unwrap()));
        assert_eq!(added, all, "what is added in front is not repeated and hides nothing");
        let removed = turned(&all, "limit=3", |_, list| list.retain(|n| *n != 12));
        assert_eq!(removed.iter().filter(|n| **n > 12).count(), 17, "behind an entry that is gone the list goes on: {removed:?}");
    }

    #[test]
    fn a_cursor_counts_for_its_list_and_filter_and_cannot_be_changed() {
        let paging = Paging::read("/list", "limit=1&kind=a").unwrap();
        let next = paging.page(vec![7, 8], |n| *n).next_cursor.unwrap();
        assert_eq!(Paging::read("/list", &format!("kind=a&limit=9&cursor={next}")).unwrap().before::<u32>().unwrap(), Some(8));
        let mut changed = next.clone().into_bytes();
        changed[5] = if changed[5] == b'A' { b'B' } else { b'A' };
        for (path, query) in [
            ("/list", format!("kind=b&cursor={next}")),
            ("/list", format!("cursor={next}")),
            ("/other", format!("kind=a&cursor={next}")),
            ("/list", format!("kind=a&cursor={}", String::from_utf8(changed).unwrap())),
            ("/list", "cursor=".to_owned()),
            ("/list", "cursor=%00".to_owned()),
            ("/list", format!("cursor={}", "A".repeat(10_000))),
        ] {
            assert_eq!(Paging::read(path, &query).unwrap_err().status(), 400, "{path}?{query}");
        }
        assert_eq!(Paging::read("/list", "limit=many").unwrap_err().status(), 400);
        assert_eq!(
            [0, -1, 7, 1_000_000].map(|n| Paging::read("/list", &format!("limit={n}")).unwrap().limit),
            [1, 1, 7, limits::PAGE_SIZE_MAX]
        );
    }

    #[test]
    fn a_page_that_is_not_full_is_the_last_one() {
        let paging = Paging::read("/list", "limit=2").unwrap();
        assert!(paging.page(vec![1], |n| *n).next_cursor.is_none());
        assert!(paging.page(Vec::<u32>::new(), |n| *n).next_cursor.is_none());
    }
}
