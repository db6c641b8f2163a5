//! The electronic Code of Federal Regulations: the text of a part or section on a day, and a search for passages.

pub(crate) mod search;
pub(crate) mod text;

use super::{Sources, json};
use crate::{ToolError, endpoints::below};
use serde_json::Value;
use tokio::time::Instant;
use vital_throttle::Limit;

/// The source states no figure; one a second on the average is what we allow ourselves.
pub(super) const RATE: Limit = Limit::a_minute("tools.ecfr", 60);
pub(super) const NAME: &str = "eCFR";
pub(super) const HOST: &str = "www.ecfr.gov";
pub(super) const LICENCE: &str =
    "Public domain: a work of the US government. The eCFR is brought up to date daily and is not the official legal edition";
/// Part of every text.
pub(super) const REMARK: &str = "The eCFR is not the official legal edition of the Code of Federal Regulations.";

/// Until which day a title of the Code is complete: the day that the source states for it.
pub(super) async fn up_to_date(sources: &Sources, title: u64, deadline: Instant) -> Result<String, ToolError> {
    let url = below(&sources.endpoints.ecfr, &["api", "versioner", "v1", "titles.json"]);
    let found = sources.json(url, &RATE, deadline).await?;
    if !found.get("titles").is_some_and(Value::is_array) {
        return Err(ToolError::unreadable("no titles"));
    }
    let entry = json::list(&found, "/titles").iter().find(|entry| json::number(entry, "/number") == Some(title));
    let entry = entry.ok_or_else(|| ToolError::domain(format!("the eCFR lists no title {title}")))?;
    if entry.get("reserved").and_then(Value::as_bool) == Some(true) {
        return Err(ToolError::domain(format!("title {title} is reserved and has no text")));
    }
    Some(json::text(entry, "/up_to_date_as_of")).filter(|day| is_day(day)).ok_or_else(|| ToolError::unreadable("no up_to_date_as_of"))
}

/// `2024-01-31`.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}

/// Where people read a place of the Code; `day` is `current` or `on/2024-01-31`.
pub(super) fn page(day: &str, title: u64, place: &str) -> String {
    format!("https://www.ecfr.gov/{day}/title-{title}/{place}")
}
