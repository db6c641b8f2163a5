//! Every route, in reading order: pages, the API, health and files. Then what surrounds them, outermost last.

use crate::{
    admission,
    api::{break_glass, collections, conversations, documents, events, experts, factors, organisation, groups, invitations, keys, members, search, session, turns},
    assets, caller, cors, csrf, frame, health, limits,
    openapi::{self, Description},
    pages,
    problem::Problem,
    proxy,
    state::AppState,
    upload,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use vital_kernel::Error;

/// Makes the router of the whole web.
pub fn router(state: AppState) -> Router {
    let (api, _) = api().split_for_parts();
    Router::new()
        .merge(pages())
        .merge(api)
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/docs", get(openapi::docs))
        .route("/api/docs/", get(openapi::docs))
        .route("/api/docs/{file}", get(openapi::docs_file))
        .route("/assets/{version}/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(upload::UPLOAD_BODY_BYTES_MAX))
        .layer(from_fn(upload::refuse_early))
        .layer(from_fn_with_state(state.clone(), admission::streams))
        .layer(from_fn(cors::enforce))
        .layer(from_fn_with_state(state.clone(), limits::by_caller))
        .layer(from_fn_with_state(state.clone(), caller::admit))
        .layer(from_fn_with_state(state.clone(), csrf::guard))
        .layer(from_fn_with_state(state.clone(), cors::share))
        .layer(from_fn_with_state(state.clone(), admission::admit))
        .layer(from_fn_with_state(state.clone(), limits::by_address))
        .layer(from_fn_with_state(state.clone(), proxy::resolve))
        .layer(CatchPanicLayer::custom(frame::panicked))
        .layer(from_fn_with_state(state.clone(), frame::surround))
        .layer(CompressionLayer::new())
        .with_state(state)
}

fn pages() -> Router<AppState> {
    Router::new()
        .route("/setup", get(pages::setup::show).post(pages::setup::complete))
        .route("/sign-in", get(pages::sign_in::show).post(pages::sign_in::sign_in))
        .route("/sign-in/second-factor", post(pages::sign_in::second_factor))
        .route("/sign-out", post(pages::sign_in::sign_out))
        .route("/", get(pages::home::show))
        .route("/ask", post(pages::home::ask))
        .route("/conversations", get(pages::history::show))
        .route("/conversations/{id}", get(pages::conversation::show))
        .route("/conversations/{id}/ask", post(pages::conversation::ask))
        .route("/conversations/{id}/delete", post(pages::conversation::delete))
        .route("/turns/{id}/cancel", post(pages::conversation::cancel))
        .route("/turns/{id}/regenerate", post(pages::conversation::regenerate))
        .route("/turns/{id}/ask-again", post(pages::conversation::ask_again))
        .route("/experts", get(pages::experts::gallery))
        .route("/experts/{slug}", get(pages::experts::profile))
        .route("/experts/{slug}/access", get(pages::expert_access::show).post(pages::expert_access::change))
        .route("/library", get(pages::library::show))
        .route("/library/collections", post(pages::collections::create))
        .route("/library/collections/{slug}", post(pages::collections::change))
        .route("/library/collections/{slug}/delete", post(pages::collections::delete))
        .route("/library/upload", post(pages::library::upload))
        .route("/library/documents/{id}", get(pages::document::show))
        .route("/library/documents/{id}/retry", post(pages::library::retry))
        .route("/library/documents/{id}/delete", post(pages::library::delete))
        .route("/search", get(pages::search::show))
        .route("/settings", get(pages::settings::show))
}

/// The described routes; the API document is collected from them.
pub(crate) fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(session::create, session::delete))
        .routes(routes!(session::second_factor))
        .routes(routes!(session::passkey_options))
        .routes(routes!(session::passkey))
        .routes(routes!(session::step_up_options))
        .routes(routes!(session::step_up))
        .routes(routes!(session::list, session::revoke_others))
        .routes(routes!(session::revoke))
        .routes(routes!(session::me, members::change_me))
        .routes(routes!(organisation::find))
        .routes(routes!(organisation::set_policy))
        .routes(routes!(factors::list))
        .routes(routes!(factors::remove))
        .routes(routes!(factors::enrol_totp))
        .routes(routes!(factors::confirm_totp))
        .routes(routes!(factors::passkey_options))
        .routes(routes!(factors::add_passkey))
        .routes(routes!(factors::recovery_codes))
        .routes(routes!(factors::change_password))
        .routes(routes!(factors::forgot))
        .routes(routes!(factors::reset))
        .routes(routes!(members::list))
        .routes(routes!(members::find, members::change))
        .routes(routes!(members::deactivate))
        .routes(routes!(members::reactivate))
        .routes(routes!(members::create_service_account))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::find, groups::rename, groups::delete))
        .routes(routes!(groups::members, groups::add, groups::remove))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::resend))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(break_glass::list))
        .routes(routes!(break_glass::review))
        .routes(routes!(experts::list))
        .routes(routes!(experts::find))
        .routes(routes!(experts::access))
        .routes(routes!(experts::share))
        .routes(routes!(experts::route))
        .routes(routes!(collections::list, collections::create))
        .routes(routes!(collections::access))
        .routes(routes!(collections::change, collections::delete))
        .routes(routes!(collections::groups))
        .routes(routes!(documents::list, documents::create))
        .routes(routes!(documents::find, documents::delete))
        .routes(routes!(documents::text))
        .routes(routes!(documents::retry))
        .routes(routes!(search::search))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::find, conversations::delete))
        .routes(routes!(turns::create))
        .routes(routes!(turns::find))
        .routes(routes!(events::follow))
        .routes(routes!(turns::cancel))
        .routes(routes!(turns::regenerate))
}

async fn unknown() -> Problem {
    Error::not_found("page.unknown", "There is nothing at this address. It may have been deleted, or the link is incomplete.").into()
}

async fn wrong_method(method: Method) -> Problem {
    Problem::method_not_allowed(&method)
}
