//! Who may read a collection and ask an expert: its owner, members of groups, everybody; and what others see of it, which is nothing.

use crate::{app, contract, ended, settled};
use serde_json::{Value, json};
use std::fmt::Write as _;
use uuid::Uuid;
use vital_testkit::app::{Client, Form, Persona, Reply, TestApp};

/// A word of a document that only some may read.
const SECRET: &str = "zanzibarite";
/// A word of the name of its collection.
const SHELF: &str = "quetzal";
/// What the document says, asked without its secret word.
const QUESTION: &str = "What is the retest period of the coded tablets?";

/// Everybody in organisation A but nobody, and somebody of organisation B. The member owns what these tests share, the author is in the group.
const PEOPLE: [(Persona, &str); 7] = [
    (Persona::Member, "owner"),
    (Persona::ExpertAuthor, "in the group"),
    (Persona::Reviewer, "other member"),
    (Persona::Viewer, "viewer"),
    (Persona::TenantAdmin, "admin"),
    (Persona::Auditor, "auditor"),
    (Persona::OtherMember, "other tenant"),
];

/// Makes a group of organisation A with the author in it.
async fn group(app: &TestApp) -> String {
    let (id, tenant) = (Uuid::new_v4().to_string(), &app.a().tenant);
    app.sql(&format!(
        "insert into groups (tenant_id, id, name, created_at, updated_at) values ('{tenant}', '{id}', 'Group {id}', now(), now());
         insert into group_members (tenant_id, group_id, member_id) select '{tenant}', '{id}', user_id from directory.logins where email = '{}'",
        Persona::ExpertAuthor.email()
    ))
    .await;
    id
}

fn sharing(access: &str, group: &str) -> Value {
    if access == "group" { json!({ "access": access, "groups": [group] }) } else { json!({ "access": access }) }
}

/// The member makes a collection and returns its slug.
async fn collection(app: &TestApp, name: &str, access: &str, group: &str) -> String {
    let mut body = sharing(access, group);
    body["name"] = json!(name);
    let made = app.member().post("/api/v1/collections", &body).await.expect(201);
    let slug = made.json()["slug"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), Some(format!("/api/v1/collections/{slug}").as_str()));
    slug
}

async fn upload_to(client: &Client, slug: &str, name: &str, text: &str) -> Reply {
    let form = Form::new().field("collection", slug).file(name, text);
    client.request("POST", "/api/v1/documents").form_data(&form).send().await
}

/// The member adds the secret document and waits until it can be found.
async fn secret_in(app: &TestApp, slug: &str) -> String {
    let text = format!("# Coded tablets of {SECRET}\n\nThe retest period of the coded tablets of {SECRET} is 41 months at 25 °C.");
    let added = upload_to(&app.member(), slug, &format!("{SECRET}.md"), &text).await.expect(201).json();
    let id = added["id"].as_str().unwrap().to_owned();
    assert_eq!(settled(&app.member(), &id).await["state"], "ready");
    id
}

/// Writes a document that failed into a collection, to be retried or deleted.
async fn failed_in(app: &TestApp, slug: &str) -> String {
    let id = Uuid::new_v4().to_string();
    let title = app.sealed("documents.title", &id, "scan").await;
    let file_name = app.sealed("documents.file_name", &id, "scan.pdf").await;
    app.sql(&format!(
        "insert into documents (tenant_id, id, collection_id, title, file_name, size_bytes, content_hash, authority, state, failure_code,
                                failure_detail, created_at)
         select tenant_id, '{id}', id, {title}, {file_name}, 9, sha256('{id}'), 'own', 'failed', 'document.no_text', 'No text.', now()
         from collections where tenant_id = '{}' and slug = '{slug}'",
        app.a().tenant
    ))
    .await;
    id
}

async fn change(client: &Client, slug: &str, body: &Value) -> Reply {
    client.request("PATCH", &format!("/api/v1/collections/{slug}")).json(body).send().await
}

async fn share_expert(client: &Client, slug: &str, body: &Value) -> Reply {
    client.request("PATCH", &format!("/api/v1/experts/{slug}/access")).json(body).send().await
}

fn yes(seen: bool) -> &'static str {
    if seen { "yes" } else { "-" }
}

/// What one person can do with a collection and its document.
async fn row(app: &TestApp, persona: Persona, slug: &str, document: &str) -> String {
    let client = app.client(persona);
    let listed = client.get("/api/v1/collections").await;
    let listed = listed.status == 200 && listed.items().as_array().unwrap().iter().any(|c| c["slug"] == slug);
    let documents = client.get(&format!("/api/v1/documents?collection={slug}")).await.text().contains(document);
    let statuses = [
        client.get(&format!("/api/v1/documents/{document}")).await.status,
        client.get(&format!("/api/v1/documents/{document}/text")).await.status,
        client.get(&format!("/library/documents/{document}")).await.status,
    ];
    let read = statuses.iter().all(|s| *s == 200);
    assert!(read || statuses.iter().all(|s| [403, 404].contains(s)), "{statuses:?}");
    let found = client.get("/api/v1/search?q=retest+period+of+coded+tablets&limit=100").await.text().contains(document);
    let asked = asked(&client, document).await;
    let failed = failed_in(app, slug).await;
    let retried = client.act(&format!("/api/v1/documents/{failed}/retry")).await.status;
    let failed = failed_in(app, slug).await;
    let deleted = client.delete(&format!("/api/v1/documents/{failed}")).await.status;
    let added = upload_to(&client, slug, "note.txt", &format!("Note {}.", Uuid::new_v4())).await.status;
    format!(
        "{:<5} {:<5} {:<5} {:<6} {:<8} {retried} {deleted} {added}",
        yes(listed),
        yes(documents),
        yes(read),
        yes(found),
        asked.map_or("403", yes)
    )
}

/// Whether an answer to somebody uses the document: in what was retrieved and in what is cited, both or neither. None where they may not ask.
async fn asked(client: &Client, document: &str) -> Option<bool> {
    let opened = client.post("/api/v1/conversations", &json!({})).await;
    if opened.status == 403 {
        return None;
    }
    let conversation = opened.expect(201).json()["id"].as_str().unwrap().to_owned();
    let turn = client.ask(&conversation, QUESTION).await;
    let events = client.follow(&turn, None).await.all().await;
    let retrieved = events.iter().any(|e| e.name == "retrieved" && e.data.to_string().contains(document));
    let turn = ended(client, &turn).await;
    let cited = turn["answer"]["citations"].to_string().contains(document);
    assert_eq!(retrieved, cited, "{turn:#}");
    assert!(cited || !events.iter().any(|e| e.data.to_string().contains(SECRET)), "{events:#?}");
    Some(cited)
}

#[tokio::test]
async fn a_collection_is_read_by_exactly_those_it_is_shared_with() {
    let app = app().await;
    let group = group(&app).await;
    let mut table = String::new();
    for access in ["private", "group", "tenant"] {
        let _infallible = writeln!(table, "{access:<14}list  docs  read  search ask      retry delete add");
        let slug = collection(&app, &format!("{SHELF} {access}"), access, &group).await;
        let document = secret_in(&app, &slug).await;
        for (persona, name) in PEOPLE {
            let _infallible = writeln!(table, "{name:<14}{}", row(&app, persona, &slug, &document).await);
        }
        app.member().delete(&format!("/api/v1/documents/{document}")).await.expect(204);
    }
    let expected = "\
private       list  docs  read  search ask      retry delete add
owner         yes   yes   yes   yes    yes      202 204 201
in the group  -     -     -     -      -        404 404 404
other member  -     -     -     -      -        404 404 404
viewer        -     -     -     -      403      403 403 403
admin         -     -     -     -      -        404 404 404
auditor       -     -     -     -      403      403 403 403
other tenant  -     -     -     -      -        404 404 404
group         list  docs  read  search ask      retry delete add
owner         yes   yes   yes   yes    yes      202 204 201
in the group  yes   yes   yes   yes    yes      202 403 201
other member  -     -     -     -      -        404 404 404
viewer        -     -     -     -      403      403 403 403
admin         -     -     -     -      -        404 404 404
auditor       -     -     -     -      403      403 403 403
other tenant  -     -     -     -      -        404 404 404
tenant        list  docs  read  search ask      retry delete add
owner         yes   yes   yes   yes    yes      202 204 201
in the group  yes   yes   yes   yes    yes      202 403 201
other member  yes   yes   yes   yes    yes      202 403 201
viewer        yes   yes   yes   yes    403      403 403 403
admin         yes   yes   yes   yes    yes      202 204 201
auditor       -     -     -     -      403      403 403 403
other tenant  -     -     -     -      -        404 404 404
";
    assert_eq!(table, expected, "{table}");
}

#[tokio::test]
async fn a_grant_that_is_taken_back_ends_with_the_next_request_and_old_answers_keep_their_words() {
    let app = app().await;
    let group = group(&app).await;
    let slug = collection(&app, SHELF, "group", &group).await;
    let document = secret_in(&app, &slug).await;
    let author = app.client(Persona::ExpertAuthor);
    let conversation = author.open().await;
    let before = ended(&author, &author.ask(&conversation, QUESTION).await).await;
    assert!(before["answer"]["citations"].to_string().contains(SECRET), "{before:#}");
    change(&app.member(), &slug, &sharing("private", &group)).await.expect(200);
    author.get(&format!("/api/v1/documents/{document}/text")).await.problem(404, "document.unknown");
    assert!(!author.get("/api/v1/search?q=retest+period&limit=100").await.text().contains(&document));
    assert_eq!(author.turn(before["id"].as_str().unwrap()).await["answer"], before["answer"], "what was answered stays");
    change(&app.member(), &slug, &sharing("group", &group)).await.expect(200);
    author.get(&format!("/api/v1/documents/{document}/text")).await.expect(200);
    app.sql(&format!("delete from group_members where group_id = '{group}'")).await;
    author.get(&format!("/api/v1/documents/{document}/text")).await.problem(404, "document.unknown");
    assert_eq!(asked(&author, &document).await, Some(false), "leaving the group ends it as well");
}

#[tokio::test]
async fn no_route_tells_others_a_word_of_a_private_document() {
    let app = app().await;
    let slug = collection(&app, SHELF, "private", "").await;
    let document = secret_in(&app, &slug).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION).await;
    assert!(ended(&member, &turn).await["answer"].to_string().contains(SECRET));
    let mut paths: Vec<String> =
        ["/search?q=retest+period", "/api/v1/search?q=coded+tablets&limit=100", "/api/v1/documents?limit=200"].map(str::to_owned).into();
    for what in [format!("collection={slug}"), "title=coded".to_owned(), "starter=false".to_owned()] {
        paths.push(format!("/library?{what}"));
        paths.push(format!("/api/v1/documents?{what}&limit=200"));
    }
    paths.push(format!("/api/v1/search?q=retest&collection={slug}"));
    for (_, template) in contract::described().into_iter().chain(contract::routed()).filter(|(method, _)| method == "GET") {
        for id in [&document, &conversation, &turn] {
            paths.push(template.replace("{id}", id).replace("{slug}", &slug).replace("{version}", "x").replace("{name}", "x"));
        }
    }
    paths.sort();
    paths.dedup();
    for (persona, name) in PEOPLE.into_iter().skip(1) {
        let client = app.client(persona);
        for path in &paths {
            let seen = client.get(path).await.everything().to_lowercase();
            // The trail names ids of whatever there is to those who read everybody's trail, and no words of it.
            let trail = path.contains("/audit") && matches!(persona, Persona::TenantAdmin | Persona::Auditor);
            assert!(!seen.contains(&document) || path.contains(&document) || trail, "{name} at {path}: {seen}");
            assert!(!seen.contains(SECRET), "{name} at {path}: {seen}");
            assert!(!seen.contains(SHELF) || persona == Persona::TenantAdmin || path.contains(&slug), "{name} at {path}: {seen}");
        }
    }
    let count = |collections: Value| {
        collections.as_array().unwrap().iter().filter(|c| c["starter"] == false).map(|c| c["documents"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(count(member.get("/api/v1/collections").await.items()), 2);
    assert_eq!(count(app.client(Persona::Reviewer).get("/api/v1/collections").await.items()), 1, "counters do not count it");
    let all = app.client(Persona::TenantAdmin).get("/api/v1/collections/access").await.expect(200).items();
    let row = all.as_array().unwrap().iter().find(|c| c["slug"] == slug.as_str()).unwrap().clone();
    assert_eq!(
        (&row["name"], &row["access"], &row["owned"]),
        (&json!(SHELF), &json!("private"), &json!(false)),
        "names and access are told"
    );
    let own = app.client(Persona::Reviewer).get("/api/v1/collections/access").await.expect(200).items();
    assert_eq!(own, json!([]), "who does not manage collections sees own ones");
}

#[tokio::test]
async fn only_the_owner_or_who_manages_collections_and_proves_it_changes_one() {
    let app = app().await;
    let group = group(&app).await;
    let (hidden, open) = (collection(&app, "Hidden", "private", "").await, collection(&app, "Open", "tenant", "").await);
    let (reviewer, admin) = (app.client(Persona::Reviewer), app.client(Persona::TenantAdmin));
    let stale = crate::members::without_proof(&app, Persona::TenantAdmin).await;
    for (slug, status, code) in [(&hidden, 404, "collection.unknown"), (&open, 403, "access.denied")] {
        change(&reviewer, slug, &sharing("tenant", "")).await.problem(status, code);
        reviewer.delete(&format!("/api/v1/collections/{slug}")).await.problem(status, code);
        change(&stale, slug, &sharing("tenant", "")).await.problem(403, "step_up.required");
        stale.delete(&format!("/api/v1/collections/{slug}")).await.problem(403, "step_up.required");
        change(&app.client(Persona::OtherMember), slug, &sharing("tenant", "")).await.problem(404, "collection.unknown");
    }
    change(&app.client(Persona::Viewer), &open, &sharing("private", "")).await.problem(403, "access.denied");
    let changed =
        change(&admin, &hidden, &json!({ "name": "Renamed", "access": "group", "groups": [group, group] })).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["access"], &changed["groups"]), (&json!("Renamed"), &json!("group"), &json!([group])));
    let owned = app.member().get("/api/v1/collections").await.items();
    let owned = owned.as_array().unwrap().iter().find(|c| c["slug"] == hidden.as_str()).unwrap().clone();
    assert_eq!((&owned["owned"], &owned["access"]), (&json!(true), &json!("group")), "it still belongs to its owner");
    admin.delete(&format!("/api/v1/collections/{hidden}")).await.expect(204);
    let trail =
        app.sql_text("select string_agg(action, ' ' order by id) from audit_entries where action like 'collection.%'").await.unwrap();
    assert_eq!(trail, "collection.created collection.created collection.renamed collection.shared collection.deleted");
}

#[tokio::test]
async fn what_belongs_to_everybody_stays_open_and_what_holds_documents_stays() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    for slug in ["own", "regulatory"] {
        change(&admin, slug, &sharing("private", "")).await.problem(409, "collection.fixed");
        admin.delete(&format!("/api/v1/collections/{slug}")).await.problem(409, "collection.fixed");
    }
    let slug = collection(&app, SHELF, "tenant", "").await;
    let document = failed_in(&app, &slug).await;
    let refused = app.member().delete(&format!("/api/v1/collections/{slug}")).await.problem(409, "collection.not_empty");
    assert!(refused["detail"].as_str().unwrap().contains("1 document."), "{refused}");
    app.member().delete(&format!("/api/v1/documents/{document}")).await.expect(204);
    app.member().delete(&format!("/api/v1/collections/{slug}")).await.expect(204);
    app.member().delete(&format!("/api/v1/collections/{slug}")).await.problem(404, "collection.unknown");
}

#[tokio::test]
async fn a_collection_needs_a_name_and_groups_of_ones_own_organisation() {
    let app = app().await;
    let member = app.member();
    let group = group(&app).await;
    let create = async |body: Value| member.post("/api/v1/collections", &body).await;
    for name in ["", " ", "a\u{0}b", &"n".repeat(121)] {
        create(json!({ "name": name, "access": "private" })).await.problem(422, "collection.name");
    }
    create(json!({ "name": "A", "access": "group" })).await.problem(422, "access.no_groups");
    create(json!({ "name": "A", "access": "tenant", "groups": [group] })).await.problem(422, "access.groups_unused");
    create(json!({ "name": "A", "access": "group", "groups": [Uuid::new_v4()] })).await.problem(404, "group.unknown");
    create(json!({ "name": "A", "access": "world" })).await.problem(422, "request.field");
    create(json!({ "name": "A", "access": "private", "owner": "me" })).await.problem(422, "request.field");
    let foreign =
        app.client(Persona::OtherMember).post("/api/v1/collections", &json!({ "name": "B", "access": "group", "groups": [group] })).await;
    foreign.problem(404, "group.unknown");
    let slug = collection(&app, "Same name", "private", "").await;
    create(json!({ "name": "same NAME", "access": "private" })).await.problem(409, "collection.name_taken");
    let others = app.client(Persona::Reviewer).post("/api/v1/collections", &json!({ "name": "Same name", "access": "private" })).await;
    assert_ne!(others.expect(201).json()["slug"], slug.as_str(), "others do not learn that the name is in use");
    change(&member, &slug, &json!({ "groups": [group] })).await.problem(422, "access.groups_unused");
    app.sql(&format!(
        "insert into collections (tenant_id, id, slug, name, starter, created_at)
         select '{}', gen_random_uuid(), 'c' || n, 'c', false, now() from generate_series(1, 1000) n",
        app.a().tenant
    ))
    .await;
    create(json!({ "name": "One more", "access": "private" })).await.problem(409, "collection.too_many");
}

#[tokio::test]
async fn an_expert_that_is_not_shared_is_neither_listed_nor_found_nor_chosen() {
    const SLUG: &str = "adaptive-bayesian-design";
    const FITTING: &str = "How do I choose a prior for an adaptive Bayesian trial?";
    let app = app().await;
    let group = group(&app).await;
    let (author, member) = (app.client(Persona::ExpertAuthor), app.member());
    let before =
        member.post("/api/v1/conversations", &json!({ "expert": SLUG })).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    share_expert(&member, SLUG, &sharing("private", "")).await.problem(403, "access.denied");
    let shared = share_expert(&author, SLUG, &sharing("private", "")).await.expect(200).json();
    assert_eq!((&shared["access"], &shared["owner"]), (&json!("private"), &json!(app_name(&app, Persona::ExpertAuthor).await)));
    for (client, sees) in
        [(&author, true), (&member, false), (&app.client(Persona::TenantAdmin), false), (&app.client(Persona::OtherMember), true)]
    {
        assert_eq!(client.get("/api/v1/experts").await.text().contains(SLUG), sees);
        assert_eq!(client.get(&format!("/api/v1/experts/{SLUG}")).await.status, if sees { 200 } else { 404 });
        assert_eq!(client.get(&format!("/experts/{SLUG}")).await.status, if sees { 200 } else { 404 });
        let ranked = client.post("/api/v1/route", &json!({ "question": FITTING })).await.expect(200).json();
        assert_eq!(ranked[0]["expert"]["slug"] == SLUG, sees, "{ranked:#}");
        assert_eq!(ranked.to_string().contains(SLUG), sees);
        assert_eq!(client.post("/api/v1/conversations", &json!({ "expert": SLUG })).await.status, if sees { 201 } else { 404 });
    }
    assert!(!member.get("/").await.text().contains(SLUG) && !member.get("/experts").await.text().contains(SLUG));
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, FITTING).await).await;
    assert!(!turn.to_string().contains(SLUG), "{turn:#}");
    let ask = async |body: Value| member.post(&format!("/api/v1/conversations/{before}/turns"), &body).await;
    let refused = ask(json!({ "question": FITTING })).await.problem(403, "expert.not_shared");
    assert!(refused["detail"].as_str().unwrap().contains("choose another expert"), "{refused}");
    ask(json!({ "question": FITTING, "expert": SLUG })).await.problem(404, "expert.unknown");
    assert_eq!(app.sql_text(&format!("select count(*) from turns where conversation_id = '{before}'")).await.as_deref(), Some("0"));
    let other = ask(json!({ "question": FITTING, "expert": "clinical-pharmacology" })).await.expect(202).json();
    ended(&member, other["id"].as_str().unwrap()).await;
    let listed = app.client(Persona::TenantAdmin).get("/api/v1/experts/access").await.expect(200).items();
    assert!(
        listed.as_array().unwrap().iter().any(|e| e["slug"] == SLUG && e["access"] == "private"),
        "who shares experts sees that it is there"
    );
    share_expert(&app.client(Persona::TenantAdmin), SLUG, &sharing("group", &group)).await.expect(200);
    assert_eq!(author.get(&format!("/api/v1/experts/{SLUG}")).await.status, 200, "in the group");
    share_expert(&app.client(Persona::TenantAdmin), SLUG, &sharing("tenant", "")).await.expect(200);
    ask(json!({ "question": FITTING })).await.expect(202);
}

async fn app_name(app: &TestApp, persona: Persona) -> String {
    app.client(persona).get("/api/v1/me").await.expect(200).json()["display_name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_may_ask_nobody_is_told_so() {
    let app = app().await;
    app.sql(&format!("update experts set access = 'private' where tenant_id = '{}'", app.a().tenant)).await;
    let member = app.member();
    member.post("/api/v1/route", &json!({ "question": "Who helps?" })).await.problem(404, "expert.none_shared");
    assert_eq!(member.get("/api/v1/experts").await.expect(200).items(), json!([]));
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, "Who helps?").await).await;
    assert_eq!((&turn["state"], &turn["problem"]["code"]), (&json!("failed"), &json!("expert.none_shared")), "{turn:#}");
}

#[tokio::test]
async fn the_pages_make_share_and_delete_collections_and_share_experts() {
    let app = app().await;
    let group = group(&app).await;
    let member = app.member();
    let form = |path: String, fields: Vec<(&'static str, String)>| {
        let client = member.clone();
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            client.request("POST", &path).form(&fields).send().await
        }
    };
    let made = form(
        "/library/collections".to_owned(),
        vec![("name", SHELF.to_owned()), ("access", "group".to_owned()), ("groups", group.clone())],
    )
    .await
    .expect(303);
    let place = made.header("location").unwrap().to_owned();
    let slug = place.strip_prefix("/library?collection=").unwrap().to_owned();
    let page = member.get(&place).await.expect(200).text();
    assert!(page.contains(SHELF) && page.contains("<span>groups</span>") && page.contains(&format!("value=\"{group}\" checked")), "{page}");
    form(format!("/library/collections/{slug}"), vec![("name", "Heron".to_owned()), ("access", "private".to_owned()), ("groups", group)])
        .await
        .expect(303);
    let page = member.get(&place).await.expect(200).text();
    assert!(page.contains("Heron") && page.contains("<span>private</span>"), "{page}");
    let admin = app.client(Persona::TenantAdmin);
    assert!(admin.get("/library").await.text().contains("Heron"), "who manages collections finds it by name");
    assert!(admin.get(&place).await.text().contains("not yours to see"));
    assert!(!app.client(Persona::Reviewer).get("/library").await.text().contains("Heron"));
    form(format!("/library/collections/{slug}/delete"), vec![]).await.expect(303);
    assert!(!member.get("/library").await.text().contains("Heron"));
    let author = app.client(Persona::ExpertAuthor);
    assert!(author.get("/experts/clinical-pharmacology").await.text().contains("/experts/clinical-pharmacology/access"));
    assert!(!member.get("/experts/clinical-pharmacology").await.text().contains("/experts/clinical-pharmacology/access"));
    author.request("POST", "/experts/clinical-pharmacology/access").form(&[("access", "private")]).send().await.expect(303);
    assert!(author.get("/experts/clinical-pharmacology/access").await.expect(200).text().contains("<span>private</span>"));
    assert!(admin.get("/experts").await.text().contains("Not shared with you"));
}
