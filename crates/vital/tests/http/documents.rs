//! Documents on their way in, in the list, and out.

use crate::{app, ask::citations, ended, settled, uploaded};
use serde_json::json;
use std::cell::RefCell;
use vital_testkit::app::{CANARY_A, Form, Persona, QUESTION_A, files, until};

const SENTENCE: &str = "The quokka assay has a detection limit of 7 ng per ml.";

#[tokio::test]
async fn every_format_becomes_text_whose_blocks_address_it() {
    let app = app().await;
    let member = app.member();
    let cases: [(&str, &str, Vec<u8>); 5] = [
        ("assay.pdf", "pdf", files::pdf(&["Second version of the assay.", SENTENCE])),
        ("assay.docx", "docx", files::docx(&["First version of the assay.", SENTENCE])),
        (
            "assay.html",
            "html",
            format!("<html><head><title>Assay</title><script>x()</script></head><body><h1>Assay</h1><p>{SENTENCE}</p></body></html>")
                .into_bytes(),
        ),
        ("assay.md", "markdown", format!("# Assay\n\n{SENTENCE}\n\n- one\n- two\n").into_bytes()),
        ("assay.txt", "text", format!("Assay\n\n{SENTENCE}\n").into_bytes()),
    ];
    for (file_name, format, bytes) in cases {
        let size = bytes.len();
        let document = uploaded(&member, file_name, bytes).await;
        assert_eq!(document["state"], "ready", "{document}");
        assert_eq!(
            (&document["format"], &document["file_name"], &document["size_bytes"]),
            (&json!(format), &json!(file_name), &json!(size))
        );
        assert_eq!((&document["collection"], &document["starter"], &document["authority"]), (&json!("own"), &json!(false), &json!("own")));
        let id = document["id"].as_str().unwrap();
        let read = member.get(&format!("/api/v1/documents/{id}/text")).await.expect(200).json();
        let text = read["text"].as_str().unwrap();
        assert!(text.contains(SENTENCE) && !text.contains("x()"), "{text}");
        let mut end = 0;
        for block in read["blocks"].as_array().unwrap() {
            let at = |name: &str| usize::try_from(block[name].as_u64().unwrap()).unwrap();
            assert!(at("start") >= end && text.get(at("start")..at("end")).is_some_and(|t| !t.trim().is_empty()), "{block} in {text:?}");
            end = at("end");
        }
        assert_eq!(end, text.len(), "the blocks hold all of the text");
        assert_eq!(document["pages"], if format == "pdf" { json!(2) } else { json!(null) });
        let stored = app.sql_text(&format!("select encode(sha256(convert_to($text${text}$text$, 'UTF8')), 'hex')")).await;
        assert_eq!(document["version"].as_str(), stored.as_deref(), "the version is the SHA-256 of the text");
        let found = member.get("/api/v1/search?q=quokka+detection+limit&limit=50").await.expect(200).json();
        assert!(
            found["hits"]
                .as_array()
                .unwrap()
                .iter()
                .any(|h| h["document_id"] == id || h["copies"].as_array().is_some_and(|c| c.contains(&json!(id)))),
            "{file_name} is not found: {found}"
        );
    }
}

#[tokio::test]
async fn a_document_goes_through_its_states_in_order_and_cannot_be_read_before() {
    let app = app().await;
    let member = app.member();
    let long: String = (0..3_000).map(|n| format!("Batch {n} of the quokka assay passed. ")).collect();
    let created = member.upload("batches.txt", long).await.expect(201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), Some(format!("/api/v1/documents/{id}").as_str()));
    // The worker may have begun before the reply was made.
    let states = RefCell::new(vec![created.json()["state"].as_str().unwrap().to_owned()]);
    until("the document", || async {
        let text = member.get(&format!("/api/v1/documents/{id}/text")).await;
        assert!(text.status == 200 || text.status == 409, "{}", text.text());
        let state = member.get(&format!("/api/v1/documents/{id}")).await.expect(200).json()["state"].as_str().unwrap().to_owned();
        if states.borrow().last() != Some(&state) {
            states.borrow_mut().push(state.clone());
        }
        (state == "ready").then_some(())
    })
    .await;
    let states = states.into_inner();
    let order = ["queued", "parsing", "indexing", "ready"];
    let places: Vec<usize> = states.iter().map(|s| order.iter().position(|o| o == s).unwrap()).collect();
    assert!(places.windows(2).all(|p| p[0] < p[1]), "{states:?}");
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let app = app().await;
    let member = app.member();
    let list = async |query: &str| member.get(&format!("/api/v1/documents?{query}")).await.expect(200).items().as_array().unwrap().clone();
    assert!(list("starter=true&limit=200").await.len() >= 60);
    let own = list("starter=false").await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["id"], app.a().document.as_str());
    assert_eq!(list("collection=own").await, own);
    assert_eq!(list(&format!("title={}", CANARY_A.to_uppercase())).await, own, "in any case");
    assert_eq!(list("title=%25").await.len(), 0, "a percent sign is a percent sign");
    assert_eq!(list("collection=unknown").await.len(), 0);
    let mut walked = Vec::new();
    let mut query = "limit=7".to_owned();
    loop {
        let page = member.get(&format!("/api/v1/documents?{query}")).await.expect(200).json();
        walked.extend(page["items"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("limit=7&cursor={next}");
    }
    let all = list("limit=200").await;
    assert_eq!(
        walked,
        all.iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        "pages hold everything once, in order"
    );
    let collections = member.get("/api/v1/collections").await.expect(200).items();
    assert_eq!((&collections[0]["slug"], &collections[0]["documents"]), (&json!("own"), &json!(1)));
    let counted: i64 = collections.as_array().unwrap().iter().map(|c| c["documents"].as_i64().unwrap()).sum();
    assert_eq!(counted, i64::try_from(all.len()).unwrap());
}

#[tokio::test]
async fn a_deleted_document_is_gone_from_search_and_answers_at_once() {
    let app = app().await;
    let member = app.member();
    let id = &app.a().document;
    let conversation = member.open().await;
    let before = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert!(citations(&before).iter().any(|c| c["document_id"] == id.as_str()), "{before:#}");
    member.delete(&format!("/api/v1/documents/{id}")).await.expect(204);
    let found = member.get(&format!("/api/v1/search?q={CANARY_A}")).await.expect(200).json();
    assert!(found["hits"].as_array().unwrap().iter().all(|h| h["document_id"] != id.as_str()), "{found}");
    let conversation = member.open().await;
    let after = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert!(citations(&after).iter().all(|c| c["document_id"] != id.as_str()), "{after:#}");
    for path in ["", "/text"] {
        member.get(&format!("/api/v1/documents/{id}{path}")).await.problem(404, "document.unknown");
    }
    member.delete(&format!("/api/v1/documents/{id}")).await.problem(404, "document.unknown");
    let old = member.turn(before["id"].as_str().unwrap()).await;
    assert_eq!(old["answer"], before["answer"], "what was answered before stays as it was");
}

#[tokio::test]
async fn what_somebody_else_added_is_deleted_by_administrators_alone_and_by_whoever_added_it() {
    let app = app().await;
    let (member, author) = (app.member(), app.client(Persona::ExpertAuthor));
    let id = settled(&member, member.upload("a.txt", SENTENCE).await.expect(201).json()["id"].as_str().unwrap()).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/documents/{id}");
    for persona in [Persona::ExpertAuthor, Persona::Reviewer] {
        let detail = app.client(persona).delete(&path).await.problem(403, "document.not_yours")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("Nothing was deleted") && detail.contains("administrator"), "{detail}");
    }
    author.act(&format!("/library/documents/{id}/delete")).await.expect(403);
    assert_eq!(
        (&author.get(&path).await.expect(200).json()["yours"], &member.get(&path).await.expect(200).json()["yours"]),
        (&json!(false), &json!(true))
    );
    let button = format!("/library/documents/{id}/delete");
    let page = author.get("/library").await.expect(200).text();
    assert!(!page.contains(&button) && page.contains("Somebody else added this document."));
    for persona in [Persona::Member, Persona::TenantAdmin] {
        assert!(app.client(persona).get("/library").await.expect(200).text().contains(&button));
    }
    app.client(Persona::TenantAdmin).delete(&path).await.expect(204);
    let own = settled(&author, author.upload("a.txt", SENTENCE).await.expect(201).json()["id"].as_str().unwrap()).await;
    member.delete(&format!("/api/v1/documents/{}", own["id"].as_str().unwrap())).await.problem(403, "document.not_yours");
    author.delete(&format!("/api/v1/documents/{}", own["id"].as_str().unwrap())).await.expect(204);
}

#[tokio::test]
async fn a_document_deleted_while_it_is_read_never_comes_back() {
    let app = app().await;
    let member = app.member();
    let text: String = (0..2_000).map(|n| format!("Lot {n} of the numbat serum was released. ")).collect();
    let id = member.upload("lots.txt", text).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    member.delete(&format!("/api/v1/documents/{id}")).await.expect(204);
    until("its work to be done", || async {
        let left = app.sql_text(&format!("select count(*) from directory.jobs where subject = '{id}'")).await;
        (left.as_deref() == Some("0")).then_some(())
    })
    .await;
    member.get(&format!("/api/v1/documents/{id}")).await.problem(404, "document.unknown");
    assert_eq!(member.get("/api/v1/search?q=numbat").await.expect(200).json()["hits"], json!([]));
}

#[tokio::test]
async fn a_document_whose_reading_ended_the_server_three_times_is_left_alone_and_says_so() {
    let app = app().await;
    let (tenant, id) = (&app.a().tenant, uuid::Uuid::now_v7().to_string());
    let title = app.sealed("documents.title", &id, "bomb").await;
    let file_name = app.sealed("documents.file_name", &id, "bomb.pdf").await;
    app.sql(&format!(
        "insert into documents (tenant_id, id, collection_id, title, file_name, size_bytes, content_hash, authority, state, created_at)
         select '{tenant}', '{id}', id, {title}, {file_name}, 9, sha256('{id}'), 'own', 'parsing', now()
         from collections where tenant_id = '{tenant}' and slug = 'own';
         insert into directory.jobs (id, tenant, kind, subject, attempts, run_at, created_at)
         values (gen_random_uuid(), '{tenant}', 'ingest_document', '{id}', 3, now(), now())"
    ))
    .await;
    let failed = settled(&app.member(), &id).await;
    assert_eq!((&failed["state"], &failed["failure"]["code"]), (&json!("failed"), &json!("document.reader_ended")), "{failed}");
    let left = app.sql_text(&format!("select count(*) from directory.jobs where subject = '{id}'")).await;
    assert_eq!(left.as_deref(), Some("0"), "and its work is over");
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_in_an_organisation_and_once_in_each() {
    let app = app().await;
    let first = app.member().upload("a.txt", SENTENCE).await.expect(201).json();
    app.member().upload("other name.txt", SENTENCE).await.problem(409, "document.duplicate");
    app.client(Persona::OtherMember).upload("a.txt", SENTENCE).await.expect(201);
    let id = first["id"].as_str().unwrap();
    settled(&app.member(), id).await;
    app.member().delete(&format!("/api/v1/documents/{id}")).await.expect(204);
    app.member().upload("a.txt", SENTENCE).await.expect(201);
}

#[tokio::test]
async fn only_a_failed_document_can_be_tried_again() {
    let app = app().await;
    let member = app.member();
    let failed = uploaded(&member, "cut.pdf", &files::pdf(&[SENTENCE])[..200]).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let id = failed["id"].as_str().unwrap();
    let queued = member.act(&format!("/api/v1/documents/{id}/retry")).await.expect(202).json();
    assert!(queued["state"] != "ready" && (queued["failure"].is_null() || queued["state"] == "failed"), "{queued}");
    let again = settled(&member, id).await;
    assert_eq!((&again["state"], &again["failure"]), (&failed["state"], &failed["failure"]));
    member.act(&format!("/api/v1/documents/{}/retry", app.a().document)).await.problem(409, "document.not_failed");
}

#[tokio::test]
async fn an_article_of_the_starter_library_cannot_be_deleted() {
    let app = app().await;
    let article =
        app.member().get("/api/v1/documents?starter=true&limit=1").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    app.member().delete(&format!("/api/v1/documents/{article}")).await.problem(409, "document.starter");
    app.member().get(&format!("/api/v1/documents/{article}/text")).await.expect(200);
}

#[tokio::test]
async fn a_file_goes_to_the_named_collection_if_people_may_add_to_it() {
    let app = app().await;
    let send = async |collection: &str| {
        let form = Form::new().field("collection", collection).file("a.txt", SENTENCE);
        app.member().request("POST", "/api/v1/documents").form_data(&form).send().await
    };
    assert_eq!(send("own").await.expect(201).json()["collection"], "own");
    for collection in ["unknown", "regulatory", "' or true --"] {
        send(collection).await.problem(404, "collection.unknown");
    }
}

#[tokio::test]
async fn a_form_of_a_page_takes_several_files() {
    let app = app().await;
    let form = Form::new().file("one.txt", "The first of two files.").file("two.txt", "The second of two files.");
    let reply = app.member().request("POST", "/library/upload").form_data(&form).send().await.expect(303);
    assert_eq!(reply.header("location"), Some("/library"));
    let page = app.member().get("/library").await.expect(200).text();
    assert!(page.contains("one") && page.contains("two"), "{page}");
}
