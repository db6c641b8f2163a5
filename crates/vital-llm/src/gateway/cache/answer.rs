//! A kept answer as bytes: JSON with the moment until which it counts, its pieces in their order and the tokens that were reported.

use crate::{Delta, StopReason, TokenUsage};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;

/// The form of these bytes. Others are passed over.
const FORM: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    form: u8,
    /// Seconds since 1970.
    until: i64,
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Serialize, Deserialize)]
enum Item<'a> {
    #[serde(rename = "t", borrow)]
    Text(std::borrow::Cow<'a, str>),
    #[serde(rename = "u")]
    Usage(TokenUsage),
}

/// Writes an answer that the model ended itself; none for anything else.
pub(super) fn written(items: &[Delta], until: OffsetDateTime) -> Option<Vec<u8>> {
    let Some((Delta::Stop(StopReason::EndTurn), items)) = items.split_last() else { return None };
    let item = |delta: &'_ Delta| match delta {
        Delta::Text(text) => Some(Item::Text(text.clone().into())),
        Delta::Usage(usage) => Some(Item::Usage(*usage)),
        _ => None,
    };
    let items = items.iter().map(item).collect::<Option<_>>()?;
    serde_json::to_vec(&Written { form: FORM, until: until.unix_timestamp(), items }).ok()
}

/// Reads an answer that counts now and longer than `keep_for` from now on for nobody.
pub(super) fn read(bytes: &[u8], now: OffsetDateTime, keep_for: Duration) -> Option<Arc<[Delta]>> {
    let written: Written<'_> = serde_json::from_slice(bytes).ok()?;
    let (from, latest) = (now.unix_timestamp(), (now + keep_for).unix_timestamp().saturating_add(1));
    if written.form != FORM || written.until <= from || written.until > latest {
        return None;
    }
    let deltas = written.items.into_iter().map(|item| match item {
        Item::Text(text) => Delta::Text(text.into_owned()),
        Item::Usage(usage) => Delta::Usage(usage),
    });
    Some(deltas.chain([Delta::Stop(StopReason::EndTurn)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 9:00 UTC);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn answer() -> Vec<Delta> {
        let usage = TokenUsage { input: 3, output: 2, ..TokenUsage::default() };
        vec![Delta::Text("a \"b\"\n".into()), Delta::Text("\u{1F9EA}".into()), Delta::Usage(usage), Delta::Stop(StopReason::EndTurn)]
    }

    #[test]
    fn an_answer_is_read_as_it_was_written_until_its_time_is_over() {
        let bytes = written(&answer(), NOW + HOUR).unwrap();
        assert_eq!(read(&bytes, NOW, HOUR).unwrap().as_ref(), answer());
        assert!(read(&bytes, NOW + HOUR, HOUR).is_none(), "its time is over");
        assert!(read(&bytes, NOW, HOUR / 2).is_none(), "kept longer than is allowed now");
        assert!(written(&answer()[..2], NOW).is_none(), "without an end");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            assert!(read(&bytes, NOW, HOUR).is_none());
        }
    }
}
