//! The weekly review of activity (45 CFR 164.308(a)(1)(ii)(D)): what stood out, what a reviewer found, and the signature.
//!
//! **Invariants:** a signed review never changes; every finding of it has a verdict and a note. Nobody signs a week in which they are themselves a
//! finding, with one exception: where no other active reviewer exists. A review that nobody may sign would stay open for ever and hide the
//! next one, so it is signed, and says in its record and wherever it is shown that its signer is a subject of it.

use super::{
    Signature, Week, Who, WorkingHours,
    signature::{MEANING, Record},
    store,
};
use crate::{Platform, identity};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, UserId, limits, now};
use vital_store::TenantTx;

/// What stood out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An operator opened the organisation.
    BreakGlass,
    /// An operator gave an account or a key, which lasts.
    OperatorGrant,
    /// Somebody exported.
    Export,
    /// Somebody opened more documents within an hour than anybody reads.
    BulkRead,
    /// Somebody opened far more documents than in their own median week.
    UnusualVolume,
    /// Somebody was active outside the working hours.
    OffHours,
    /// Sign-in failed for many accounts within an hour.
    SignInSpray,
    /// Somebody became an administrator.
    AdminGranted,
}

impl FindingKind {
    const ALL: [Self; 8] = [
        Self::BreakGlass,
        Self::OperatorGrant,
        Self::Export,
        Self::BulkRead,
        Self::UnusualVolume,
        Self::OffHours,
        Self::SignInSpray,
        Self::AdminGranted,
    ];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BreakGlass => "break_glass",
            Self::OperatorGrant => "operator_grant",
            Self::Export => "export",
            Self::BulkRead => "bulk_read",
            Self::UnusualVolume => "unusual_volume",
            Self::OffHours => "off_hours",
            Self::SignInSpray => "sign_in_spray",
            Self::AdminGranted => "admin_granted",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == name).ok_or_else(|| Error::internal(format!("a finding of the kind `{name}`")))
    }
}

/// What a reviewer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReviewVerdict)]
pub enum Verdict {
    /// There is a good reason for it.
    Explained,
    /// Somebody has to go after it.
    FollowUp,
}

impl Verdict {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explained => "explained",
            Self::FollowUp => "follow_up",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        if name == Self::Explained.as_str() { Self::Explained } else { Self::FollowUp }
    }
}

impl std::str::FromStr for Verdict {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Explained, Self::FollowUp].into_iter().find(|v| v.as_str() == name).ok_or(())
    }
}

/// Something that stood out in a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// Its number in the review, from 1.
    pub n: i16,
    /// What it is.
    pub kind: FindingKind,
    /// Whose activity it is; none where nobody had proven who they are, or the platform acted.
    pub subject: Option<Who>,
    /// The opening, or the member who became an administrator or was given access.
    pub object: Option<Uuid>,
    /// The name of that member.
    pub object_name: Option<String>,
    /// How often it happened; documents in the case of reading, accounts in that of a spray.
    pub events: i64,
    /// The subject's own median week.
    pub usual: Option<i64>,
    /// When it began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub first_at: OffsetDateTime,
    /// When it ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
    /// What the reviewer found.
    pub verdict: Option<Verdict>,
    /// What the reviewer wrote.
    pub note: Option<String>,
}

/// A review in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewSummary {
    /// The week (ISO 8601), such as `2026-W47`.
    #[schema(value_type = String)]
    pub week: Week,
    /// When the week ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// How many entries of the trail it has.
    pub entries: i64,
    /// How many findings.
    pub findings: i64,
    /// How many of them somebody has to go after.
    pub follow_ups: i64,
    /// Who signed it, by the name of then.
    pub signer: Option<String>,
    /// When it was signed (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub signed_at: Option<OffsetDateTime>,
    /// Whether it has been waiting for its signature for too long.
    pub overdue: bool,
}

/// The review of a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Review {
    /// The week (ISO 8601), such as `2026-W47`.
    #[schema(value_type = String)]
    pub week: Week,
    /// When the week began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// When it ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// The working hours it was made with.
    pub hours: WorkingHours,
    /// How many entries of the trail it has.
    pub entries: i64,
    /// What stood out.
    pub findings: Vec<Finding>,
    /// The signature.
    pub signature: Option<Signature>,
    /// Whether it has been waiting for its signature for too long.
    pub overdue: bool,
}

/// What a reviewer says to a finding.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The number of the finding.
    pub finding: i16,
    /// What was found.
    pub verdict: Verdict,
    /// Why, in at most 2,000 characters.
    pub note: String,
}

/// Lists the reviews, newest first, from behind the week given.
///
/// # Errors
/// `Forbidden` without the permission to read the trail.
pub async fn reviews(p: &Platform, cx: &OpContext, before: Option<Week>, limit: i64) -> Result<Vec<ReviewSummary>> {
    cx.require(Permission::AuditRead)?;
    store::review::list(&mut p.db.read(cx).await?, before, limit.clamp(1, limits::PAGE_SIZE_MAX)).await
}

/// Counts the reviews that have been waiting for their signature for too long; none for whoever may not sign.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn overdue_reviews(p: &Platform, cx: &OpContext) -> Result<i64> {
    if !cx.may(Permission::ReviewSign) {
        return Ok(0);
    }
    store::review::overdue(&mut p.db.read(cx).await?, now() - limits::ACTIVITY_REVIEW).await
}

/// Reads the review of a week.
///
/// # Errors
/// `Forbidden` without the permission to read the trail; `NotFound` where the week has no review.
pub async fn review(p: &Platform, cx: &OpContext, week: Week) -> Result<Review> {
    cx.require(Permission::AuditRead)?;
    read(&mut p.db.read(cx).await?, cx, week).await
}

async fn read<M>(tx: &mut TenantTx<M>, cx: &OpContext, week: Week) -> Result<Review> {
    let row = store::review::find(tx, week).await?.ok_or_else(unknown)?;
    let findings = store::review::findings(tx, week).await?;
    let hours = WorkingHours { time_zone: row.time_zone, from_hour: row.from_hour, to_hour: row.to_hour, weekdays: row.weekdays };
    let signed = row.signed_by.zip(row.signer_name).zip(row.signed_at.zip(row.meaning)).zip(row.record_hash);
    let signature = signed.map(|(((signer, name), (at, meaning)), hash)| {
        let record = Record {
            tenant: cx.tenant(),
            week,
            span: (row.starts_at, row.ends_at),
            hours: &hours,
            entries: row.entries,
            findings: &findings,
            signer: UserId(signer),
            name: &name,
            at,
            meaning: &meaning,
            sole_reviewer: row.sole_reviewer,
        };
        let intact = record.hash().as_slice() == hash;
        Signature { signer: UserId(signer), name, at, meaning, sole_reviewer: row.sole_reviewer, record_hash: hex::encode(hash), intact }
    });
    let overdue = signature.is_none() && is_overdue(row.ends_at);
    Ok(Review { week, starts_at: row.starts_at, ends_at: row.ends_at, hours, entries: row.entries, findings, signature, overdue })
}

/// Signs the review of a week, with a verdict and a note for each of its findings.
///
/// # Errors
/// `Forbidden` without the permission or a recent proof of a second factor, for whoever is not a person of the organisation, and for a subject of
/// the review while somebody else could sign; `Invalid` with a pointer per finding; `Conflict` when it is signed already; `NotFound`.
pub async fn sign_review(p: &Platform, cx: &OpContext, week: Week, judgements: &[Judgement]) -> Result<Review> {
    cx.require(Permission::ReviewSign)?;
    cx.require_step_up()?;
    let signer = cx.require_user()?;
    let mut tx = p.db.write(cx).await?;
    if !store::review::lock_unsigned(&mut tx, week).await?.ok_or_else(unknown)? {
        return Err(Error::conflict(
            "review.signed",
            "This review is signed already, and what is signed does not change. Nothing was stored.",
        ));
    }
    let name = identity::person_in(&mut tx, signer).await?.ok_or_else(|| {
        Error::forbidden("review.not_yours", "A person of the organisation signs this, with their own name. Nothing was stored.")
    })?;
    let mut found = read(&mut tx, cx, week).await?;
    let sole_reviewer = concerns(&found.findings, signer);
    if sole_reviewer && another_could_sign(&mut tx, &found.findings, signer).await? {
        return Err(Error::forbidden(
            "review.own",
            "This week has findings about you, so somebody else who reviews signs it. Nothing was stored; ask another administrator or auditor.",
        ));
    }
    judge(&mut found.findings, judgements)?;
    let at = now();
    let record = Record {
        tenant: cx.tenant(),
        week,
        span: (found.starts_at, found.ends_at),
        hours: &found.hours,
        entries: found.entries,
        findings: &found.findings,
        signer,
        name: &name,
        at,
        meaning: MEANING,
        sole_reviewer,
    };
    let hash = record.hash();
    store::review::set_judgements(&mut tx, week, &found.findings).await?;
    store::review::sign(&mut tx, week, &store::review::Signing { signer, name: &name, at, meaning: MEANING, sole_reviewer, hash: &hash })
        .await?;
    let signed = read(&mut tx, cx, week).await?;
    // The hash stands in the entry too, so that the chain over the entries vouches for the signed record.
    let entry = AuditEntry::about(AuditAction::ReviewSigned, "review", [week.to_string(), hex::encode(hash)]);
    tx.commit(entry.fields(&["verdicts", "notes", "signature"])).await?;
    Ok(signed)
}

/// Whether findings are about a person: their activity, or the role or access they were given.
fn concerns(findings: &[Finding], person: UserId) -> bool {
    findings.iter().any(|f| {
        let given = matches!(f.kind, FindingKind::AdminGranted | FindingKind::OperatorGrant);
        f.subject.as_ref().is_some_and(|who| who.id == person) || given && f.object == Some(person.0)
    })
}

async fn another_could_sign<M>(tx: &mut TenantTx<M>, findings: &[Finding], signer: UserId) -> Result<bool> {
    let roles: Vec<&str> = Permission::ReviewSign.holders().iter().map(|r| r.as_str()).collect();
    let reviewers = store::review::active_with_roles(tx, &roles).await?;
    Ok(reviewers.into_iter().any(|other| other != signer && !concerns(findings, other)))
}

/// Puts a verdict and a note to each finding.
fn judge(findings: &mut [Finding], judgements: &[Judgement]) -> Result<()> {
    let mut error = Error::invalid("review.judgements", "Each finding needs a verdict and a note before you can sign. Nothing was stored.");
    for finding in findings.iter_mut() {
        let Some(given) = judgements.iter().find(|j| j.finding == finding.n) else {
            error = error.with_field(format!("/judgements/{}", finding.n), "Choose a verdict and write a note.");
            continue;
        };
        let note = given.note.trim();
        if note.is_empty() || note.chars().count() > limits::REVIEW_NOTE_CHARS_MAX {
            let text = format!("Write what you found, in at most {} characters.", limits::REVIEW_NOTE_CHARS_MAX);
            error = error.with_field(format!("/judgements/{}", finding.n), text);
        }
        (finding.verdict, finding.note) = (Some(given.verdict), Some(note.to_owned()));
    }
    for unknown in judgements.iter().filter(|j| !findings.iter().any(|f| f.n == j.finding)) {
        error = error.with_field(format!("/judgements/{}", unknown.finding), "The review has no such finding.");
    }
    if error.fields().is_empty() { Ok(()) } else { Err(error) }
}

pub(super) fn is_overdue(week_end: OffsetDateTime) -> bool {
    now() - week_end > limits::ACTIVITY_REVIEW
}

fn unknown() -> Error {
    Error::not_found("review.unknown", "There is no review of this week: it has not ended yet, or nothing had been recorded by then.")
}
