//! The trail: what everybody did, who saw a document, what is recorded about oneself, and the weekly reviews.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vital_kernel::{DocumentId, Error, RequestId, limits};
use vital_platform::audit::{
    self, DownloadFormat, Entry, Judgement, OperatorAccess, Review, ReviewSummary, Sighting, Verification, Week, WorkingHours,
};

/// Which entries to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only of this actor: an id, or a part of the name or address of members.
    pub(crate) who: Option<String>,
    /// Only of this action, such as `document.read`, or of this group of actions, such as `reading`.
    pub(crate) action: Option<String>,
    /// Only about this kind of object, such as `document`.
    pub(crate) resource: Option<String>,
    /// Only about the object with this id.
    pub(crate) object: Option<String>,
    /// Only of this request.
    pub(crate) request: Option<String>,
    /// Only from this day (UTC) or moment (RFC 3339) on.
    pub(crate) since: Option<String>,
    /// Only up to this day (UTC, all of it) or before this moment (RFC 3339).
    pub(crate) until: Option<String>,
    /// `next_cursor` of the page before.
    #[expect(dead_code, reason = "read as `Paging`")]
    pub(crate) cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    pub(crate) limit: Option<i64>,
    /// Where the page of the explorer begins: the last id of the page before.
    #[param(ignore)]
    pub(crate) before: Option<Uuid>,
}

impl Filter {
    /// The filter of the verb.
    ///
    /// # Errors
    /// `Invalid` with a pointer to what cannot be read.
    pub(crate) fn read(&self) -> vital_kernel::Result<audit::Filter> {
        let given = |field: &Option<String>| field.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let request = given(&self.request).map(|id| {
            id.parse::<RequestId>().map_err(|_| {
                Error::invalid("audit.request", "This is no id of a request.").with_field("/request", "Paste the whole id of the request.")
            })
        });
        Ok(audit::Filter {
            who: given(&self.who),
            action: given(&self.action),
            resource: given(&self.resource),
            object: given(&self.object),
            request: request.transpose()?,
            since: audit::moment_of(self.since.as_deref().unwrap_or_default(), "/since", false)?,
            until: audit::moment_of(self.until.as_deref().unwrap_or_default(), "/until", true)?,
            before: self.before,
            limit: self.limit.unwrap_or(limits::PAGE_SIZE).clamp(1, limits::PAGE_SIZE_MAX),
        })
    }
}

/// What to download.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Download {
    /// `jsonl` or `csv`.
    format: DownloadFormat,
    /// Only of this actor: an id, or a part of the name or address of members.
    who: Option<String>,
    /// Only of this action or group of actions.
    action: Option<String>,
    /// Only about this kind of object.
    resource: Option<String>,
    /// Only about the object with this id.
    object: Option<String>,
    /// Only of this request.
    request: Option<String>,
    /// Only from this day (UTC) or moment (RFC 3339) on.
    since: Option<String>,
    /// Only up to this day (UTC, all of it) or before this moment (RFC 3339).
    until: Option<String>,
}

/// A file of entries, with the headers that make a browser keep it.
pub(crate) fn file(bytes: Vec<u8>, format: DownloadFormat) -> impl IntoResponse {
    let kind = match format {
        DownloadFormat::Jsonl => "application/jsonl; charset=utf-8",
        DownloadFormat::Csv => "text/csv; charset=utf-8; header=present",
    };
    let name = format!("attachment; filename=\"audit-trail-{}.{}\"", vital_kernel::now().date(), format.as_str());
    let headers: [(HeaderName, String); 2] = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, bytes)
}

/// The signing of a review.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signing {
    /// What is said to each finding.
    judgements: Vec<Judgement>,
}

/// Lists entries of the trail, newest first.
#[utoipa::path(get, path = "/api/v1/audit/entries", tag = "audit", params(Filter), responses((status = 200, body = Listing<Entry>)))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
    Params(f): Params<Filter>,
) -> Reply<Json<Listing<Entry>>> {
    let filter = audit::Filter { before: paging.before()?, ..f.read()? };
    Ok(Json(paging.page(audit::entries(&s.platform, &caller.cx, &filter).await?, |e| e.id)))
}

/// Shows one entry.
#[utoipa::path(get, path = "/api/v1/audit/entries/{id}", tag = "audit", params(("id" = Uuid, Path)), responses((status = 200, body = Entry)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<Uuid>) -> Reply<Json<Entry>> {
    Ok(Json(audit::entry(&s.platform, &caller.cx, id).await?))
}

/// Downloads the entries that fit, oldest first: JSON lines as exports have them, or a table. Needs a recent second factor, and is recorded.
#[utoipa::path(post, path = "/api/v1/audit/download", tag = "audit", request_body = Download,
    responses((status = 200, description = "The entries", content((String = "application/jsonl"), (String = "text/csv")))))]
pub(crate) async fn download(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(d): Body<Download>) -> Reply<impl IntoResponse> {
    let Download { format, who, action, resource, object, request, since, until } = d;
    let filter = Filter { who, action, resource, object, request, since, until, ..Filter::default() };
    Ok(file(audit::download(&s.platform, &caller.cx, &filter.read()?, format).await?, format))
}

/// Verifies the trail: computes chain and tree anew and holds them against the signed checkpoints.
#[utoipa::path(post, path = "/api/v1/audit/verification", tag = "audit", responses((status = 200, body = Verification)))]
pub(crate) async fn verify(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<Verification>> {
    Ok(Json(audit::verify(&s.platform, &caller.cx).await?))
}

/// Lists who saw a document and how, newest first.
#[utoipa::path(get, path = "/api/v1/audit/documents/{id}/sightings", tag = "audit", params(("id" = Uuid, Path), PageParams),
    responses((status = 200, body = Listing<Sighting>)))]
pub(crate) async fn sightings(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<DocumentId>,
    paging: Paging,
) -> Reply<Json<Listing<Sighting>>> {
    Ok(Json(paging.page(audit::who_saw(&s.platform, &caller.cx, id, paging.before()?, paging.limit).await?, |s| s.entry)))
}

/// Lists what is recorded with the caller as the actor, newest first.
#[utoipa::path(get, path = "/api/v1/audit/own", tag = "audit", params(PageParams), responses((status = 200, body = Listing<Entry>)))]
pub(crate) async fn own(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Entry>>> {
    Ok(Json(paging.page(audit::own_entries(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |e| e.id)))
}

/// Lists when operators were in the organisation, newest first.
#[utoipa::path(get, path = "/api/v1/audit/operator-access", tag = "audit", params(PageParams), responses((status = 200, body = Listing<OperatorAccess>)))]
pub(crate) async fn operators(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
) -> Reply<Json<Listing<OperatorAccess>>> {
    Ok(Json(paging.page_of(audit::operator_accesses(&s.platform, &caller.cx).await?, |a| a.id)?))
}

/// Shows the working hours: what happens outside of them is a finding of the weekly review.
#[utoipa::path(get, path = "/api/v1/audit/working-hours", tag = "audit", responses((status = 200, body = WorkingHours)))]
pub(crate) async fn hours(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<WorkingHours>> {
    Ok(Json(audit::working_hours(&s.platform, &caller.cx).await?))
}

/// Sets the working hours, for weeks that have no review yet. Needs a recent second factor.
#[utoipa::path(put, path = "/api/v1/audit/working-hours", tag = "audit", request_body = WorkingHours, responses((status = 204, description = "Set")))]
pub(crate) async fn set_hours(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(hours): Body<WorkingHours>) -> Reply<StatusCode> {
    audit::set_working_hours(&s.platform, &caller.cx, hours).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the weekly reviews, newest first.
#[utoipa::path(get, path = "/api/v1/audit/reviews", tag = "audit", params(PageParams), responses((status = 200, body = Listing<ReviewSummary>)))]
pub(crate) async fn reviews(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ReviewSummary>>> {
    Ok(Json(paging.page(audit::reviews(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |r| r.week)))
}

/// Shows the review of a week with its findings and its signature.
#[utoipa::path(get, path = "/api/v1/audit/reviews/{week}", tag = "audit", params(("week" = String, Path)), responses((status = 200, body = Review)))]
pub(crate) async fn review(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(week): Id<Week>) -> Reply<Json<Review>> {
    Ok(Json(audit::review(&s.platform, &caller.cx, week).await?))
}

/// Signs the review of a week. Needs a recent second factor; what is signed does not change.
#[utoipa::path(post, path = "/api/v1/audit/reviews/{week}/signature", tag = "audit", params(("week" = String, Path)), request_body = Signing,
    responses((status = 200, body = Review)))]
pub(crate) async fn sign(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(week): Id<Week>,
    Body(signing): Body<Signing>,
) -> Reply<Json<Review>> {
    Ok(Json(audit::sign_review(&s.platform, &caller.cx, week, &signing.judgements).await?))
}
