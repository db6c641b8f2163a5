//! What a document is worth as evidence and whether it still holds: level, authority, dates, status. Rules of the platform say it first, people correct it.
//!
//! **Invariant:** what holds no longer is no evidence for a new answer. The one test is made by the statement that reads passages
//! (`store::evidence`): within its effective dates, and neither retracted nor withdrawn; what is superseded holds until the end it was given.

use super::{store, unknown};
use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_documents::{BlockKind, Parsed};
use vital_kernel::{DocumentId, Error, OpContext, Permission, Result, now};
use vital_store::{TenantTx, Write};

/// Successors that are followed before a chain counts as endless.
const SUCCESSORS_MAX: usize = 32;
/// Bytes at the start of a text that the rules look at: title, abstract and what stands on a first page.
const LOOKED_AT: usize = 4_000;

/// Whose word a document can be.
pub const AUTHORITIES: [&str; 8] =
    ["regulator", "standards-body", "peer-reviewed", "professional-body", "institution", "industry", "other", "own"];

/// Whether a document still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DocumentStatus)]
pub enum Status {
    /// It holds.
    #[default]
    Current,
    /// Another document took its place. It holds until the end it was given, or until today.
    Superseded,
    /// Its publisher took it back because it is wrong.
    Retracted,
    /// Who issued it no longer stands by it.
    Withdrawn,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Current, Self::Superseded, Self::Retracted, Self::Withdrawn];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Retracted => "retracted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|s| s.as_str() == name).unwrap_or_default()
    }
}

/// Dates as `2026-11-23`.
pub mod day {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use time::{Date, format_description::StaticFormatDescription, macros::format_description};

    const FORMAT: StaticFormatDescription = format_description!("[year]-[month]-[day]");

    /// Reads a date.
    ///
    /// # Errors
    /// The text is no date of this form.
    pub fn parse(text: &str) -> Result<Date, time::error::Parse> {
        Date::parse(text, FORMAT)
    }

    /// Writes a date.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(date: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => to.collect_str(date),
            None => to.serialize_none(),
        }
    }

    /// Reads a date, or its absence.
    ///
    /// # Errors
    /// The value is no date of this form.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse(&text).map_err(|_| D::Error::custom("a date is written like 2026-11-23"))).transpose()
    }
}

/// What a document is worth and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appraisal {
    /// Whose word it is: `regulator`, `standards-body`, `peer-reviewed`, `professional-body`, `institution`, `industry`, `other`, `own`.
    pub authority: String,
    /// Level of evidence by the Oxford Centre for Evidence-Based Medicine (2011), 1 (systematic review) to 5 (reasoning from mechanism or opinion);
    /// none for what reports no findings, such as a regulation.
    #[schema(minimum = 1, maximum = 5)]
    pub level: Option<u8>,
    /// When it was issued.
    #[serde(default, with = "day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub issued_on: Option<Date>,
    /// Whether it still holds.
    pub status: Status,
    /// The first day on which it holds.
    #[serde(default, with = "day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub effective_from: Option<Date>,
    /// The first day on which it no longer holds.
    #[serde(default, with = "day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub effective_until: Option<Date>,
    /// The document that took its place, where it is superseded and that is here.
    #[serde(default)]
    pub superseded_by: Option<Uuid>,
}

impl Appraisal {
    /// Holds the values against the rules that need no other document.
    fn checked(self) -> Result<Self> {
        let wrong = |pointer: &str, says: &str| {
            Err(Error::invalid("appraisal.invalid", format!("{says} Nothing was changed.")).with_field(pointer.to_owned(), says.to_owned()))
        };
        if !AUTHORITIES.contains(&self.authority.as_str()) {
            return wrong(
                "/authority",
                "The authority is one of regulator, standards-body, peer-reviewed, professional-body, institution, industry, other and own.",
            );
        }
        if self.level.is_some_and(|l| !(1..=5).contains(&l)) {
            return wrong("/level", "A level of evidence is 1, 2, 3, 4 or 5.");
        }
        if self.effective_from.zip(self.effective_until).is_some_and(|(from, until)| from >= until) {
            return wrong("/effective_until", "The day on which it ends comes after the day on which it begins.");
        }
        if self.superseded_by.is_some() && self.status != Status::Superseded {
            return wrong("/superseded_by", "Only a superseded document has a successor.");
        }
        let ends = |appraisal: &Self| appraisal.status == Status::Superseded && appraisal.effective_until.is_none();
        Ok(if ends(&self) {
            Self { effective_until: Some(now().date()), effective_from: self.effective_from.filter(|from| *from < now().date()), ..self }
        } else {
            self
        })
    }
}

/// What an appraisal changed.
pub(crate) struct Reappraised {
    pub was: Status,
    pub is: Status,
}

/// Appraises a document within a transaction.
///
/// # Errors
/// `NotFound` for a document or successor that the caller cannot read; `Forbidden` for what somebody else added, without managing documents; `Invalid` for
/// values that contradict each other, a successor that is the document itself or leads back to it.
pub(crate) async fn appraise(tx: &mut TenantTx<Write>, cx: &OpContext, id: DocumentId, appraisal: Appraisal) -> Result<Reappraised> {
    cx.require(Permission::DocumentWrite)?;
    store::lock_visible(tx, id).await?.ok_or_else(unknown)?;
    let present = store::document(tx, id).await?.ok_or_else(unknown)?;
    tx.expect_unchanged(&present)?;
    if !present.yours && !cx.may(Permission::DocumentManage) {
        return Err(Error::forbidden(
            "document.not_yours",
            "Somebody else added this document, so it is not yours to appraise. Nothing was changed; ask whoever added it, or an administrator of your organisation.",
        ));
    }
    let appraisal = appraisal.checked()?;
    if let Some(successor) = appraisal.superseded_by {
        check_successor(tx, id, successor).await?;
    }
    store::appraisal::set(tx, id, &appraisal).await?;
    Ok(Reappraised { was: present.appraisal.status, is: appraisal.status })
}

/// A successor exists, is to be seen, and its own successors do not lead back.
async fn check_successor(tx: &mut TenantTx<Write>, id: DocumentId, successor: Uuid) -> Result<()> {
    let wrong = |says: &str| {
        Err(Error::invalid("appraisal.successor", format!("{says} Nothing was changed.")).with_field("/superseded_by", says.to_owned()))
    };
    if store::document(tx, DocumentId(successor)).await?.is_none() {
        return wrong("There is no such document, or it is not yours to see.");
    }
    let mut next = Some(successor);
    for _ in 0..SUCCESSORS_MAX {
        match next {
            None => return Ok(()),
            Some(found) if found == id.0 => return wrong("A document cannot be superseded by itself, not over others either."),
            Some(found) => next = store::appraisal::successor(tx, DocumentId(found)).await?,
        }
    }
    wrong("The chain of successors is too long.")
}

/// What the rules say of a text that was read: level and date of issue. They speak only where the text says so itself.
pub(super) fn by_rules(parsed: &Parsed, title: &str) -> (Option<u8>, Option<Date>) {
    let head = parsed.text.get(..parsed.text.floor_char_boundary(LOOKED_AT)).unwrap_or(&parsed.text);
    let headings = parsed.blocks.iter().filter(|b| matches!(b.kind, BlockKind::Heading { .. }) && b.end <= head.len());
    let headings: String = headings.filter_map(|b| parsed.text.get(b.start..b.end)).collect::<Vec<_>>().join("\n");
    (level_of(&format!("{title}\n{headings}").to_lowercase(), &head.to_lowercase()), issued_on(head))
}

/// The level by the design that title or headings name, and else by how a report of findings describes its own design.
fn level_of(title: &str, head: &str) -> Option<u8> {
    const BY_TITLE: [(u8, &[&str]); 4] = [
        (1, &["systematic review", "meta-analysis", "meta analysis", "metaanalysis"]),
        (2, &["randomized", "randomised", "controlled trial"]),
        (3, &["cohort", "non-randomized", "non-randomised", "nonrandomized", "follow-up study", "registry study"]),
        (4, &["case-control", "case control", "case series", "case report", "cross-sectional"]),
    ];
    const BY_DESIGN: [(u8, &[&str]); 4] = [
        (
            1,
            &[
                "we conducted a systematic review",
                "we performed a systematic review",
                "we performed a meta-analysis",
                "we conducted a meta-analysis",
            ],
        ),
        (
            2,
            &[
                "were randomly assigned",
                "were randomized to",
                "were randomised to",
                "double-blind, placebo-controlled",
                "we randomly assigned",
            ],
        ),
        (3, &["prospective cohort", "retrospective cohort", "in this cohort study"]),
        (4, &["in this case-control study", "we report a case", "case series of"]),
    ];
    // A text about a method, such as a guidance on controlled trials, describes no participants of its own.
    let reports =
        ["participants", "patients", "subjects", "studies were included", "we included", "we report"].iter().any(|w| head.contains(w))
            && ["results", "findings", "conclusion"].iter().any(|w| head.contains(w));
    let named =
        |rules: &[(u8, &[&str])], text: &str| rules.iter().find(|(_, words)| words.iter().any(|w| text.contains(w))).map(|(l, _)| *l);
    reports
        .then(|| named(&BY_TITLE, title).or_else(|| named(&BY_DESIGN, head)).or_else(|| title.contains("editorial").then_some(5)))
        .flatten()
}

/// The date after a word that says that it is the date of issue.
fn issued_on(head: &str) -> Option<Date> {
    const WORDS: [&str; 9] = [
        "issued on",
        "document issued on",
        "date of issue",
        "issued:",
        "published:",
        "published online",
        "publication date",
        "date:",
        "effective date",
    ];
    // Lower-casing ASCII alone keeps the offsets.
    let lower = head.to_ascii_lowercase();
    WORDS.iter().find_map(|word| {
        let at = lower.find(word)? + word.len();
        let rest = head.get(at..)?;
        date_at(rest.trim_start_matches([' ', ':', '|', '\n']))
    })
}

/// A date at the beginning of a text: `2026-11-23`, `23 November 2026` or `November 23, 2026`.
fn date_at(text: &str) -> Option<Date> {
    if let Some(date) = text.get(..10).and_then(|iso| day::parse(iso).ok()) {
        return Some(date);
    }
    let words: Vec<&str> = text.split([' ', ',', '\n', '.']).filter(|w| !w.is_empty()).take(3).collect();
    let [a, b, year] = words[..] else { return None };
    let year: i32 = year.get(..4)?.parse().ok().filter(|y| (1900..2200).contains(y))?;
    let (day, month) = match month_of(a) {
        Some(month) => (b.parse().ok()?, month),
        None => (a.parse().ok()?, month_of(b)?),
    };
    Date::from_calendar_date(year, month, day).ok()
}

fn month_of(name: &str) -> Option<time::Month> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = name.to_ascii_lowercase();
    let at = NAMES.iter().position(|n| name.starts_with(n) && name.len() >= 3)?;
    time::Month::try_from(u8::try_from(at + 1).ok()?).ok()
}

/// The factor that an appraisal puts on a retrieval score: small, so that it decides between passages that say the same and never lifts what says nothing.
pub(super) fn weight(authority: &str, level: Option<u8>) -> f32 {
    let by_level = match level {
        Some(1) => 1.03,
        Some(2) => 1.02,
        Some(3) => 1.01,
        Some(5) => 0.98,
        _ => 1.0,
    };
    let by_authority = match authority {
        "regulator" | "standards-body" => 1.01,
        "industry" | "other" => 0.98,
        _ => 1.0,
    };
    by_level * by_authority
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;
    use vital_documents::ParseLimits;

    fn rules(title: &str, text: &str) -> (Option<u8>, Option<Date>) {
        by_rules(&vital_documents::parse("a.md", text.as_bytes(), &ParseLimits::default()).unwrap(), title)
    }

    #[test]
    fn the_design_that_a_report_names_gives_its_level() {
        let report = "Results: 40 patients took part. Conclusion: it helped.";
        for (title, level) in [
            ("Aspirin after stroke: a systematic review and meta-analysis", Some(1)),
            ("A randomised trial of aspirin", Some(2)),
            ("Outcomes in a national cohort", Some(3)),
            ("Rash after aspirin: a case report", Some(4)),
            ("Aspirin", None),
        ] {
            assert_eq!(rules(title, report).0, level, "{title}");
        }
        assert_eq!(rules("Aspirin", "Patients were randomly assigned to two groups. Results: none.").0, Some(2));
    }

    #[test]
    fn a_text_about_a_method_has_no_level() {
        assert_eq!(rules("Guidance on randomised controlled trials", "Sponsors should state the estimand.").0, None);
    }

    #[test]
    fn the_date_of_issue_is_read_where_the_text_says_so() {
        assert_eq!(rules("x", "Document issued on 12 March 2024. Patients.").1, Some(date!(2024 - 03 - 12)));
        assert_eq!(rules("x", "Document issued on: September 27, 2023.").1, Some(date!(2023 - 09 - 27)));
        assert_eq!(rules("x", "Date: 2021-05-26").1, Some(date!(2021 - 05 - 26)));
        for none in ["The 12 March 2024 meeting was long.", "Date: soon", "Issued: 31 February 2024", "Date: 5 6 2020"] {
            assert_eq!(rules("x", none).1, None, "{none}");
        }
    }

    #[test]
    fn values_that_contradict_each_other_are_refused_with_their_field() {
        let fine = Appraisal {
            authority: "regulator".to_owned(),
            level: None,
            issued_on: None,
            status: Status::Current,
            effective_from: None,
            effective_until: None,
            superseded_by: None,
        };
        assert!(fine.clone().checked().is_ok());
        let wrong = [
            Appraisal { authority: "god".to_owned(), ..fine.clone() },
            Appraisal { level: Some(0), ..fine.clone() },
            Appraisal { level: Some(6), ..fine.clone() },
            Appraisal { effective_from: Some(date!(2026 - 01 - 02)), effective_until: Some(date!(2026 - 01 - 02)), ..fine.clone() },
            Appraisal { superseded_by: Some(Uuid::nil()), ..fine },
        ];
        for appraisal in wrong {
            assert_eq!(appraisal.clone().checked().unwrap_err().code(), "appraisal.invalid", "{appraisal:?}");
        }
    }
}
