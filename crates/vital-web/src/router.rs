//! Every route, in reading order: pages, the API, health and files. Then what surrounds them, outermost last.

use crate::{
    admission,
    api::{
        audit, break_glass, collections, conversations, documents, domains, events, experts, factors, groups, invitations, keys, members,
        organisation, providers, search, session, sso, turns, usage,
    },
    assets, caller, compat, conditions, cors, csrf, frame, health, host, idempotency, limits,
    openapi::{self, Description},
    pages,
    problem::Problem,
    proxy, scim,
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
        .merge(directory())
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/docs", get(openapi::docs))
        .route("/api/docs/", get(openapi::docs))
        .route("/api/docs/{file}", get(openapi::docs_file))
        .route("/assets/{version}/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), conditions::judge))
        .layer(from_fn_with_state(state.clone(), idempotency::guard))
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
        .layer(from_fn_with_state(state.clone(), host::resolve))
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
        .route("/sign-in/operator", get(pages::operator::show).post(pages::operator::enter))
        .route("/sign-in/sso", get(pages::sso_sign_in::choose))
        .route("/sign-in/sso/callback", get(pages::sso_sign_in::finish))
        .route("/sign-in/sso/{slug}/{provider}", get(pages::sso_sign_in::begin))
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
        .route("/forgot", get(pages::forgot::show).post(pages::forgot::ask))
        .route("/reset", get(pages::forgot::show_reset).post(pages::forgot::reset))
        .route("/invitation", get(pages::invitation::show).post(pages::invitation::accept))
        .merge(settings())
}

/// The routes for directories, which SCIM's own discovery describes.
fn directory() -> Router<AppState> {
    use crate::scim::{discovery, groups, users};
    Router::new()
        .route("/scim/v2/ServiceProviderConfig", get(discovery::config))
        .route("/scim/v2/ResourceTypes", get(discovery::resource_types))
        .route("/scim/v2/ResourceTypes/{name}", get(discovery::resource_type))
        .route("/scim/v2/Schemas", get(discovery::schemas))
        .route("/scim/v2/Schemas/{name}", get(discovery::schema))
        .route("/scim/v2/.search", post(scim::search))
        .route("/scim/v2/Me", get(scim::me).post(scim::me).put(scim::me).patch(scim::me).delete(scim::me))
        .route("/scim/v2/Users", get(users::list).post(users::create))
        .route("/scim/v2/Users/.search", post(users::search))
        .route("/scim/v2/Users/{id}", get(users::find).put(users::replace).patch(users::patch).delete(users::remove))
        .route("/scim/v2/Groups", get(groups::list).post(groups::create))
        .route("/scim/v2/Groups/.search", post(groups::search))
        .route("/scim/v2/Groups/{id}", get(groups::find).put(groups::replace).patch(groups::patch).delete(groups::remove))
}

/// The pages under Settings: a person's own, then the organisation's.
fn settings() -> Router<AppState> {
    Router::new()
        .route("/settings", get(pages::settings::show))
        .route("/settings/name", post(pages::settings::change_name))
        .route("/settings/security", get(pages::security::show))
        .route("/settings/security/password", post(pages::security::change_password))
        .route("/settings/security/totp", post(pages::factors::begin_app))
        .route("/settings/security/totp/confirm", post(pages::factors::confirm_app))
        .route("/settings/security/factors/{id}/remove", post(pages::factors::remove))
        .route("/settings/security/recovery-codes", post(pages::factors::new_codes))
        .route("/settings/security/sessions/{id}/revoke", post(pages::security::revoke))
        .route("/settings/security/sessions/revoke-others", post(pages::security::revoke_others))
        .route("/settings/keys", get(pages::keys::show).post(pages::keys::make))
        .route("/settings/keys/{id}/revoke", post(pages::keys::revoke))
        .route("/settings/activity", get(pages::activity::show))
        .route("/settings/members", get(pages::members::list))
        .route("/settings/members/{id}", get(pages::members::show))
        .route("/settings/members/{id}/roles", post(pages::members::change_roles))
        .route("/settings/members/{id}/deactivate", post(pages::members::deactivate))
        .route("/settings/members/{id}/reactivate", post(pages::members::reactivate))
        .route("/settings/members/{id}/remove", post(pages::members::remove))
        .route("/settings/groups", get(pages::groups::list).post(pages::groups::make))
        .route("/settings/groups/{id}", get(pages::groups::show))
        .route("/settings/groups/{id}/join", post(pages::groups::join_member))
        .route("/settings/groups/{id}/leave", post(pages::groups::leave_member))
        .route("/settings/groups/{id}/rename", post(pages::groups::rename_group))
        .route("/settings/groups/{id}/delete", post(pages::groups::delete))
        .route("/settings/roles", get(pages::roles::show))
        .route("/settings/invitations", get(pages::invitations::show).post(pages::invitations::invite))
        .route("/settings/invitations/{id}/resend", post(pages::invitations::resend))
        .route("/settings/invitations/{id}/revoke", post(pages::invitations::revoke))
        .route("/settings/service-accounts", get(pages::service_accounts::show).post(pages::service_accounts::make))
        .route("/settings/operator-access", get(pages::break_glass::show))
        .route("/settings/operator-access/{id}/review", post(pages::break_glass::review))
        .route("/settings/audit", get(pages::audit::show))
        .route("/settings/audit/download", post(pages::audit::download))
        .route("/settings/audit/verify", post(pages::audit::verify))
        .route("/settings/audit/entries/{id}", get(pages::audit::entry))
        .route("/settings/audit/documents/{id}", get(pages::audit::document))
        .route("/settings/reviews", get(pages::reviews::list))
        .route("/settings/reviews/working-hours", post(pages::reviews::change_hours))
        .route("/settings/reviews/{week}", get(pages::reviews::show))
        .route("/settings/reviews/{week}/sign", post(pages::reviews::sign))
        .route("/settings/providers", get(pages::providers::list).post(pages::providers::create))
        .route("/settings/providers/installation", post(pages::providers::decide))
        .route("/settings/providers/experts/{slug}", get(pages::providers::expert).post(pages::providers::choose))
        .route("/settings/providers/models/{id}", post(pages::provider::change_model))
        .route("/settings/providers/models/{id}/move", post(pages::providers::move_model))
        .route("/settings/providers/models/{id}/active", post(pages::provider::activate_model))
        .route("/settings/providers/models/{id}/test", post(pages::provider::test_model))
        .route("/settings/providers/models/{id}/delete", post(pages::provider::remove_model))
        .route("/settings/providers/{id}", get(pages::provider::show).post(pages::provider::change))
        .route("/settings/providers/{id}/active", post(pages::provider::activate))
        .route("/settings/providers/{id}/delete", post(pages::provider::remove))
        .route("/settings/providers/{id}/models", post(pages::provider::add_model))
        .route("/settings/usage", get(pages::usage::show))
        .route("/settings/usage/budgets", post(pages::usage_budgets::set))
        .route("/settings/usage/budgets/{id}/delete", post(pages::usage_budgets::remove))
        .route("/settings/usage/prices", post(pages::usage_budgets::set_price))
        .route("/settings/policy", get(pages::policy::show).post(pages::policy::change))
        .route("/settings/domains", get(pages::domains::show).post(pages::domains::create))
        .route("/settings/domains/{domain}/verify", post(pages::domains::verify))
        .route("/settings/domains/{domain}/delete", post(pages::domains::remove))
        .route("/settings/sso", get(pages::sso::list).post(pages::sso::create))
        .route("/settings/sso/{id}", get(pages::sso::show).post(pages::sso::change))
        .route("/settings/sso/{id}/test", post(pages::sso::test))
        .route("/settings/sso/{id}/active", post(pages::sso::activate))
        .route("/settings/sso/{id}/delete", post(pages::sso::remove))
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
        .routes(routes!(domains::list, domains::create))
        .routes(routes!(domains::verify))
        .routes(routes!(domains::remove))
        .routes(routes!(sso::list, sso::create))
        .routes(routes!(sso::find, sso::change, sso::remove))
        .routes(routes!(sso::test))
        .routes(routes!(providers::list, providers::create))
        .routes(routes!(providers::find, providers::change, providers::remove))
        .routes(routes!(providers::add_model))
        .routes(routes!(providers::models, providers::order_models))
        .routes(routes!(providers::change_model, providers::remove_model))
        .routes(routes!(providers::test_model))
        .routes(routes!(providers::policy, providers::set_policy))
        .routes(routes!(usage::report))
        .routes(routes!(usage::export))
        .routes(routes!(usage::budgets, usage::set_budget))
        .routes(routes!(usage::remove_budget))
        .routes(routes!(usage::prices, usage::set_price))
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
        .routes(routes!(audit::list))
        .routes(routes!(audit::find))
        .routes(routes!(audit::download))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::sightings))
        .routes(routes!(audit::own))
        .routes(routes!(audit::operators))
        .routes(routes!(audit::hours, audit::set_hours))
        .routes(routes!(audit::reviews))
        .routes(routes!(audit::review))
        .routes(routes!(audit::sign))
        .merge(api_of_the_work())
        .merge(doors())
}

/// Those of experts, documents and questions.
fn api_of_the_work() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(experts::list))
        .routes(routes!(experts::find))
        .routes(routes!(experts::access))
        .routes(routes!(experts::share))
        .routes(routes!(providers::expert, providers::set_expert))
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

/// The doors for other people's software.
fn doors() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(compat::models::list))
        .routes(routes!(compat::models::find))
        .routes(routes!(compat::chat::create))
        .routes(routes!(compat::embeddings::create))
        .routes(routes!(compat::messages::create))
}

async fn unknown() -> Problem {
    Error::not_found("page.unknown", "There is nothing at this address. It may have been deleted, or the link is incomplete.").into()
}

async fn wrong_method(method: Method) -> Problem {
    Problem::method_not_allowed(&method)
}
