//! The searches of public sources against a scripted server on loopback that speaks their documented formats and breaks in every way.

#![expect(clippy::unwrap_used, reason = "the scripted server and its reader are part of the tests")]

mod fda;
mod literature;
mod regulation;
mod server;

use serde_json::{Value, json};
use server::{Reply, ScriptedServer, call, searches};
use std::time::Duration;
use tokio::{net::TcpListener, time::Instant};
use vital_outbound::Egress;
use vital_tools::{Endpoints, RESULT_BYTES_MAX, ToolError, Toolbox};

fn esearch(ids: &[&str]) -> Reply {
    Reply::Json(
        json!({ "header": { "type": "esearch", "version": "0.3" }, "esearchresult": { "count": ids.len().to_string(), "retmax": "5", "retstart": "0", "idlist": ids } }),
    )
}

fn article(pmid: &str, title: &str, body: &str, types: &str, after: &str) -> String {
    format!(
        "<PubmedArticle><MedlineCitation Status=\"MEDLINE\"><PMID Version=\"1\">{pmid}</PMID><Article PubModel=\"Print\"><Journal><JournalIssue>\
        <PubDate><Year>2021</Year><Month>Mar</Month></PubDate></JournalIssue><Title>Journal of Invented Results</Title></Journal>\
        <ArticleTitle>{title}</ArticleTitle>{body}<AuthorList><Author><LastName>Doe</LastName><ForeName>Jane</ForeName><Initials>J</Initials></Author>\
        <Author><CollectiveName>The Example Group</CollectiveName></Author></AuthorList><PublicationTypeList>{types}</PublicationTypeList></Article>{after}\
        </MedlineCitation><PubmedData><ArticleIdList><ArticleId IdType=\"pubmed\">{pmid}</ArticleId><ArticleId IdType=\"doi\">10.1000/x{pmid}</ArticleId>\
        </ArticleIdList></PubmedData></PubmedArticle>"
    )
}

fn articles() -> Reply {
    let first = article(
        "111",
        "Fluid &amp; survival with <i>low</i> CO<sub>2</sub> &#x3b1;",
        "<Abstract><AbstractText Label=\"BACKGROUND\" NlmCategory=\"BACKGROUND\">Fluids matter.</AbstractText>\
        <AbstractText Label=\"RESULTS\">Mortality fell by 4&#37;.</AbstractText></Abstract>",
        "<PublicationType UI=\"D016449\">Randomized Controlled Trial</PublicationType>",
        "",
    );
    let second = article(
        "222",
        "A withdrawn finding",
        "",
        "<PublicationType UI=\"D016441\">Retracted Publication</PublicationType>",
        "<CommentsCorrectionsList><CommentsCorrections RefType=\"RetractionIn\"><RefSource>J Inv Res. 2022;1:9</RefSource><PMID Version=\"1\">333</PMID></CommentsCorrections>\
        <CommentsCorrections RefType=\"Cites\"><RefSource>Else</RefSource></CommentsCorrections></CommentsCorrectionsList>",
    );
    Reply::Xml(format!(
        "<?xml version=\"1.0\" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC \"-//NLM//DTD PubMedArticle, 1st January 2025//EN\" \"https://dtd.nlm.nih.gov/x.dtd\">\n\
        <PubmedArticleSet>{second}{first}</PubmedArticleSet>"
    ))
}

#[tokio::test]
async fn pubmed_returns_articles_with_abstracts_and_retractions() {
    let server = ScriptedServer::new(vec![("esearch", esearch(&["111", "222"])), ("efetch", articles())]).await;
    let arguments = json!({ "query": "sepsis[au] OR \"fluids\"", "publication_type": "randomized_controlled_trial", "from_year": 2019 });
    let output = call(&server.tools(), "pubmed_search", arguments).await.unwrap();
    let found = &output.value["articles"];
    assert_eq!(output.value["total"], 2);
    assert_eq!(found[0]["title"], "Fluid & survival with low CO2 α");
    assert_eq!(found[0]["abstract"], "BACKGROUND: Fluids matter.\n\nRESULTS: Mortality fell by 4%.");
    assert_eq!((&found[0]["year"], &found[0]["doi"]), (&json!("2021"), &json!("10.1000/x111")));
    assert_eq!(found[0]["authors"], json!(["Doe J", "The Example Group"]));
    assert_eq!((&found[0]["retracted"], &found[1]["retracted"]), (&json!(false), &json!(true)));
    assert_eq!(found[1]["notices"], json!(["Retracted in J Inv Res. 2022;1:9 (PMID 333)"]));
    assert_eq!(output.texts[0].identifier, "PMID 111");
    assert_eq!(output.texts[0].url, "https://pubmed.ncbi.nlm.nih.gov/111/");
    assert!(output.texts[1].text.starts_with("Retracted in"), "a missing abstract leaves notice and title: {}", output.texts[1].text);
    let pairs = server.pairs(0);
    let term = pairs.iter().find(|(name, _)| name == "term").unwrap();
    assert_eq!(term.1, "(sepsis au or fluids) AND \"randomized controlled trial\"[Publication Type]");
    assert!(pairs.contains(&("mindate".to_owned(), "2019".to_owned())));
    assert!(
        !pairs.iter().any(|(name, _)| ["email", "tool", "api_key"].contains(&name.as_str())),
        "nothing of the operator unless configured"
    );
    assert!(server.pairs(1).contains(&("id".to_owned(), "111,222".to_owned())));
}

fn study(nct: &str, summary: &str) -> Value {
    json!({ "protocolSection": {
        "identificationModule": { "nctId": nct, "briefTitle": "Fluids in sepsis" },
        "statusModule": { "overallStatus": "TERMINATED", "whyStopped": "Slow enrolment.", "startDateStruct": { "date": "2020-01" },
            "completionDateStruct": { "date": "2022-06-30", "type": "ACTUAL" }, "lastUpdatePostDateStruct": { "date": "2023-01-02" } },
        "sponsorCollaboratorsModule": { "leadSponsor": { "name": "Example University", "class": "OTHER" } },
        "descriptionModule": { "briefSummary": summary }, "conditionsModule": { "conditions": ["Sepsis"] },
        "designModule": { "studyType": "INTERVENTIONAL", "phases": ["PHASE2", "PHASE3"], "enrollmentInfo": { "count": 120, "type": "ACTUAL" } },
        "armsInterventionsModule": { "interventions": [{ "type": "DRUG", "name": "Saline" }] },
        "outcomesModule": { "primaryOutcomes": [{ "measure": "Death", "timeFrame": "28 days" }] } }, "hasResults": true })
}

#[tokio::test]
async fn trials_are_found_by_words_status_and_phase_and_page_on() {
    let answer = json!({ "totalCount": 37, "nextPageToken": "NF0g5JKAk_M", "studies": [study("NCT00000001", "Does saline help?"), { "protocolSection": {} }] });
    let server = ScriptedServer::new(vec![("/studies", Reply::Json(answer))]).await;
    let arguments = json!({ "condition": "sepsis AREA[Phase]PHASE1", "status": ["RECRUITING", "TERMINATED"], "phase": ["PHASE2", "PHASE3"], "page_token": "abc_-=" });
    let output = call(&server.tools(), "clinical_trials_search", arguments).await.unwrap();
    assert_eq!((&output.value["total"], &output.value["next_page_token"]), (&json!(37), &json!("NF0g5JKAk_M")));
    let trial = &output.value["trials"][0];
    assert_eq!(output.value["trials"].as_array().unwrap().len(), 1, "an entry without a number is none");
    assert_eq!((&trial["enrolment"], &trial["why_stopped"]), (&json!("120 actual"), &json!("Slow enrolment.")));
    assert_eq!((&trial["interventions"], &trial["primary_outcomes"]), (&json!(["DRUG: Saline"]), &json!(["Death - 28 days"])));
    assert_eq!(output.texts[0].url, "https://clinicaltrials.gov/study/NCT00000001");
    assert!(output.texts[0].text.contains("Why stopped: Slow enrolment.\n") && output.texts[0].text.ends_with("Does saline help?"));
    let pairs = server.pairs(0);
    for (name, value) in [
        ("query.cond", "sepsis area Phase PHASE1"),
        ("filter.overallStatus", "RECRUITING,TERMINATED"),
        ("filter.advanced", "AREA[Phase](PHASE2 OR PHASE3)"),
        ("pageToken", "abc_-="),
    ] {
        assert!(pairs.contains(&(name.to_owned(), value.to_owned())), "{name}: {pairs:?}");
    }
}

#[tokio::test]
async fn labels_carry_their_sections_and_the_disclaimer() {
    let label = json!({ "set_id": "abc-1", "version": "7", "effective_time": "20240131", "boxed_warning": ["WARNING: BLEEDING"],
        "indications_and_usage": ["Prevents clots."], "description": ["Not asked for."],
        "openfda": { "brand_name": ["EXAMPLEX"], "generic_name": ["WARFARIN SODIUM"], "manufacturer_name": ["Example Inc"], "route": ["ORAL"] } });
    let answer =
        json!({ "meta": { "disclaimer": "Do not rely on it.", "results": { "skip": 0, "limit": 1, "total": 12 } }, "results": [label] });
    let server = ScriptedServer::new(vec![("/drug/label.json", Reply::Json(answer))]).await;
    let output = call(&server.tools(), "drug_labels", json!({ "drug": "x\" OR set_id:\"1", "by": "any" })).await.unwrap();
    let found = &output.value["labels"][0];
    assert_eq!((&found["effective_date"], &output.value["total"]), (&json!("2024-01-31"), &json!(12)));
    assert_eq!(found["sections"], json!({ "boxed_warning": "WARNING: BLEEDING", "indications_and_usage": "Prevents clots." }));
    assert_eq!(output.value["disclaimer"], "Do not rely on it.");
    assert_eq!((output.texts[0].authority.as_str(), output.texts[0].identifier.as_str()), ("regulator", "SPL abc-1"));
    assert!(
        output.texts[0].text.starts_with("Boxed warning\n\nWARNING: BLEEDING")
            && output.texts[0].text.ends_with("openFDA: Do not rely on it.")
    );
    let search = server.pairs(0).into_iter().find(|(name, _)| name == "search").unwrap().1;
    let name = "x or set_id 1";
    assert_eq!(search, format!("openfda.brand_name:\"{name}\" OR openfda.generic_name:\"{name}\" OR openfda.substance_name:\"{name}\""));
}

fn rxnorm(exact: &Value) -> Vec<(&'static str, Reply)> {
    let candidate = |id: &str| json!({ "rxcui": id, "rxaui": "1", "score": "9.1", "rank": "1" });
    vec![
        ("/rxcui.json", Reply::Json(json!({ "idGroup": { "name": "x", "rxnormId": exact } }))),
        (
            "/approximateTerm.json",
            Reply::Json(json!({ "approximateGroup": { "candidate": [candidate("11289"), candidate("11289"), candidate("99")] } })),
        ),
        (
            "/rxcui/11289/properties.json",
            Reply::Json(json!({ "properties": { "rxcui": "11289", "name": "warfarin", "synonym": "", "tty": "IN" } })),
        ),
        ("/rxcui/99/properties.json", Reply::Json(json!({}))),
        (
            "/related.json",
            Reply::Json(json!({ "relatedGroup": { "rxcui": "11289", "termType": ["IN", "BN"], "conceptGroup": [
            { "tty": "BN", "conceptProperties": [{ "rxcui": "202421", "name": "Coumadin", "tty": "BN" }] }, { "tty": "IN" }] } })),
        ),
    ]
}

#[tokio::test]
async fn names_are_found_exactly_or_nearly_with_their_brands() {
    for (exact, kind) in [(json!(["11289"]), "exact"), (Value::Null, "approximate")] {
        let server = ScriptedServer::new(rxnorm(&exact)).await;
        let output = call(&server.tools(), "drug_names", json!({ "name": "warfarin" })).await.unwrap();
        assert_eq!(output.value["match"], kind);
        assert_eq!(output.value["concepts"].as_array().unwrap().len(), 1, "equal and retired concepts are left out");
        assert_eq!(output.value["concepts"][0]["brands"], json!([{ "rxcui": "202421", "name": "Coumadin" }]));
        assert_eq!(output.texts[0].identifier, "RXCUI 11289");
        assert!(server.targets().iter().any(|target| target.contains("related.json?tty=IN+BN")));
    }
}

#[tokio::test]
async fn nothing_found_is_an_empty_result() {
    let missing = json!({ "error": { "code": "NOT_FOUND", "message": "No matches found!" } }).to_string();
    let server = ScriptedServer::new(vec![
        ("esearch", esearch(&[])),
        ("/studies", Reply::Json(json!({ "totalCount": 0, "studies": [] }))),
        ("/drug/", Reply::Raw(404, "", "application/json", missing.clone())),
        ("/device/", Reply::Raw(404, "", "application/json", missing)),
        ("resultType=core", Reply::Json(json!({ "version": "6.9", "hitCount": 0, "nextCursorMark": "*", "resultList": { "result": [] } }))),
        ("query.bibliographic", Reply::Json(json!({ "status": "ok", "message": { "total-results": 0, "items": [] } }))),
        ("abstract_inverted_index", Reply::Json(json!({ "meta": { "count": 0, "next_cursor": null }, "results": [] }))),
        ("titles.json", regulation::titles()),
        ("/search/v1/results", Reply::Json(json!({ "results": [], "meta": { "total_count": 0 } }))),
        ("/versioner/v1/full/", Reply::Raw(404, "", "text/html", "<html><body>Not found</body></html>".to_owned())),
        ("/documents.json", Reply::Json(json!({ "count": 0, "description": "Documents matching nothing" }))),
        ("/documents/", Reply::Raw(404, "", "application/json", r#"{"status":404,"message":"Record Not Found"}"#.to_owned())),
        ("/rxcui.json", Reply::Json(json!({ "idGroup": {} }))),
        ("/approximateTerm.json", Reply::Json(json!({ "approximateGroup": { "inputTerm": "x" } }))),
    ])
    .await;
    let tools = server.tools();
    for (name, arguments) in searches() {
        let output = call(&tools, name, arguments).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.texts.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn every_failure_of_a_source_is_told_apart() {
    let html = || "<html><body>Down for maintenance</body></html>".to_owned();
    for (reply, kind) in [
        (Reply::Raw(429, "Retry-After: 7\r\n", "application/json", r#"{"error":"API rate limit exceeded"}"#.to_owned()), "busy"),
        (Reply::Raw(503, "", "text/html", html()), "busy"),
        (Reply::Raw(500, "", "text/html", html()), "refused"),
        (Reply::Raw(400, "", "application/json", "{}".to_owned()), "refused"),
        (Reply::Raw(200, "", "text/html", html()), "unreadable"),
        (Reply::Raw(200, "", "application/json", html()), "unreadable"),
        (Reply::Raw(200, "", "application/json", "[1,2]".to_owned()), "unreadable"),
        (Reply::Raw(200, "", "application/json", r#"{"results": [{"a": "#.to_owned()), "unreadable"),
        (
            Reply::Raw(200, "", "application/json", r#"{"results":null,"count":null,"message":7,"titles":{},"hitCount":"x"}"#.to_owned()),
            "unreadable",
        ),
        (Reply::Raw(200, "", "application/json", "{}".to_owned()), "unreadable"),
        (Reply::Raw(302, "Location: http://127.0.0.1:1/\r\n", "text/html", html()), "refused"),
        (Reply::Huge, "too_large"),
    ] {
        let server = ScriptedServer::new(vec![("/", reply)]).await;
        let tools = server.tools();
        for (name, arguments) in searches() {
            let error = call(&tools, name, arguments).await.unwrap_err();
            assert_eq!(error.code(), format!("tool.{kind}"), "{name}: {error}");
            if let ToolError::Busy { retry_after } = error {
                assert!([5, 7].contains(&retry_after.as_secs()), "{retry_after:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_source_that_hangs_or_is_not_there_ends_by_the_deadline() {
    let server = ScriptedServer::new(vec![("/", Reply::Hang)]).await;
    let tools = server.tools();
    for (name, arguments) in searches() {
        let error = tools.call(name, &arguments, Instant::now() + Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(error, ToolError::TooSlow, "{name}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: url::Url = format!("http://{}/", nobody.local_addr().unwrap()).parse().unwrap();
    drop(nobody);
    let tools = Toolbox::new(Egress::default(), Endpoints { trials: base, ..Endpoints::default() }).unwrap();
    let error = call(&tools, "clinical_trials_search", json!({ "query": "x" })).await.unwrap_err();
    assert_eq!(error, ToolError::Unreachable { host: "127.0.0.1".to_owned() });
}

#[tokio::test]
async fn a_character_split_between_packets_and_broken_xml_are_read_or_refused() {
    let body = json!({ "totalCount": 1, "studies": [study("NCT00000002", "naïve α")] }).to_string();
    let at = body.find('ï').unwrap() + 1;
    let server = ScriptedServer::new(vec![("/studies", Reply::Split(body, at))]).await;
    let output = call(&server.tools(), "clinical_trials_search", json!({ "query": "x" })).await.unwrap();
    assert_eq!(output.value["trials"][0]["summary"], "naïve α");
    for broken in ["<PubmedArticleSet><PubmedArticle>", "<a></b>", "<other/>", &"<a>".repeat(100)] {
        let server = ScriptedServer::new(vec![("esearch", esearch(&["1"])), ("efetch", Reply::Xml(broken.to_owned()))]).await;
        let error = call(&server.tools(), "pubmed_search", json!({ "query": "x" })).await.unwrap_err();
        assert_eq!(error.code(), "tool.unreadable", "{broken}");
    }
    let refused = json!({ "esearchresult": { "ERROR": "Search Backend failed" } });
    let server = ScriptedServer::new(vec![("esearch", Reply::Json(refused))]).await;
    assert_eq!(call(&server.tools(), "pubmed_search", json!({ "query": "x" })).await.unwrap_err().code(), "tool.no_result");
}

#[tokio::test]
async fn results_are_bounded_and_equal_calls_are_answered_from_memory() {
    let studies: Vec<Value> = (0..20).map(|n| study(&format!("NCT{n:08}"), &"long ".repeat(6_000))).collect();
    let server = ScriptedServer::new(vec![("/studies", Reply::Json(json!({ "studies": studies })))]).await;
    let tools = server.tools();
    let output = call(&tools, "clinical_trials_search", json!({ "query": "x", "limit": 20 })).await.unwrap();
    let shown = output.value["trials"].as_array().unwrap().len();
    assert!(serde_json::to_string(&output).unwrap().len() <= RESULT_BYTES_MAX);
    assert!((1..20).contains(&shown) && output.texts.len() == shown);
    assert!(output.value["note"].as_str().unwrap().contains("left out"));
    assert_eq!(call(&tools, "clinical_trials_search", json!({ "limit": 20, "query": "x" })).await.unwrap(), output);
    assert_eq!(server.targets().len(), 1);
}

#[tokio::test]
async fn the_rate_of_a_source_is_kept_and_a_wait_beyond_the_deadline_is_busy() {
    let server = ScriptedServer::new(vec![("/studies", Reply::Json(json!({ "studies": [] })))]).await;
    let tools = server.tools();
    for n in 0..50 {
        call(&tools, "clinical_trials_search", json!({ "query": format!("word{n}") })).await.unwrap();
    }
    let error = tools.call("clinical_trials_search", &json!({ "query": "one more" }), Instant::now() + Duration::from_millis(200)).await;
    assert!(matches!(error, Err(ToolError::Busy { .. })), "{error:?}");
    assert_eq!(server.targets().len(), 50);
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_refused_before_anything_is_sent() {
    let server = ScriptedServer::new(vec![]).await;
    let tools = server.tools();
    for (name, arguments, place) in [
        ("pubmed_search", json!({}), ""),
        ("pubmed_search", json!({ "query": "x", "limit": 21 }), "/limit"),
        ("pubmed_search", json!({ "query": "x", "more": 1 }), ""),
        ("pubmed_search", json!({ "query": "[]()" }), "/query"),
        ("clinical_trials_search", json!({}), ""),
        ("clinical_trials_search", json!({ "query": "x", "phase": ["PHASE9"] }), "/phase/0"),
        ("clinical_trials_search", json!({ "query": "x", "page_token": "a&b" }), "/page_token"),
        ("drug_labels", json!({ "drug": "\"" }), "/drug"),
        ("drug_names", json!({ "name": 5 }), "/name"),
        ("calculate", json!("1+1"), ""),
        ("calculate", json!({ "expression": "x".repeat(20_000) }), ""),
    ] {
        match call(&tools, name, arguments.clone()).await {
            Err(ToolError::Arguments { pointer, .. }) => assert_eq!(pointer, place, "{name} {arguments}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(call(&tools, "rm_rf", json!({})).await.unwrap_err().code(), "tool.unknown_tool");
    assert!(server.targets().is_empty());
    let sum = call(&tools, "calculate", json!({ "expression": "5 mg/kg * 70 kg" })).await.unwrap();
    assert_eq!(sum.value["text"], "350 mg");
}

#[tokio::test]
async fn a_call_can_be_made_in_a_task_that_moves_between_threads() {
    let server = ScriptedServer::new(vec![]).await;
    let tools = server.tools();
    let task = tokio::spawn(async move { tools.call("calculate", &json!({ "expression": "1 + 1" }), Instant::now() + server::FAR).await });
    assert_eq!(task.await.unwrap().unwrap().value["value"], 2.0);
}
