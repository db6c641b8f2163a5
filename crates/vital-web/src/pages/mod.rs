//! Server-rendered pages: one file a page. They call the same verbs as the API and read well without scripts.

pub(crate) mod activity;
pub(crate) mod appraisal;
pub(crate) mod audit;
pub(crate) mod break_glass;
pub(crate) mod collections;
pub(crate) mod comparison;
pub(crate) mod conversation;
pub(crate) mod document;
pub(crate) mod domains;
pub(crate) mod expert_access;
pub(crate) mod expert_tools;
pub(crate) mod experts;
pub(crate) mod factors;
pub(crate) mod find;
pub(crate) mod forgot;
pub(crate) mod groups;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod invitation;
pub(crate) mod invitations;
pub(crate) mod keys;
pub(crate) mod library;
pub(crate) mod members;
pub(crate) mod notices;
pub(crate) mod operator;
pub(crate) mod policy;
pub(crate) mod provider;
pub(crate) mod provider_fields;
pub(crate) mod providers;
pub(crate) mod replay;
pub(crate) mod reviews;
pub(crate) mod roles;
pub(crate) mod search;
pub(crate) mod security;
pub(crate) mod service_accounts;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod source;
pub(crate) mod sso;
pub(crate) mod sso_fields;
pub(crate) mod sso_sign_in;
pub(crate) mod tool_server;
pub(crate) mod tool_server_fields;
pub(crate) mod tool_servers;
pub(crate) mod tools;
pub(crate) mod usage;
pub(crate) mod usage_budgets;
pub(crate) mod webhook;
pub(crate) mod webhooks;

use crate::{caller::SignedIn, frame::Nonce, host::OnDomain};
use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, request::Parts},
};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use std::convert::Infallible;
use uuid::Uuid;
use vital_kernel::{RequestId, limits};
use vital_platform::{identity::Caller, tenancy::DomainOwner};

/// Which part of a long list a page shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Only older than this one: the last id of the page before.
    pub(crate) before: Option<Uuid>,
    /// At most so many.
    pub(crate) limit: Option<i64>,
}

/// The limit of a list, within what may be asked for.
pub(crate) fn page_size(limit: Option<i64>) -> i64 {
    limit.unwrap_or(limits::PAGE_SIZE).clamp(1, limits::PAGE_SIZE_MAX)
}

/// How a person wants pages to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system says.
    System,
    Light,
    Dark,
}

/// What every page knows of its request.
pub(crate) struct View {
    /// The request, for reports.
    pub(crate) request_id: RequestId,
    /// Lets the page's scripts run.
    pub(crate) nonce: String,
    /// How it looks.
    pub(crate) theme: Theme,
    /// Who reads it.
    pub(crate) caller: Option<Caller>,
    /// The organisation whose own domain it is on.
    pub(crate) on: Option<DomainOwner>,
}

impl View {
    /// Reads what there is to know of a request.
    pub(crate) fn of<B>(request: &axum::http::Request<B>) -> Self {
        Self::from_parts(request.headers(), request.extensions())
    }

    fn from_parts(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let theme = match CookieJar::from_headers(headers).get("vital_theme").map(|c| c.value().to_owned()).as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        Self {
            request_id: extensions.get::<RequestId>().copied().unwrap_or_else(RequestId::new),
            nonce: extensions.get::<Nonce>().map(|n| n.0.clone()).unwrap_or_default(),
            theme,
            caller: extensions.get::<SignedIn>().map(|s| s.0.clone()),
            on: extensions.get::<OnDomain>().map(|d| d.0.clone()),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self { request_id: RequestId::new(), nonce: "nonce".to_owned(), theme: Theme::System, caller: None, on: None }
    }
}

impl<S: Sync> FromRequestParts<S> for View {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_parts(&parts.headers, &parts.extensions))
    }
}
