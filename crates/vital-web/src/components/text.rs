//! Small pieces of text: times, sizes, plurals, links.

use maud::{Markup, html};
use time::OffsetDateTime;
use vital_kernel::{iso, now};

/// How long ago something was, with the exact time behind it.
pub(crate) fn ago(at: OffsetDateTime) -> Markup {
    let exact = iso(at.replace_nanosecond(0).unwrap_or(at));
    html! { time datetime=(exact) title=(exact) { (distance(now() - at)) } }
}

/// A moment, exactly.
pub(crate) fn moment(at: OffsetDateTime) -> Markup {
    let exact = iso(at.replace_nanosecond(0).unwrap_or(at));
    html! { time datetime=(exact) { (exact.replace('T', " ").replace('Z', " UTC")) } }
}

/// The day of a moment.
pub(crate) fn day(at: OffsetDateTime) -> Markup {
    let exact = iso(at.replace_nanosecond(0).unwrap_or(at));
    html! { time datetime=(exact) title=(exact) { (exact.split('T').next().unwrap_or_default()) } }
}

fn distance(past: time::Duration) -> String {
    match past.whole_minutes() {
        ..=0 => "just now".to_owned(),
        m @ 1..=59 => format!("{m} min ago"),
        m @ 60..=1_439 => format!("{} h ago", m / 60),
        m @ 1_440..=43_199 => format!("{} ago", count(m / 1_440, "day", "days")),
        m => format!("{} ago", count(m / 43_200, "month", "months")),
    }
}

/// A sentence of the platform, in which what stands between backticks is code.
pub(crate) fn worded(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // Without a partner, a backtick is a letter like others.
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! { @for (i, part) in parts.into_iter().enumerate() { @if i % 2 == 0 { (part) } @else { code { (part) } } } }
}

/// A number with its noun.
pub(crate) fn count(n: i64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A size for people, in binary units.
pub(crate) fn size(bytes: i64) -> String {
    const KIB: i64 = 1_024;
    match bytes {
        ..KIB => format!("{bytes} B"),
        b if b < KIB * KIB => format!("{} KiB", b / KIB),
        b if b % (KIB * KIB) == 0 => format!("{} MiB", b / (KIB * KIB)),
        b => format!("{}.{} MiB", b / (KIB * KIB), b % (KIB * KIB) * 10 / (KIB * KIB)),
    }
}

/// A share as whole percent.
pub(crate) fn percent(share: f32) -> String {
    // Half a percent goes up, as in `assets/stream.js`; formatting alone would round it to even.
    format!("{:.0} %", (share.clamp(0.0, 1.0) * 100.0).round())
}

/// An address with a query, encoded.
pub(crate) fn link_with(path: &str, query: &[(&str, &str)]) -> String {
    let given: Vec<_> = query.iter().filter(|(_, v)| !v.is_empty()).collect();
    if given.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", serde_urlencoded::to_string(given).unwrap_or_default())
}

/// Whose word it is, for people.
pub(crate) fn authority(name: &str) -> &str {
    match name {
        "own" => "own document",
        "regulator" => "regulator",
        "standards-body" => "standards body",
        "professional-body" => "professional body",
        "peer-reviewed" => "peer-reviewed",
        "institution" => "institution",
        "calculated" => "calculated here",
        "industry" => "industry",
        "other" => "other",
        "tool-server" => "tool server",
        other => other,
    }
}

/// A bar for a share from 0 to 1; the number stands beside it as text.
pub(crate) fn bar(share: f32) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.bar-all width="100" height="6" {}
            rect.bar-part width=(width) height="6" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_sizes_read_well() {
        assert_eq!(distance(time::Duration::seconds(-5)), "just now");
        assert_eq!(distance(time::Duration::minutes(59)), "59 min ago");
        assert_eq!(distance(time::Duration::hours(25)), "1 day ago");
        assert_eq!(distance(time::Duration::days(70)), "2 months ago");
        assert_eq!(
            [size(900), size(348_120), size(5 * 1_024 * 1_024 + 600_000), size(50 * 1_024 * 1_024)],
            ["900 B", "339 KiB", "5.5 MiB", "50 MiB"]
        );
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(worded("Begin with `<https>`, please.").into_string(), "Begin with <code>&lt;https&gt;</code>, please.");
        assert_eq!(worded("One ` alone").into_string(), "One ` alone");
    }

    #[test]
    fn links_encode_what_they_carry() {
        assert_eq!(link_with("/", &[("question", "50 % & more?"), ("expert", "")]), "/?question=50+%25+%26+more%3F");
        assert_eq!(link_with("/", &[]), "/");
    }
}
