//! Signing in through a provider of the organisation, well and badly. The tokens of programs are in `supabase.rs`.

use crate::{app, members::forget_proof};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vital_federation::scripted::{Reply as Answer, ScriptedIssuer, SigningKey};
use vital_testkit::app::{Client, Persona, Reply, TestApp};

/// What stands in no reply.
const SECRET: &str = "the-client-secret-of-this-test";
/// Claims of somebody who is not here yet.
const ADA: &str = "ada@a.example";

/// A provider with one key and an organisation that trusts it.
struct Stage {
    app: TestApp,
    issuer: ScriptedIssuer,
    key: SigningKey,
    provider: String,
    slug: String,
}

/// A sign-in that was begun.
struct Begun {
    cookie: String,
    state: String,
    nonce: String,
}

impl Stage {
    async fn new(settings: Value) -> Self {
        let (app, issuer, key) = (app().await, ScriptedIssuer::start().await, SigningKey::new("ES256", "key-1"));
        issuer.answer_keys(&[&key]);
        // Asked for what a token lacks; it knows no more.
        issuer.answer("/userinfo", Answer::json(&json!({ "sub": "subject-of-ada" })));
        let mut new = json!({
            "kind": "oidc", "name": "Corporate accounts", "issuer": issuer.issuer, "client_id": "vital", "secret": SECRET,
            "role_claim": "groups", "role_map": { "authors": ["member", "expert_author"], "admins": ["tenant_admin"], "readers": ["viewer"] },
        });
        for (name, value) in settings.as_object().unwrap() {
            new[name] = value.clone();
        }
        let made = app.client(Persona::TenantAdmin).post("/api/v1/sso/providers", &new).await.expect(201);
        assert!(!made.everything().contains(SECRET), "a secret goes in and never comes out");
        let provider = made.json()["id"].as_str().unwrap().to_owned();
        let slug = app.sql_text(&format!("select slug from directory.tenants where id = '{}'", app.a().tenant)).await.unwrap();
        Self { app, issuer, key, provider, slug }
    }

    fn nobody(&self) -> Client {
        self.app.client(Persona::Anonymous)
    }

    async fn begin(&self, next: &str) -> Begun {
        let path = format!("/sign-in/sso/{}/{}{next}", self.slug, self.provider);
        let reply = self.nobody().get(&path).await.expect(303);
        let to = reply.header("location").unwrap();
        assert!(to.starts_with(&format!("{}/authorize?tenant=a&", self.issuer.issuer)), "{to}");
        let parameter = |name: &str| {
            to.split(['?', '&']).find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap_or_else(|| panic!("{name} in {to}")).to_owned()
        };
        assert_eq!((parameter("code_challenge_method").as_str(), parameter("response_type").as_str()), ("S256", "code"));
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Max-Age=300"), "{cookie}");
        Begun { cookie: cookie.split(';').next().unwrap().to_owned(), state: parameter("state"), nonce: parameter("nonce") }
    }

    /// The claims of an honest provider, with changes.
    fn claims(&self, nonce: &str, changes: &Value) -> Value {
        let now = time_now();
        let mut claims = json!({
            "iss": self.issuer.issuer, "sub": "subject-of-ada", "aud": "vital", "exp": now + 300, "iat": now, "nonce": nonce,
            "email": ADA, "email_verified": true, "name": "Ada Lovelace", "groups": ["authors"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn answer_token(&self, claims: &Value) {
        let id_token = self.key.sign(&self.key.header(), claims);
        self.issuer.answer("/token", Answer::json(&json!({ "access_token": "access-1", "token_type": "Bearer", "id_token": id_token })));
    }

    async fn come_back(&self, query: &str, cookie: Option<&str>) -> Reply {
        let request = self.nobody().request("GET", &format!("/sign-in/sso/callback?{query}")).header("sec-fetch-site", "cross-site");
        cookie.into_iter().fold(request, |r, c| r.header("cookie", c)).send().await
    }

    /// Signs in with an honest token with changes.
    async fn sign_in(&self, changes: Value) -> Reply {
        let begun = self.begin("").await;
        self.answer_token(&self.claims(&begun.nonce, &changes));
        self.come_back(&format!("code=code-1&state={}", begun.state), Some(&begun.cookie)).await
    }

    async fn change(&self, change: Value) -> Reply {
        self.app
            .client(Persona::TenantAdmin)
            .request("PATCH", &format!("/api/v1/sso/providers/{}", self.provider))
            .json(&change)
            .send()
            .await
    }

    async fn count(&self, query: &str) -> String {
        self.app.sql_text(query).await.unwrap()
    }
}

fn time_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The session that a reply opens.
fn session(app: &TestApp, reply: &Reply) -> Client {
    let cookies: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
    let token = cookies.iter().find_map(|c| c.strip_prefix("vital_session=")).unwrap_or_else(|| panic!("no session in {cookies:?}"));
    assert!(cookies.iter().any(|c| c.starts_with("vital_sso=;") && c.contains("Max-Age=0")), "the ticket is taken away: {cookies:?}");
    app.with_token(token.split(';').next().unwrap())
}

/// Nobody was signed in, and the page says so with these words.
fn refused(reply: Reply, status: u16, words: &str) {
    let reply = reply.expect(status);
    assert!(reply.text().contains(words), "{words}: {}", reply.text());
    assert!(!reply.headers.get_all("set-cookie").iter().any(|v| v.to_str().unwrap().starts_with("vital_session=")), "{:?}", reply.headers);
    assert!(reply.text().contains("Sign in with your organisation"));
}

#[tokio::test]
async fn a_new_person_gets_an_account_with_the_roles_of_their_groups() {
    let stage = Stage::new(json!({})).await;
    let begun = stage.begin("?next=/library").await;
    stage.answer_token(&stage.claims(&begun.nonce, &json!({})));
    let reply = stage.come_back(&format!("code=code-1&state={}", begun.state), Some(&begun.cookie)).await.expect(303);
    assert_eq!(reply.header("location"), Some("/library"));
    let ada = session(&stage.app, &reply);
    let me = ada.get("/api/v1/me").await.expect(200).json();
    assert_eq!(
        (&me["email"], &me["display_name"], &me["roles"]),
        (&json!(ADA), &json!("Ada Lovelace"), &json!(["member", "expert_author"]))
    );
    assert_eq!((&me["tenant"], &me["stepped_up"]), (&json!(stage.app.a().tenant), &json!(false)));
    assert_eq!(ada.get("/api/v1/sessions").await.expect(200).items()[0]["method"], "sso");
    let exchange = &stage.issuer.requests("/token")[0];
    assert_eq!(exchange.form()["redirect_uri"], format!("http://localhost:{}/sign-in/sso/callback", stage.app.address().port()));
    assert_eq!(stage.count(&format!("select password_hash is null from directory.logins where email = '{ADA}'")).await, "true");
    let again = stage.sign_in(json!({ "email": "other@a.example", "email_verified": false })).await.expect(303);
    let same = session(&stage.app, &again).get("/api/v1/me").await.expect(200).json();
    assert_eq!((&same["id"], &same["email"]), (&me["id"], &me["email"]), "the subject is the person, whatever the address says later");
}

#[tokio::test]
async fn somebody_who_is_here_is_linked_by_a_confirmed_address_alone() {
    let stage = Stage::new(json!({})).await;
    let member = Persona::Member.email();
    let unconfirmed = json!({ "email": member, "email_verified": false });
    refused(stage.sign_in(unconfirmed.clone()).await, 403, "confirmed your e-mail address");
    refused(stage.sign_in(json!({ "email": null })).await, 403, "confirmed your e-mail address");
    let linked = session(&stage.app, &stage.sign_in(json!({ "email": member.to_uppercase() })).await.expect(303));
    let id = stage.app.member().get("/api/v1/me").await.expect(200).json()["id"].clone();
    assert_eq!(linked.get("/api/v1/me").await.expect(200).json()["id"], id);
    assert_eq!(stage.count("select count(*) from audit_entries where action = 'sso.identity_linked'").await, "1");
    stage.change(json!({ "emails_verified": true })).await.expect(200);
    let vouched = json!({ "email": "grace@a.example", "email_verified": false, "sub": "subject-of-grace" });
    session(&stage.app, &stage.sign_in(vouched).await.expect(303));
}

#[tokio::test]
async fn an_address_of_another_organisation_leads_nowhere() {
    let stage = Stage::new(json!({})).await;
    refused(stage.sign_in(json!({ "email": Persona::OtherMember.email() })).await, 409, "belongs to another account");
    assert_eq!(stage.count("select count(*) from identities").await, "0");
}

#[tokio::test]
async fn who_has_no_mapped_role_or_no_account_does_not_get_in() {
    let stage = Stage::new(json!({})).await;
    refused(stage.sign_in(json!({ "groups": ["strangers", "AUTHORS"] })).await, 403, "none of your groups there has a role");
    refused(stage.sign_in(json!({ "groups": { "authors": true } })).await, 403, "none of your groups there has a role");
    stage.change(json!({ "default_roles": ["viewer"], "create_members": false })).await.expect(200);
    refused(stage.sign_in(json!({ "groups": [] })).await, 403, "an administrator of your organisation to invite you");
    stage.change(json!({ "create_members": true, "tenant_claim": "organisations" })).await.expect(200);
    refused(stage.sign_in(json!({ "organisations": ["somebody-else"] })).await, 403, "not for this organisation");
    let reply = stage.sign_in(json!({ "groups": [], "organisations": ["x", stage.slug] })).await.expect(303);
    assert_eq!(session(&stage.app, &reply).get("/api/v1/me").await.expect(200).json()["roles"], json!(["viewer"]));
}

#[tokio::test]
async fn roles_follow_the_groups_at_every_sign_in_and_the_last_administrator_stays() {
    let stage = Stage::new(json!({})).await;
    let first = session(&stage.app, &stage.sign_in(json!({})).await.expect(303));
    let reply = stage.sign_in(json!({ "groups": ["readers"] })).await.expect(303);
    for client in [&first, &session(&stage.app, &reply)] {
        assert_eq!(client.get("/api/v1/me").await.expect(200).json()["roles"], json!(["viewer"]), "open sessions go on with the new roles");
    }
    assert_eq!(stage.count("select count(*) from audit_entries where action = 'user.roles_changed'").await, "1");
    let admin = json!({ "email": Persona::TenantAdmin.email(), "sub": "subject-of-admin", "groups": ["readers"] });
    let kept = session(&stage.app, &stage.sign_in(admin).await.expect(303));
    assert_eq!(kept.get("/api/v1/me").await.expect(200).json()["roles"], json!(["viewer", "tenant_admin"]));
}

#[tokio::test]
async fn a_member_who_was_deactivated_here_stays_out() {
    let stage = Stage::new(json!({})).await;
    let ada = session(&stage.app, &stage.sign_in(json!({})).await.expect(303));
    let id = ada.get("/api/v1/me").await.expect(200).json()["id"].as_str().unwrap().to_owned();
    stage.app.client(Persona::TenantAdmin).act(&format!("/api/v1/members/{id}/deactivate")).await.expect(204);
    ada.get("/api/v1/me").await.problem(401, "session.none");
    refused(stage.sign_in(json!({})).await, 403, "has been deactivated");
    stage.app.sql(&format!("update members set active = false where email = '{}'", Persona::Viewer.email())).await;
    let unlinked = json!({ "sub": "subject-of-viewer", "email": Persona::Viewer.email() });
    refused(stage.sign_in(unlinked).await, 403, "has been deactivated");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_unless_the_provider_has_asked() {
    let stage = Stage::new(json!({})).await;
    session(&stage.app, &stage.sign_in(json!({})).await.expect(303));
    stage
        .app
        .sql(&format!(
            "insert into factors (tenant_id, id, member_id, kind, name, secret, confirmed_at, created_at)
             select tenant, gen_random_uuid(), user_id, 'totp', 'Phone', '\\x02', now(), now() from directory.logins where email = '{ADA}'"
        ))
        .await;
    let asked = stage.sign_in(json!({})).await.expect(200);
    assert!(asked.text().contains("Second factor") && !asked.everything().contains("vital_session="), "{}", asked.text());
    stage.change(json!({ "proves_second_factor": true })).await.expect(200);
    let reply = stage.sign_in(json!({})).await.expect(303);
    assert_eq!(session(&stage.app, &reply).get("/api/v1/me").await.expect(200).json()["stepped_up"], true);
}

#[tokio::test]
async fn a_return_counts_once_in_the_browser_that_began_and_from_the_provider_that_was_asked() {
    let stage = Stage::new(json!({})).await;
    let not_begun = "was not begun in this browser";
    let begun = stage.begin("").await;
    stage.answer_token(&stage.claims(&begun.nonce, &json!({})));
    let query = format!("code=code-1&state={}", begun.state);
    refused(stage.come_back(&query, None).await, 401, not_begun);
    refused(stage.come_back(&query, Some("vital_sso=guessed")).await, 401, not_begun);
    stage.come_back(&query, Some(&begun.cookie)).await.expect(303);
    refused(stage.come_back(&query, Some(&begun.cookie)).await, 401, not_begun);

    for wrong in ["code=code-1&state=other", "code=code-1", "state={}", "code=code-1&state={}&iss=https%3A%2F%2Fevil.example"] {
        let begun = stage.begin("").await;
        stage.answer_token(&stage.claims(&begun.nonce, &json!({})));
        refused(
            stage.come_back(&wrong.replace("{}", &begun.state), Some(&begun.cookie)).await,
            401,
            "does not belong to the one that was begun",
        );
        let right = format!("code=code-1&state={}", begun.state);
        refused(stage.come_back(&right, Some(&begun.cookie)).await, 401, not_begun);
    }
    let begun = stage.begin("").await;
    let denied = format!("error=access_denied&error_description=%3Cb%3E&state={}", begun.state);
    refused(stage.come_back(&denied, Some(&begun.cookie)).await, 401, "access_denied");
    let late = stage.begin("").await;
    stage.app.sql("update directory.ceremonies set ends_at = now() - interval '1 second'").await;
    refused(stage.come_back(&format!("code=code-1&state={}", late.state), Some(&late.cookie)).await, 401, not_begun);
    for changes in
        [json!({ "nonce": "another" }), json!({ "aud": "another" }), json!({ "iss": "https://evil.example" }), json!({ "exp": 1 })]
    {
        refused(stage.sign_in(changes).await, 401, "token of the identity provider was refused");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_slow_or_endless_is_said_to_be() {
    let stage = Stage::new(json!({})).await;
    let cases = [
        (Answer::status(503, &json!({})), 502, "error status 503"),
        (Answer::Endless, 502, "something that cannot be used"),
        (Answer::Silent, 504, "did not answer in time"),
        (Answer::status(400, &json!({ "error": "invalid_client" })), 502, "invalid_client"),
    ];
    for (answer, status, words) in cases {
        let begun = stage.begin("").await;
        stage.issuer.answer("/token", answer);
        refused(stage.come_back(&format!("code=code-1&state={}", begun.state), Some(&begun.cookie)).await, status, words);
    }
    let admin = stage.app.client(Persona::TenantAdmin);
    let test = format!("/api/v1/sso/providers/{}/test", stage.provider);
    assert_eq!(admin.act(&test).await.expect(200).json()["reachable"], true);
    stage.issuer.answer_metadata(&json!({ "issuer": "https://evil.example" }));
    let found = admin.act(&test).await.expect(200).json();
    assert!(found["reachable"] == false && found["detail"].as_str().unwrap().contains("names another issuer"), "{found}");
    let page = admin.request("POST", &format!("/settings/sso/{}/test", stage.provider)).form(&[]).send().await.expect(200);
    assert!(page.text().contains("names another issuer"));
    let Stage { app, issuer, provider, slug, .. } = stage;
    drop(issuer);
    assert_eq!(admin.act(&test).await.expect(200).json()["reachable"], false);
    app.client(Persona::Anonymous).get(&format!("/sign-in/sso/{slug}/{provider}")).await.expect(303);
}

#[tokio::test]
async fn a_test_of_a_provider_is_no_map_of_our_network() {
    let stage = Stage::new(json!({})).await;
    let admin = stage.app.client(Persona::TenantAdmin);
    // Where this machine is allowed at all, as here for tests, a port that hangs up and one that is closed look alike.
    let hanging_up = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = hanging_up.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            drop(hanging_up.accept().await);
        }
    });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut told = Vec::new();
    for issuer in [format!("http://{open}"), format!("http://{closed}"), format!("https://{open}"), format!("https://{closed}")] {
        let new = json!({ "kind": "oidc", "name": "Probe", "issuer": issuer, "client_id": "x", "default_roles": ["viewer"] });
        let id = admin.post("/api/v1/sso/providers", &new).await.expect(201).json()["id"].as_str().unwrap().to_owned();
        let found = admin.act(&format!("/api/v1/sso/providers/{id}/test")).await.expect(200).json();
        assert!(found["took_ms"].as_u64().unwrap() >= 3_000, "{found}");
        told.push((found["reachable"].clone(), found["detail"].clone()));
    }
    task.abort();
    assert!(told[0].0 == false && told.iter().all(|it| *it == told[0]), "{told:?}");
    // Elsewhere the text of the address decides, before anything is looked up.
    for issuer in [
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[::ffff:10.0.0.1]",
        "https://2130706433",
        "https://idp.example:22",
        "https://intranet",
    ] {
        let new = json!({ "kind": "oidc", "name": "Probe", "issuer": issuer, "client_id": "x", "default_roles": ["viewer"] });
        admin.post("/api/v1/sso/providers", &new).await.problem(422, "sso.invalid");
    }
}

#[tokio::test]
async fn a_test_asks_for_a_recent_second_factor() {
    let app = app().await;
    forget_proof(&app, Persona::TenantAdmin).await;
    // It is asked for first: whether there is such a provider is not told before.
    let test = "/api/v1/sso/providers/01890a5d-ac96-774b-bcce-b302099a8057/test";
    app.client(Persona::TenantAdmin).act(test).await.problem(403, "step_up.required");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_no_dead_end() {
    let stage = Stage::new(json!({})).await;
    let Stage { app, issuer, provider, slug, .. } = stage;
    drop(issuer);
    let reply = app.client(Persona::Anonymous).get(&format!("/sign-in/sso/{slug}/{provider}?next=/library")).await;
    assert!(reply.text().contains("Sign in with a password") && reply.text().contains("next=%2Flibrary"));
    refused(reply, 502, "could not be reached");
}

#[tokio::test]
async fn the_way_back_leads_to_this_site_alone() {
    let stage = Stage::new(json!({})).await;
    for next in ["//evil.example", "https://evil.example", "/%5Cevil.example", "/%09/evil.example"] {
        let begun = stage.begin(&format!("?next={next}")).await;
        stage.answer_token(&stage.claims(&begun.nonce, &json!({})));
        let reply = stage.come_back(&format!("code=code-1&state={}", begun.state), Some(&begun.cookie)).await.expect(303);
        assert_eq!(reply.header("location"), Some("/"), "{next}");
    }
}

#[tokio::test]
async fn an_organisation_that_is_not_here_looks_like_one_without_single_sign_on() {
    let stage = Stage::new(json!({})).await;
    let look = async |slug: &str| stage.nobody().get(&format!("/sign-in/sso?organisation={slug}")).await.expect(200).text().to_owned();
    assert!(look(&stage.slug).await.contains("Corporate accounts"));
    let b = stage.count(&format!("select slug from directory.tenants where id = '{}'", stage.app.b().tenant)).await;
    let bare = |text: String, slug: &str| {
        text.replace(slug, "SLUG").split("nonce=\"").map(|p| p.split_once('"').map_or(p, |(_, r)| r).to_owned()).collect::<String>()
    };
    assert_eq!(bare(look(&b).await, &b), bare(look("nobody-here").await, "nobody-here"));
    for path in [format!("nobody-here/{}", stage.provider), format!("{b}/{}", stage.provider), format!("{}/x", stage.slug)] {
        refused(stage.nobody().get(&format!("/sign-in/sso/{path}")).await, 404, "no such single sign-on");
    }
    stage.change(json!({ "active": false })).await.expect(200);
    assert!(!look(&stage.slug).await.contains("Corporate accounts"));
    refused(stage.nobody().get(&format!("/sign-in/sso/{}/{}", stage.slug, stage.provider)).await, 404, "no such single sign-on");
}

#[tokio::test]
async fn settings_that_would_let_the_wrong_people_in_are_refused_field_by_field() {
    let stage = Stage::new(json!({})).await;
    let admin = stage.app.client(Persona::TenantAdmin);
    let cases = [
        (json!({ "role_claim": "user_metadata.roles" }), "/role_claim"),
        (json!({ "role_claim": "user_metadata" }), "/role_claim"),
        (json!({ "tenant_claim": "raw_user_meta_data.org" }), "/tenant_claim"),
        (json!({ "default_roles": ["tenant_admin"] }), "/default_roles"),
        (json!({ "role_map": {} }), "/default_roles"),
        (json!({ "role_map": { "a": [] } }), "/role_map"),
        (json!({ "role_claim": "" }), "/role_claim"),
        (json!({ "name": " " }), "/name"),
        (json!({ "scopes": ["a b"] }), "/scopes"),
        (json!({ "jwks_url": "https://idp.example/jwks" }), "/jwks_url"),
    ];
    for (change, pointer) in cases {
        let problem = stage.change(change.clone()).await.problem(422, "sso.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{change}");
    }
    stage.change(json!({ "issuer": "https://evil.example" })).await.problem(422, "request.field");
    for issuer in ["http://idp.example", "https://idp.example/?x=1", "idp", "https://u:p@idp.example"] {
        let new = json!({ "kind": "oidc", "name": "X", "issuer": issuer, "client_id": "x", "default_roles": ["viewer"] });
        assert_eq!(
            admin.post("/api/v1/sso/providers", &new).await.problem(422, "sso.invalid")["errors"][0]["pointer"],
            "/issuer",
            "{issuer}"
        );
    }
    let elsewhere = json!({
        "kind": "supabase", "name": "X", "issuer": "https://p.supabase.example/auth/v1", "client_id": "authenticated", "default_roles": ["viewer"],
        "jwks_url": "https://evil.example/jwks",
    });
    assert_eq!(admin.post("/api/v1/sso/providers", &elsewhere).await.problem(422, "sso.invalid")["errors"][0]["pointer"], "/jwks_url");
}

#[tokio::test]
async fn secrets_are_sealed_and_in_no_reply_and_the_last_way_in_stays() {
    let stage = Stage::new(json!({})).await;
    let admin = stage.app.client(Persona::TenantAdmin);
    let one = format!("/api/v1/sso/providers/{}", stage.provider);
    for path in ["/api/v1/sso/providers", &one, "/settings/sso", &format!("/settings/sso/{}", stage.provider)] {
        let reply = admin.get(path).await.expect(200);
        assert!(!reply.everything().contains(SECRET), "{path}");
    }
    let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
    assert!(!stage.count("select encode(secret, 'hex') from sso_providers").await.contains(&hex));
    stage.app.sql("update directory.tenants set password_sign_in = false").await;
    stage.change(json!({ "active": false })).await.problem(409, "sso.last_way_in");
    admin.delete(&one).await.problem(409, "sso.last_way_in");
    stage.app.sql("update directory.tenants set password_sign_in = true").await;
    session(&stage.app, &stage.sign_in(json!({})).await.expect(303));
    admin.delete(&one).await.expect(204);
    assert_eq!(stage.count("select count(*) from identities").await, "0");
    assert_eq!(stage.count("select count(*) from directory.issuers").await, "0");
    stage.app.client(Persona::OtherMember).get(&one).await.problem(403, "access.denied");
}
