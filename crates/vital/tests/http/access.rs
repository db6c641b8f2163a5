//! Who gets in where: every operation and page for every persona, and nothing of one organisation in replies to the other.

use crate::app;
use serde_json::json;
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};
use uuid::Uuid;
use vital_testkit::app::{CANARY_A, CANARY_B, Client, Form, PASSWORD, Persona, Reply, TestApp};

const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const GOLDEN: &str = include_str!("access.golden.txt");

/// Things of the member of organisation A, new for every request that may change them.
struct Targets {
    document: String,
    failed_document: String,
    conversation: String,
    turn: String,
    /// Slug of a private collection of the member.
    collection: String,
    member: String,
    /// Somebody whom a directory may keep; the member above is a service account.
    person: String,
    group: String,
    invitation: String,
    /// An API key of the member.
    key: String,
    /// A closed opening by an operator.
    opening: String,
    /// A provider of single sign-on.
    provider: String,
    /// A model provider.
    model_provider: String,
    /// A tool server.
    tool_server: String,
    /// A model at it.
    model: String,
    /// A webhook.
    webhook: String,
    /// A delivery to it that waits.
    delivery: String,
    /// A custom domain that is not proven.
    domain: String,
    /// An entry of the trail.
    entry: String,
    /// A week with a review that nobody has signed.
    week: String,
}

impl Targets {
    /// Ids that nothing has.
    fn unknown() -> Self {
        let id = || Uuid::new_v4().to_string();
        Self {
            document: id(),
            failed_document: id(),
            conversation: id(),
            turn: id(),
            collection: id(),
            member: id(),
            person: id(),
            group: id(),
            invitation: id(),
            key: id(),
            opening: id(),
            provider: id(),
            model_provider: id(),
            tool_server: id(),
            model: id(),
            webhook: id(),
            delivery: id(),
            domain: format!("{}.acme-bio.com", id()),
            entry: id(),
            week: "2026-W01".to_owned(),
        }
    }

    /// Takes away what earlier requests made, because an organisation may have only so many of them.
    async fn clean(app: &TestApp) {
        let tenant = &app.a().tenant;
        app.sql(&format!(
            "delete from groups where tenant_id = '{tenant}';
             delete from invitations where tenant_id = '{tenant}';
             delete from sso_providers where tenant_id = '{tenant}';
             delete from providers where tenant_id = '{tenant}';
             delete from tool_servers where tenant_id = '{tenant}';
             delete from webhooks where tenant_id = '{tenant}';
             delete from directory.domains where tenant = '{tenant}';
             update members set active = false where kind = 'service' and tenant_id = '{tenant}'"
        ))
        .await;
    }

    async fn new(app: &TestApp) -> Self {
        let tenant = &app.a().tenant;
        let entry = app.sql_text(&format!("select id from audit_entries where tenant_id = '{tenant}' order by id limit 1")).await.unwrap();
        let all = Self { document: app.a().document.clone(), entry, week: reviewed_week(app).await, ..Self::unknown() };
        let Self {
            failed_document,
            conversation,
            turn,
            collection,
            member,
            person,
            group,
            invitation,
            key,
            opening,
            provider,
            model_provider,
            tool_server,
            model,
            webhook,
            delivery,
            domain,
            ..
        } = &all;
        let title = app.sealed("documents.title", failed_document, &format!("{CANARY_A} scan")).await;
        let file_name = app.sealed("documents.file_name", failed_document, &format!("{CANARY_A}.pdf")).await;
        let asked = app.sealed("conversations.title", conversation, &format!("{CANARY_A}?")).await;
        let question = app.sealed("turns.question", turn, &format!("What about {CANARY_A} granules?")).await;
        let url = app.sealed("webhooks.url", webhook, &format!("http://127.0.0.1:9/{CANARY_A}")).await;
        let secret = app.sealed("webhooks.secret", webhook, &format!("{CANARY_A} secret of 24 bytes")).await;
        app.sql(&format!(
            "insert into documents (tenant_id, id, collection_id, title, file_name, size_bytes, content_hash, authority, state, failure_code,
                                    failure_detail, uploaded_by, created_at)
             select '{tenant}', '{failed_document}', c.id, {title}, {file_name}, 9, sha256('{failed_document}'), 'own', 'failed',
                    'document.no_text', 'No text.', l.user_id, now()
             from collections c, directory.logins l where c.tenant_id = '{tenant}' and c.slug = 'own' and l.email = '{0}';
             insert into conversations (tenant_id, id, owner_id, title, turn_count, created_at, updated_at)
             select '{tenant}', '{conversation}', user_id, {asked}, 1, now(), now() from directory.logins where email = '{0}';
             insert into collections (tenant_id, id, slug, name, starter, owner_id, access, created_at)
             select '{tenant}', '{collection}', '{collection}', '{CANARY_A} {collection}', false, user_id, 'private', now()
             from directory.logins where email = '{0}';
             insert into turns (tenant_id, id, conversation_id, ordinal, question, state, created_at, finished_at)
             values ('{tenant}', '{turn}', '{conversation}', 1, {question}, 'stopped', now(), now());
             insert into members (tenant_id, id, email, display_name, roles, kind, created_at)
             values ('{tenant}', '{member}', '{member}@{CANARY_A}.example', '{CANARY_A} account', '{{member}}', 'service', now()),
                    ('{tenant}', '{person}', '{person}@{CANARY_A}.example', '{CANARY_A} person', '{{member}}', 'person', now());
             insert into groups (tenant_id, id, name, created_at, updated_at) values ('{tenant}', '{group}', '{CANARY_A} {group}', now(), now());
             insert into invitations (tenant_id, id, email, display_name, roles, created_at, ends_at)
             values ('{tenant}', '{invitation}', '{invitation}@{CANARY_A}.example', '{CANARY_A}', '{{member}}', now(), now() + interval '1 day');
             insert into api_keys (tenant_id, id, member_id, name, prefix, scopes, created_at, ends_at)
             select '{tenant}', '{key}', user_id, '{CANARY_A}', 'vital_pk_test', '{{ask}}', now(), now() from directory.logins where email = '{0}';
             insert into break_glass (tenant_id, id, member_id, operator, reason, opened_at, ends_at, closed_at)
             values ('{tenant}', '{opening}', '{member}', 'Operator', 'Why {CANARY_A} was opened to look.', now(), now(), now());
             insert into directory.domains (domain, tenant, proof, created_at) values ('{domain}', '{tenant}', repeat('p', 32), now());
             insert into providers (tenant_id, id, name, format, base_url, created_at, updated_at)
             values ('{tenant}', '{model_provider}', '{CANARY_A} models', 'openai', 'http://127.0.0.1:9/{CANARY_A}', now(), now());
             insert into models (tenant_id, id, provider_id, name, max_output_tokens, temperature, enabled, position, created_at, updated_at)
             values ('{tenant}', '{model}', '{model_provider}', '{CANARY_A} model', 100, 1, false, 0, now(), now());
             insert into tool_servers (tenant_id, id, slug, name, address, auth, created_at, updated_at)
             values ('{tenant}', '{tool_server}', 't' || right('{tool_server}', 12), '{CANARY_A} tools', 'http://127.0.0.1:9/{CANARY_A}', 'none', now(), now());
             insert into webhooks (tenant_id, id, name, url, events, secret, secret_set_at, created_at, updated_at)
             values ('{tenant}', '{webhook}', '{CANARY_A} hook', {url}, '{{key.revoked}}', {secret}, now(), now(), now());
             insert into webhook_messages (tenant_id, id, event, body, created_at)
             values ('{tenant}', '{delivery}', 'turn.finished', '{CANARY_A}', now());
             insert into webhook_deliveries (tenant_id, id, webhook_id, message_id, state, created_at, ended_at)
             values ('{tenant}', '{delivery}', '{webhook}', '{delivery}', 'given_up', now(), now());
             insert into sso_providers (tenant_id, id, kind, name, issuer, client_id, default_roles, created_at, updated_at)
             values ('{tenant}', '{provider}', 'oidc', '{CANARY_A} accounts', 'http://127.0.0.1:9/{CANARY_A}', 'vital', '{{viewer}}', now(), now())",
            Persona::Member.email()
        ))
        .await;
        all
    }

    /// The path with its parameters filled in.
    fn path(&self, method: &str, template: &str) -> String {
        let id = match template {
            t if t.contains("/documents/") && (method == "DELETE" || method == "POST") => &self.failed_document,
            t if t.contains("/documents/") => &self.document,
            t if t.contains("/conversations/") => &self.conversation,
            t if t.contains("/Users/{id}") => &self.person,
            t if t.contains("/groups/{id}") || t.contains("/Groups/{id}") => &self.group,
            t if t.contains("/members/{id}") => &self.member,
            t if t.contains("/invitations/{id}") => &self.invitation,
            t if t.contains("/keys/{id}") => &self.key,
            t if t.contains("/break-glass/{id}") || t.contains("/operator-access/{id}") => &self.opening,
            t if t.contains("/sso/") => &self.provider,
            t if t.contains("/provider-models/{id}") || t.contains("/providers/models/{id}") => &self.model,
            t if t.contains("/tool-servers/{id}") => &self.tool_server,
            t if t.contains("/providers/{id}") => &self.model_provider,
            t if t.contains("/webhook-deliveries/{id}") || t.contains("/webhooks/deliveries/{id}") => &self.delivery,
            t if t.contains("/webhooks/{id}") => &self.webhook,
            t if t.contains("/entries/{id}") => &self.entry,
            _ => &self.turn,
        };
        let slug = if template.contains("/collections/") { &self.collection } else { "clinical-pharmacology" };
        let path = template
            .replace("{id}", id)
            .replace("{slug}", slug)
            .replace("{file}", "swagger-ui.css")
            .replace("{model}", "clinical-pharmacology")
            .replace("{provider}", &self.provider)
            .replace("{call}", "1")
            .replace("{page}", "1")
            .replace("{week}", &self.week);
        match template {
            // Nothing is asked of name servers here; `domains.rs` has one.
            t if t.ends_with("/domains/{domain}/verify") => path.replace("{domain}", "unknown.acme-bio.com"),
            t if t.contains("/domains/") => path.replace("{domain}", &self.domain),
            "/scim/v2/ResourceTypes/{name}" => path.replace("{name}", "User"),
            "/scim/v2/Schemas/{name}" => path.replace("{name}", USER_URN),
            "/api/v1/search" => format!("{path}?q=shelf+life"),
            "/search" => format!("{path}?q=shelf+life"),
            "/api/v1/find" | "/find" => format!("{path}?q=shelf+life"),
            "/setup" if method == "GET" => format!("{path}?token=unknown"),
            "/assets/{version}/{name}" => "/assets/unknown/app.css".to_owned(),
            _ => path,
        }
    }
}

/// Makes the review of a week that has none yet.
async fn reviewed_week(app: &TestApp) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let monday = format!("(date '1990-01-01' + 7 * {})", NEXT.fetch_add(1, Ordering::Relaxed));
    app.sql(&format!(
        "insert into activity_reviews (tenant_id, week, starts_at, ends_at, time_zone, from_hour, to_hour, weekdays, entries, prepared_at)
         values ('{}', {monday}, {monday}, {monday} + 7, 'UTC', 7, 19, '{{1,2,3,4,5}}', 0, now())",
        app.a().tenant
    ))
    .await;
    app.sql_text(&format!("select to_char({monday}, 'IYYY-\"W\"IW')")).await.unwrap()
}

/// Sends a well-formed request for an operation.
async fn send(client: &Client, targets: &Targets, method: &str, template: &str) -> Reply {
    let request = client.request(method, &targets.path(method, template));
    let unique = format!("Reference standard {} was qualified in March.", Uuid::new_v4());
    let email = Persona::Member.email();
    let request = match (method, template) {
        ("POST", "/api/v1/session") => request.json(&json!({ "email": email, "password": PASSWORD })),
        ("POST", "/api/v1/session/second-factor") => request.json(&json!({ "ticket": "unknown", "proof": { "totp": "000000" } })),
        ("POST", "/api/v1/session/passkey" | "/api/v1/factors/passkey") => request.json(&json!({ "ticket": "unknown", "credential": {} })),
        ("POST", "/api/v1/session/step-up") => request.json(&json!({ "proof": { "totp": "000000" } })),
        ("POST", "/api/v1/factors/totp" | "/api/v1/factors/passkey/options") => {
            request.json(&json!({ "name": "Phone", "password": PASSWORD }))
        }
        ("POST", "/api/v1/factors/totp/{id}/confirm") => request.json(&json!({ "code": "000000" })),
        ("PUT", "/api/v1/password") => request.json(&json!({ "present": "not the password", "password": PASSWORD })),
        ("POST", "/api/v1/password/forgot") => request.json(&json!({ "email": "nobody@a.example" })),
        ("POST", "/api/v1/password/reset") => request.json(&json!({ "token": "unknown", "password": PASSWORD })),
        ("PUT", "/api/v1/organisation/policy") => request.json(&json!({
            "idle_minutes": 15, "absolute_minutes": 720, "require_second_factor": false, "password_sign_in": true, "cors_origins": [],
        })),
        ("POST", "/api/v1/conversations") => request.json(&json!({})),
        ("POST", "/api/v1/conversations/{id}/turns") => request.json(&json!({ "question": "Where are the granules stored?" })),
        ("POST", "/v1/chat/completions") => {
            request.json(&json!({ "model": "auto", "messages": [{ "role": "user", "content": "Where are the granules stored?" }] }))
        }
        ("POST", "/v1/messages") => request.json(
            &json!({ "model": "auto", "max_tokens": 64, "messages": [{ "role": "user", "content": "Where are the granules stored?" }] }),
        ),
        ("POST", "/mcp") => request.header("accept", "application/json, text/event-stream").json(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "persona", "version": "1" } },
        })),
        ("POST", "/v1/responses") => request.json(&json!({ "model": "auto", "input": "Where are the granules stored?" })),
        ("POST", "/v1/embeddings") => request.json(&json!({ "model": "any", "input": "Where are the granules stored?" })),
        ("POST", "/api/v1/route") => request.json(&json!({ "question": "Who helps with a 510(k)?" })),
        ("POST", "/api/v1/documents" | "/library/upload") => request.form_data(&Form::new().file("standard.txt", unique)),
        ("POST", "/api/v1/collections") => request.json(&json!({ "name": unique, "access": "private" })),
        ("PUT", "/api/v1/documents/{id}/appraisal") => request.json(&json!({ "authority": "own", "level": null, "status": "current" })),
        ("POST", "/library/documents/{id}/appraisal") => request.form(&[("authority", "own"), ("level", ""), ("status", "current")]),
        ("POST", "/api/v1/sources/{id}/keep") => request.json(&json!({})),
        ("PATCH", "/api/v1/collections/{slug}") => request.json(&json!({ "access": "tenant" })),
        ("PATCH", "/api/v1/experts/{slug}/access") => request.json(&json!({ "access": "tenant" })),
        ("POST", "/library/collections" | "/library/collections/{slug}") => request.form(&[("name", &unique), ("access", "private")]),
        ("POST", "/library/collections/{slug}/delete") => request.form(&[]),
        ("POST", "/experts/{slug}/access") => request.form(&[("access", "tenant")]),
        ("PATCH", "/api/v1/me") => request.json(&json!({ "display_name": "Ada Example" })),
        ("PATCH", "/api/v1/members/{id}") => request.json(&json!({ "roles": ["viewer"] })),
        ("POST", "/api/v1/service-accounts") => request.json(&json!({ "name": "Import", "roles": ["member"] })),
        ("POST", "/api/v1/groups") | ("PATCH", "/api/v1/groups/{id}") => request.json(&json!({ "name": unique })),
        ("POST" | "DELETE", "/api/v1/groups/{id}/members") => request.json(&json!({ "members": [targets.member] })),
        ("POST", "/api/v1/invitations") => {
            request.json(&json!({ "email": format!("{}@new.example", Uuid::new_v4()), "roles": ["tenant_admin"] }))
        }
        ("PUT", "/api/v1/budgets") => request.json(&json!({ "scope": "organisation", "period": "month", "limit_tokens": 1_000_000_000 })),
        ("PUT", "/api/v1/model-prices") => request.json(&json!({ "price": { "input": 1, "output": 1 } })),
        ("POST", "/api/v1/keys") => request.json(&json!({ "name": "script", "scopes": ["settings.read"] })),
        ("POST", "/api/v1/domains") => request.json(&json!({ "domain": format!("{}.acme-bio.com", Uuid::new_v4()) })),
        ("POST", "/api/v1/sso/providers") => request.json(&json!({
            "kind": "oidc", "name": "Another", "issuer": "https://idp.example", "client_id": "vital", "default_roles": ["viewer"],
        })),
        ("PATCH", "/api/v1/sso/providers/{id}") => request.json(&json!({ "name": "Renamed" })),
        ("POST", "/api/v1/providers") => request.json(&json!({ "name": "Another", "format": "google", "models": [{ "name": "model-1" }] })),
        ("POST", "/api/v1/tool-servers") => {
            request.json(&json!({ "name": unique, "address": "https://tools.example/mcp", "auth": "none" }))
        }
        ("PATCH", "/api/v1/tool-servers/{id}") => request.json(&json!({ "name": "Renamed" })),
        ("POST", "/api/v1/tool-servers/{id}/approvals") => request.json(&json!({ "tool": "none", "digest": "00" })),
        ("POST", "/api/v1/tool-servers/{id}/withdrawals") => request.json(&json!({ "tool": "none" })),
        ("PATCH", "/api/v1/providers/{id}") => request.json(&json!({ "name": "Renamed" })),
        ("POST", "/api/v1/webhooks") => request.json(&json!({ "name": "Another", "url": "https://hooks.example/in" })),
        ("PATCH", "/api/v1/webhooks/{id}") => request.json(&json!({ "name": "Renamed" })),
        ("POST", "/api/v1/webhooks/{id}/recover") => request.json(&json!({ "since": "2026-01-01T00:00:00Z" })),
        ("POST", "/api/v1/providers/{id}/models") => request.json(&json!({ "name": unique })),
        ("POST", "/api/v1/turns/{id}/tool-calls/{call}/decision") => request.json(&json!({ "approved": false })),
        ("POST", "/turns/{id}/tool-calls/{call}/decision") => request.form(&[("approved", "false")]),
        ("PUT", "/api/v1/tool-policy") => request.json(&json!({ "public_sources": false })),
        ("PUT", "/api/v1/experts/{slug}/tools") => request.json(&json!({ "tools": [] })),
        ("POST", "/settings/tools" | "/experts/{slug}/tools") => request.form(&[]),
        ("PUT", "/api/v1/provider-models" | "/api/v1/experts/{slug}/models") => request.json(&json!({ "models": [] })),
        ("PATCH", "/api/v1/provider-models/{id}") => request.json(&json!({ "enabled": false })),
        ("PUT", "/api/v1/provider-policy") => request.json(&json!({ "installation_allowed": true })),
        ("PUT", "/api/v1/audit/working-hours") => {
            request.json(&json!({ "time_zone": "UTC", "from_hour": 7, "to_hour": 19, "weekdays": [1, 2, 3, 4, 5] }))
        }
        ("POST", "/api/v1/audit/download") => request.json(&json!({ "format": "jsonl", "action": "tenant.created" })),
        ("POST", "/api/v1/audit/reviews/{week}/signature") => request.json(&json!({ "judgements": [] })),
        ("POST", "/api/v1/break-glass/{id}/review") => request.json(&json!({ "note": "As announced." })),
        (_, scim) if scim.starts_with("/scim/") && method != "GET" => request.json(&json!({
            "schemas": [USER_URN, GROUP_URN, PATCH_URN, SEARCH_URN],
            "userName": unique,
            "displayName": unique,
            "Operations": [{ "op": "replace", "path": "externalId", "value": unique }],
        })),
        ("POST", settings) if settings.starts_with("/settings/") => {
            request.form(&settings_form(settings, &unique, &targets.member, &format!("{}.acme-bio.com", Uuid::new_v4())))
        }
        ("POST", "/forgot") => request.form(&[("email", &email)]),
        ("POST", "/reset" | "/invitation") => request.form(&[("token", "unknown"), ("display_name", "X"), ("password", PASSWORD)]),
        ("POST", "/sign-in/operator") => request.form(&[("token", "unknown")]),
        ("POST", "/sign-in/second-factor") => request.form(&[("ticket", "unknown"), ("code", "000000")]),
        ("POST", "/sign-in") => request.form(&[("email", &email), ("password", PASSWORD)]),
        ("POST", "/setup") => request.form(&[
            ("token", "unknown"),
            ("organisation", "X"),
            ("display_name", "X"),
            ("email", "x@x.example"),
            ("password", PASSWORD),
        ]),
        ("POST", "/ask" | "/conversations/{id}/ask") => request.form(&[("question", "Where are the granules stored?")]),
        ("POST", "/turns/{id}/ask-again") => request.form(&[("expert", "clinical-pharmacology")]),
        _ => request,
    };
    request.send().await
}

/// What a form of the settings sends. The code is never asked for: the personas have just proven a second factor.
fn settings_form<'a>(path: &str, unique: &'a str, member: &'a str, domain: &'a str) -> Vec<(&'static str, &'a str)> {
    match path {
        "/settings/name" => vec![("display_name", "Ada Example")],
        "/settings/security/password" => vec![("present", "not this one"), ("password", PASSWORD)],
        "/settings/security/totp" => vec![("name", "Phone"), ("password", PASSWORD)],
        "/settings/security/totp/confirm" => vec![("id", member), ("code", "000000")],
        "/settings/audit/download" => vec![("format", "csv"), ("action", "tenant.created")],
        "/settings/keys" => vec![("name", "script"), ("scopes", "settings.read"), ("days", "90")],
        "/settings/members/{id}/roles" => vec![("roles", "viewer")],
        "/settings/groups" | "/settings/groups/{id}/rename" => vec![("name", unique)],
        "/settings/groups/{id}/join" => vec![("email", "nobody@nowhere.example")],
        "/settings/groups/{id}/leave" => vec![("member", member)],
        "/settings/invitations" => vec![("email", "not an address"), ("roles", "member")],
        "/settings/service-accounts" => vec![("name", "Import"), ("roles", "member")],
        "/settings/policy" => vec![("idle_minutes", "15"), ("absolute_minutes", "720"), ("password_sign_in", "yes")],
        "/settings/sso" | "/settings/sso/{id}" => {
            vec![
                ("kind", "oidc"),
                ("name", "Another"),
                ("issuer", "https://idp.example"),
                ("client_id", "vital"),
                ("default_roles", "viewer"),
            ]
        }
        "/settings/usage/budgets" => {
            vec![("who", "organisation"), ("period", "day"), ("limit_tokens", "1000000000"), ("soft_percent", "80")]
        }
        "/settings/usage/prices" => vec![("model", "installation"), ("input", "1"), ("output", "1")],
        "/settings/domains" => vec![("domain", domain)],
        "/settings/providers" => {
            vec![("preset", "google"), ("name", "Another"), ("models", "model-1"), ("base_url", "https://llm.example")]
        }
        "/settings/tool-servers" => vec![("name", unique), ("address", "https://tools.example/mcp"), ("auth", "none")],
        "/settings/tool-servers/{id}" => vec![("name", "Renamed"), ("address", "https://tools.example/mcp"), ("auth", "none")],
        "/settings/tool-servers/{id}/approve" => vec![("tool", "none"), ("digest", "00")],
        "/settings/tool-servers/{id}/withdraw" => vec![("tool", "none")],
        "/settings/providers/direct" => vec![("allowed", "no")],
        "/settings/providers/{id}" => vec![("name", "Renamed"), ("base_url", "https://llm.example")],
        "/settings/webhooks" | "/settings/webhooks/{id}" => vec![("name", "Renamed"), ("url", "https://hooks.example/in")],
        "/settings/webhooks/{id}/recover" => vec![("hours", "24")],
        "/settings/providers/{id}/models" => vec![("name", unique), ("max_output_tokens", "100"), ("temperature", "1")],
        "/settings/providers/models/{id}" => vec![("max_output_tokens", "100"), ("temperature", "1")],
        "/settings/providers/models/{id}/move" => vec![("to", "up")],
        "/settings/sso/{id}/active" => vec![("active", "yes")],
        "/settings/reviews/working-hours" => vec![("time_zone", "UTC"), ("from_hour", "7"), ("to_hour", "19"), ("weekdays", "1")],
        "/settings/operator-access/{id}/review" => vec![("note", "As announced.")],
        _ => Vec::new(),
    }
}

/// Every operation of the API description and every page of the router, in an order that does not depend on where the router names them.
fn operations() -> Vec<(String, String)> {
    let mut all = crate::contract::described();
    all.extend(crate::contract::routed());
    all.sort_by(|(method, path), (other_method, other_path)| (path, method).cmp(&(other_path, other_method)));
    all
}

/// Whether an operation belongs to the interfaces of programs.
fn for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/scim/") || path.starts_with("/v1/") || path == "/mcp"
}

#[tokio::test]
async fn programs_get_exactly_what_the_access_table_says() {
    walk(for_programs).await;
}

#[tokio::test]
async fn people_get_exactly_what_the_access_table_says() {
    walk(|path| !for_programs(path)).await;
}

/// Sends every operation among `these` as every persona, and holds the replies against the rows of the table that are theirs.
async fn walk(these: impl Fn(&str) -> bool) {
    let app = app().await;
    let mut table = format!("{:<6} {:<40}", "method", "path");
    for persona in Persona::ALL {
        let _infallible = write!(table, " {:<9}", persona.name());
    }
    table = format!("{}\n", table.trim_end());
    for (method, template) in operations().into_iter().filter(|(_, path)| these(path)) {
        let mut row = format!("{method:<6} {template:<40}");
        let ends_session = matches!((method.as_str(), template.as_str()), ("DELETE", "/api/v1/session") | ("POST", "/sign-out"));
        Targets::clean(&app).await;
        let mut targets = Vec::new();
        for _ in Persona::ALL {
            targets.push(Targets::new(&app).await);
        }
        let ask = async |persona, targets: &Targets| {
            let client = if ends_session && persona != Persona::Anonymous { app.new_session(persona).await } else { app.client(persona) };
            send(&client, targets, &method, &template).await
        };
        // Signing in, all do as the same person, who may try so often at once.
        let one_by_one = matches!(template.as_str(), "/api/v1/session" | "/sign-in");
        let pairs = Persona::ALL.into_iter().zip(&targets);
        let replies = if one_by_one {
            let mut replies = Vec::new();
            for (persona, targets) in pairs {
                replies.push(ask(persona, targets).await);
            }
            replies
        } else {
            futures_util::future::join_all(pairs.map(|(persona, targets)| ask(persona, targets))).await
        };
        for (persona, reply) in Persona::ALL.into_iter().zip(replies) {
            let _infallible = write!(row, " {:<9}", reply.status);
            let (seen, other) = (reply.everything().to_lowercase(), if persona == Persona::OtherMember { CANARY_A } else { CANARY_B });
            assert!(!seen.contains(other), "{} reads of the other organisation at {method} {template}: {seen}", persona.name());
            if persona == Persona::Anonymous {
                assert!(!seen.contains(CANARY_A), "nobody is signed in and reads at {method} {template}: {seen}");
            }
        }
        let _infallible = writeln!(table, "{}", row.trim_end());
    }
    let path = |row: &str| row.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let golden: String = GOLDEN.lines().filter(|row| path(row) == "path" || these(&path(row))).map(|row| format!("{row}\n")).collect();
    // The rows that differ come last, where a log that was cut still shows them.
    let unexpected: Vec<&str> = table.lines().filter(|row| !golden.lines().any(|golden| golden == *row)).collect();
    assert!(table == golden, "review and update crates/vital/tests/http/access.golden.txt:\n{table}\nnot in it so far:\n{unexpected:#?}");
}

#[tokio::test]
async fn a_foreign_tenant_sees_404_not_403() {
    let app = app().await;
    // With every role there is, so that no route refuses them before it looks for the thing.
    let everything = "{viewer,member,expert_author,reviewer,tenant_admin,auditor}";
    app.sql(&format!("update members set roles = '{everything}' where email = '{}'", Persona::OtherMember.email())).await;
    let foreign = app.client(Persona::OtherMember);
    for (method, template) in operations().iter().filter(|(_, t)| t.contains("{id}")) {
        Targets::clean(&app).await;
        let theirs = send(&foreign, &Targets::new(&app).await, method, template).await;
        let nothing = Targets::unknown();
        let nobodys = send(&foreign, &nothing, method, template).await;
        assert_eq!((theirs.status, nobodys.status), (404, 404), "{method} {template}");
        assert_eq!(impersonal(&theirs), impersonal(&nobodys), "{method} {template} tells a foreign id from an unknown one");
    }
}

/// A reply without what differs in every reply.
fn impersonal(reply: &Reply) -> String {
    let nonce = reply.header("content-security-policy").and_then(|p| p.split("'nonce-").nth(1)?.split('\'').next()).unwrap_or("-");
    let request = reply.header("x-request-id").unwrap_or("-");
    let all = reply.everything().replace(nonce, "NONCE").replace(request, "REQUEST");
    all.lines().filter(|l| !l.starts_with("date: ")).map(|l| format!("{l}\n")).collect()
}

#[tokio::test]
async fn somebody_elses_conversation_is_not_there_for_colleagues_either() {
    let app = app().await;
    let a = app.a();
    for persona in [Persona::Viewer, Persona::ExpertAuthor, Persona::Reviewer, Persona::TenantAdmin] {
        let colleague = app.client(persona);
        for path in [
            format!("/api/v1/conversations/{}", a.conversation),
            format!("/api/v1/turns/{}", a.turn),
            format!("/api/v1/turns/{}/events", a.turn),
        ] {
            assert_eq!(colleague.get(&path).await.status, 404, "{} at {path}", persona.name());
        }
    }
    app.member().get(&format!("/api/v1/conversations/{}", a.conversation)).await.expect(200);
}
