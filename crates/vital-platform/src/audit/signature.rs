//! The signature under a review: printed name, time and meaning (21 CFR 11.50), bound to its record by SHA-256 (21 CFR 11.70).
//!
//! **Invariant:** the hash is over one canonical text of everything the signer saw and wrote, who signed and as what. It is stored with the review
//! and named in the audit entry of the signing, so a later change of the record shows here, and a change of both shows in the chain.

use super::{Finding, Week, WorkingHours};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{TenantId, UserId, iso};

/// What signing a review means.
pub const MEANING: &str = "I have reviewed the activity of this week and judged each finding.";

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Signature {
    /// Who signed.
    #[schema(value_type = uuid::Uuid)]
    pub signer: UserId,
    /// Their name as it was then.
    pub name: String,
    /// When (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What it means.
    pub meaning: String,
    /// True where the signer is a subject of the review, because nobody else could sign.
    pub sole_reviewer: bool,
    /// SHA-256 of the canonical record, hexadecimal.
    pub record_hash: String,
    /// Whether the record is still the one that was signed.
    pub intact: bool,
}

/// What is signed.
pub(super) struct Record<'a> {
    pub tenant: TenantId,
    pub week: Week,
    pub span: (OffsetDateTime, OffsetDateTime),
    pub hours: &'a WorkingHours,
    pub entries: i64,
    pub findings: &'a [Finding],
    pub signer: UserId,
    pub name: &'a str,
    pub at: OffsetDateTime,
    pub meaning: &'a str,
    pub sole_reviewer: bool,
}

impl Record<'_> {
    /// SHA-256 of the canonical text: JSON of version 1 with its members in this order and times in UTC.
    pub fn hash(&self) -> [u8; 32] {
        let text = serde_json::json!([
            "vital activity review 1",
            self.tenant.0,
            self.week,
            [iso(self.span.0), iso(self.span.1)],
            [&self.hours.time_zone],
            [self.hours.from_hour, self.hours.to_hour],
            self.hours.weekdays,
            self.entries,
            self.findings.iter().map(finding).collect::<Vec<_>>(),
            [self.signer.0.to_string(), self.name.to_owned(), iso(self.at), self.meaning.to_owned()],
            self.sole_reviewer,
        ]);
        Sha256::digest(text.to_string()).into()
    }
}

fn finding(f: &Finding) -> serde_json::Value {
    serde_json::json!([
        f.n,
        f.kind.as_str(),
        f.subject.as_ref().map(|who| who.id.0),
        f.object,
        f.events,
        f.usual,
        iso(f.first_at),
        iso(f.last_at),
        f.verdict.map(super::Verdict::as_str),
        f.note,
    ])
}

#[cfg(test)]
mod tests {
    use super::{
        super::{FindingKind, Verdict},
        *,
    };
    use time::macros::datetime;

    fn findings() -> Vec<Finding> {
        let at = datetime!(2026-11-18 03:00 UTC);
        vec![Finding {
            n: 1,
            kind: FindingKind::OffHours,
            subject: None,
            object: None,
            object_name: None,
            events: 3,
            usual: None,
            first_at: at,
            last_at: at,
            verdict: Some(Verdict::Explained),
            note: Some("On call.".to_owned()),
        }]
    }

    #[test]
    fn whatever_changes_afterwards_changes_the_hash() {
        let (hours, signed, signer) = (WorkingHours::default(), findings(), UserId::new());
        let at = datetime!(2026-11-23 09:00 UTC);
        let record = |findings, name, meaning, sole_reviewer| {
            let week = "2026-W47".parse().unwrap();
            let tenant = TenantId(uuid::Uuid::nil());
            let record =
                Record { tenant, week, span: (at, at), hours: &hours, entries: 9, findings, signer, name, at, meaning, sole_reviewer };
            record.hash()
        };
        let original = record(&signed, "Ada", MEANING, false);
        let same = findings();
        assert_eq!(original, record(&same, "Ada", MEANING, false));
        let mut other = findings();
        other[0].note = Some("On call!".to_owned());
        let mut milder = findings();
        milder[0].verdict = Some(Verdict::FollowUp);
        for changed in [
            record(&other, "Ada", MEANING, false),
            record(&milder, "Ada", MEANING, false),
            record(&[], "Ada", MEANING, false),
            record(&signed, "Eve", MEANING, false),
            record(&signed, "Ada", "Seen.", false),
            record(&signed, "Ada", MEANING, true),
        ] {
            assert_ne!(original, changed);
        }
    }
}
