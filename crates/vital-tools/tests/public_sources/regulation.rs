//! The eCFR and the Federal Register in their documented formats.

use crate::server::{Reply, ScriptedServer, call, pair};
use serde_json::{Value, json};

pub fn titles() -> Reply {
    Reply::Json(json!({ "titles": [
        { "number": 21, "name": "Food and Drugs", "latest_amended_on": "2026-11-10", "latest_issue_date": "2026-11-12", "up_to_date_as_of": "2026-11-19", "reserved": false },
        { "number": 35, "name": "Reserved", "latest_amended_on": null, "up_to_date_as_of": null, "reserved": true }],
        "meta": { "date": "2026-11-19", "import_in_progress": false } }))
}

const PART: &str = "<?xml version=\"1.0\"?>\n<DIV5 N=\"11\" TYPE=\"PART\" hierarchy_metadata=\"{&quot;citation&quot;:&quot;21 CFR Part 11&quot;}\">\n\
    <HEAD>PART 11&#x2014;INVENTED RECORDS</HEAD>\n<AUTH><HED>Authority:</HED><PSPACE>21 U.S.C. 0.</PSPACE></AUTH>\
    <SOURCE><HED>Source:</HED><PSPACE>62 FR 1, unless otherwise noted.</PSPACE></SOURCE>\
    <DIV6 N=\"A\" TYPE=\"SUBPART\"><HEAD>Subpart A&#x2014;General</HEAD>\
    <DIV8 N=\"11.1\" TYPE=\"SECTION\"><HEAD>&#xA7; 11.1 Scope.</HEAD><P>(a) <I>Records.</I> These rules are invented &amp; short.</P><P>(b) They end.</P>\
    <CITA TYPE=\"N\">[62 FR 1, Mar. 20, 1997]</CITA></DIV8>\
    <DIV8 N=\"11.2\" TYPE=\"SECTION\"><HEAD>&#xA7; 11.2 [Reserved]</HEAD></DIV8></DIV6>\
    <DIV9 N=\"Appendix A to Part 11\" TYPE=\"APPENDIX\"><HEAD>Appendix A to Part 11&#x2014;Forms</HEAD><TABLE><TR><TD>Form</TD><TD>1</TD></TR></TABLE></DIV9></DIV5>";

#[tokio::test]
async fn a_part_of_the_code_comes_with_its_sections_as_in_force_on_a_day() {
    let server = ScriptedServer::new(vec![("titles.json", titles()), ("/full/", Reply::Xml(PART.to_owned()))]).await;
    let tools = server.tools();
    let output = call(&tools, "ecfr_text", json!({ "title": 21, "part": "11" })).await.unwrap();
    assert_eq!((&output.value["as_of"], &output.value["up_to_date_as_of"]), (&json!("2026-11-19"), &json!("2026-11-19")));
    assert_eq!(output.value["outline"], json!(["§ 11.1 Scope.", "§ 11.2 [Reserved]", "Appendix A to Part 11—Forms"]));
    let records = output.value["records"].as_array().unwrap();
    assert_eq!(records[0]["text"], "(a) Records. These rules are invented & short.\n\n(b) They end.\n\n[62 FR 1, Mar. 20, 1997]");
    assert_eq!((&records[0]["title"], &records[0]["identifier"]), (&json!("21 CFR 11.1: Scope."), &json!("21 CFR 11.1")));
    assert_eq!(records[0]["url"], "https://www.ecfr.gov/on/2026-11-19/title-21/section-11.1");
    assert_eq!((&records[1]["status"], &records[2]["text"]), (&json!("reserved"), &json!("Form | 1")));
    assert_eq!(records[2]["identifier"], "21 CFR part 11, Appendix A to Part 11");
    let text = &output.texts[0];
    assert!(
        text.text.contains("In: PART 11—INVENTED RECORDS.\nAs in force on: 2026-11-19.") && text.text.contains("Authority: 21 U.S.C. 0."),
        "{}",
        text.text
    );
    assert!(text.text.ends_with("not the official legal edition of the Code of Federal Regulations."));
    assert_eq!((text.authority.as_str(), text.date.as_str()), ("regulator", "2026-11-19"));
    assert!(server.targets()[1].starts_with("/api/versioner/v1/full/2026-11-19/title-21.xml?part=11"), "{}", server.targets()[1]);
    let step = call(&tools, "ecfr_text", json!({ "title": 21, "part": "11", "offset": 2, "limit": 5 })).await.unwrap();
    assert_eq!((&step.value["total"], step.value["records"].as_array().unwrap().len()), (&json!(3), 1));
}

#[tokio::test]
async fn a_section_is_asked_for_on_a_day_that_has_a_text() {
    let section = "<DIV8 N=\"11.10\" TYPE=\"SECTION\"><HEAD>&#xA7; 11.10 Controls.</HEAD><P>Persons shall control.</P></DIV8>";
    let server = ScriptedServer::new(vec![("titles.json", titles()), ("/full/", Reply::Xml(section.to_owned()))]).await;
    let tools = server.tools();
    let output = call(&tools, "ecfr_text", json!({ "title": 21, "section": "11.10", "date": "2020-02-03" })).await.unwrap();
    assert_eq!((&output.value["total"], &output.value["as_of"]), (&json!(1), &json!("2020-02-03")));
    assert!(output.texts[0].text.contains("Persons shall control.") && output.texts[0].text.contains("up to date as of: 2026-11-19."));
    assert_eq!((pair(&server, 1, "part").as_str(), pair(&server, 1, "section").as_str()), ("11", "11.10"));
    for (arguments, code) in [
        (json!({ "title": 21, "part": "11", "date": "2030-01-01" }), "tool.arguments"),
        (json!({ "title": 21, "part": "820", "section": "11.10" }), "tool.arguments"),
        (json!({ "title": 21 }), "tool.arguments"),
        (json!({ "title": 35, "part": "1" }), "tool.no_result"),
        (json!({ "title": 49, "part": "1" }), "tool.no_result"),
    ] {
        assert_eq!(call(&tools, "ecfr_text", arguments.clone()).await.unwrap_err().code(), code, "{arguments}");
    }
}

#[tokio::test]
async fn broken_and_hostile_answers_of_the_code_are_refused() {
    let many = format!("<DIV5 TYPE=\"PART\">{}</DIV5>", "<P/>".repeat(300_001));
    for body in ["<DIV5 N=\"11\"", "<html><body>Down</body></html>", "<DIV5><HEAD>x</DIV5>", &"<DIV5>".repeat(60), many.as_str(), ""] {
        let server = ScriptedServer::new(vec![("titles.json", titles()), ("/full/", Reply::Xml(body.to_owned()))]).await;
        let error = call(&server.tools(), "ecfr_text", json!({ "title": 21, "part": "11" })).await.unwrap_err();
        assert_eq!(error.code(), "tool.unreadable", "{}", &body[..body.len().min(40)]);
    }
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><DIV8 N=\"11.1\" TYPE=\"SECTION\"><HEAD>&#xA7; 11.1 X</HEAD><P>&b;</P></DIV8>";
    let server = ScriptedServer::new(vec![("titles.json", titles()), ("/full/", Reply::Xml(bomb.to_owned()))]).await;
    let output = call(&server.tools(), "ecfr_text", json!({ "title": 21, "section": "11.1" })).await.unwrap();
    assert_eq!(output.value["records"][0]["text"], "\u{fffd}", "entities that an answer defines are not resolved");
}

#[tokio::test]
async fn a_search_of_the_code_tells_what_is_in_force_and_what_is_no_more() {
    let hit = |section: &str, ends: Value| {
        json!({ "starts_on": "2019-01-01", "ends_on": ends, "type": "Section", "hierarchy": { "title": "21", "chapter": "I", "part": "11", "subpart": "A", "section": section },
            "headings": { "title": "Food and Drugs", "chapter": "Invented Agency", "part": "Invented Records", "section": "Scope of <strong>records</strong>." },
            "full_text_excerpt": "These <strong>records</strong> are &lt; others.", "score": 1.5, "reserved": false, "removed": false })
    };
    let answer = json!({ "results": [hit("11.1", Value::Null), hit("11.9", json!("2022-05-05")), { "hierarchy": {} }, { "hierarchy": { "section": "../x" } }],
        "meta": { "current_page": 1, "total_count": 12, "total_pages": 2 } });
    let server = ScriptedServer::new(vec![("titles.json", titles()), ("/search/v1/results", Reply::Json(answer))]).await;
    let output = call(&server.tools(), "ecfr_search", json!({ "query": "records\" OR", "title": 21, "part": "11" })).await.unwrap();
    let records = output.value["records"].as_array().unwrap();
    assert_eq!((records.len(), &output.value["total"], &output.value["as_of"]), (2, &json!(12), &json!("2026-11-19")));
    assert_eq!((&records[0]["title"], &records[0]["status"]), (&json!("21 CFR 11.1: Scope of records."), &json!("")));
    assert_eq!((&records[1]["status"], &records[1]["facts"]["ends_on"]), (&json!("superseded"), &json!("2022-05-05")));
    assert!(
        output.texts[0].text.contains("Part: 11 Invented Records.")
            && output.texts[0].text.contains("Excerpt: These records are < others.")
    );
    assert_eq!((pair(&server, 1, "query").as_str(), pair(&server, 1, "hierarchy[part]").as_str()), ("records or", "11"));
    assert_eq!((pair(&server, 1, "date").as_str(), pair(&server, 1, "hierarchy[title]").as_str()), ("2026-11-19", "21"));
}

fn document(more: &Value) -> Value {
    let mut document = json!({ "document_number": "2024-01709", "title": "Invented Systems; Amendments", "type": "Rule", "abstract": "The agency amends an invented rule.",
        "action": "Final rule.", "dates": "This rule is effective February 2, 2026.", "citation": "89 FR 7496", "publication_date": "2024-02-02", "effective_on": "2026-02-02",
        "comments_close_on": null, "agencies": [{ "name": "Invented Drug Administration", "slug": "invented-drug-administration" }, { "raw_name": "SECOND AGENCY" }],
        "cfr_references": [{ "title": 21, "part": 820 }, { "title": 21, "part": null }], "docket_ids": ["Docket No. XYZ-2021-N-0001"], "regulation_id_numbers": ["0000-AA00"],
        "html_url": "https://www.federalregister.gov/documents/2024/02/02/2024-01709/invented-systems", "pdf_url": "https://www.govinfo.gov/content/x.pdf",
        "raw_text_url": "https://www.federalregister.gov/documents/full_text/text/2024/02/02/2024-01709.txt", "topics": ["Invented devices"],
        "corrections": ["https://www.federalregister.gov/api/v1/documents/2024-09999.json"], "correction_of": null });
    more.as_object().unwrap().iter().for_each(|(name, value)| document[name] = value.clone());
    document
}

#[tokio::test]
async fn documents_are_found_with_their_dates_dockets_and_corrections() {
    let proposed = document(
        &json!({ "document_number": "E9-1777", "action": "Proposed rule; withdrawal.", "corrections": [], "html_url": "https://evil.example/x" }),
    );
    let correcting = document(
        &json!({ "document_number": "C1-2024-01709", "type": "Correction", "correction_of": "https://www.federalregister.gov/api/v1/documents/2024-01709.json" }),
    );
    let answer =
        json!({ "count": 3, "total_pages": 1, "results": [document(&json!({})), proposed, correcting, {}, { "document_number": "a b" }] });
    let server = ScriptedServer::new(vec![("/documents.json", Reply::Json(answer))]).await;
    let arguments = json!({ "query": "devices", "agency": "invented-drug-administration", "type": ["rule", "proposed_rule"], "cfr_title": 21, "cfr_part": 820,
        "from": "2024-01-01", "effective_from": "2025-01-01", "sort": "newest" });
    let output = call(&server.tools(), "federal_register_search", arguments).await.unwrap();
    let records = output.value["records"].as_array().unwrap();
    assert_eq!((records.len(), &output.value["pages"]), (3, &json!(1)));
    assert_eq!((&records[0]["identifier"], &records[0]["status"]), (&json!("FR Doc. 2024-01709, 89 FR 7496"), &json!("corrected")));
    assert_eq!(records[0]["facts"]["cfr_references"], "21 CFR part 820, 21 CFR");
    assert_eq!(records[0]["facts"]["agencies"], "Invented Drug Administration, SECOND AGENCY");
    assert_eq!(
        (&records[1]["status"], &records[1]["url"]),
        (&json!("withdrawal"), &json!("https://www.federalregister.gov/d/E9-1777")),
        "no foreign page is named"
    );
    assert_eq!(
        (&records[2]["status"], &records[2]["facts"]["correction_of"]),
        (&json!("correction of another document"), &json!("2024-01709"))
    );
    assert!(
        output.texts[0].text.contains("Effective on: 2026-02-02.") && output.texts[0].text.ends_with("The agency amends an invented rule.")
    );
    let pairs = server.pairs(0);
    for (name, value) in [
        ("conditions[term]", "devices"),
        ("conditions[agencies][]", "invented-drug-administration"),
        ("conditions[cfr][part]", "820"),
        ("conditions[type][]", "PRORULE"),
        ("conditions[publication_date][gte]", "2024-01-01"),
        ("conditions[effective_date][gte]", "2025-01-01"),
        ("order", "newest"),
        ("fields[]", "abstract"),
    ] {
        assert!(pairs.contains(&(name.to_owned(), value.to_owned())), "{name}: {pairs:?}");
    }
    for arguments in [json!({}), json!({ "cfr_part": 820 }), json!({ "query": "()" })] {
        assert_eq!(call(&server.tools(), "federal_register_search", arguments).await.unwrap_err().code(), "tool.arguments");
    }
}

fn raw(paragraphs: usize) -> Reply {
    let body = "    A paragraph of the invented rule that goes on over its\nline and ends here.\n".repeat(paragraphs);
    let text = format!(
        "<html>\n<head><title>Federal Register, Volume 89 Issue 23</title></head>\n<body><pre>\n[Federal Register Volume 89, Number 23]\n[FR Doc No: 2024-01709]\n\n{body}</pre></body></html>"
    );
    Reply::Raw(200, "", "text/html; charset=utf-8", text)
}

#[tokio::test]
async fn a_document_comes_with_its_full_text_in_parts() {
    let server = ScriptedServer::new(vec![
        ("/documents/2024-01709.json", Reply::Json(document(&json!({})))),
        ("/full_text/text/2024/02/02/2024-01709.txt", raw(1_200)),
    ])
    .await;
    let tools = server.tools();
    let output = call(&tools, "federal_register_document", json!({ "number": "2024-01709" })).await.unwrap();
    assert_eq!((&output.value["part"], &output.value["parts"]), (&json!(1), &json!(3)));
    assert_eq!(output.value["records"][0]["title"], "Invented Systems; Amendments (part 1 of 3)");
    let text = &output.texts[0].text;
    assert!(
        text.contains("The agency amends an invented rule.\n\nPart of the full text: 1 of 3.") && !text.contains('<'),
        "{}",
        &text[..600]
    );
    assert!(text.contains("\n\nA paragraph of the invented rule that goes on over its line and ends here.\n\n"));
    let last = call(&tools, "federal_register_document", json!({ "number": "2024-01709", "part": 3 })).await.unwrap();
    assert!(!last.texts[0].text.contains("The agency amends") && last.texts[0].text.ends_with("ends here."));
    let beyond = call(&tools, "federal_register_document", json!({ "number": "2024-01709", "part": 4 })).await.unwrap_err();
    assert_eq!(beyond.code(), "tool.arguments");
    assert!(output.texts[0].provenance.as_ref().unwrap().request.ends_with("/documents/full_text/text/2024/02/02/2024-01709.txt"));
}

#[tokio::test]
async fn a_full_text_that_is_another_page_is_refused_and_one_elsewhere_is_not_asked_for() {
    let page = Reply::Raw(200, "", "text/html", "<html><body>Request access</body></html>".to_owned());
    let server = ScriptedServer::new(vec![("/documents/2024-01709.json", Reply::Json(document(&json!({})))), ("/full_text/", page)]).await;
    let error = call(&server.tools(), "federal_register_document", json!({ "number": "2024-01709" })).await.unwrap_err();
    assert_eq!(error.code(), "tool.unreadable");
    let elsewhere = document(&json!({ "raw_text_url": "http://127.0.0.1:1/secret" }));
    let server = ScriptedServer::new(vec![("/documents/2024-01709.json", Reply::Json(elsewhere))]).await;
    let output = call(&server.tools(), "federal_register_document", json!({ "number": "2024-01709" })).await.unwrap();
    assert_eq!((&output.value["parts"], &output.value["records"][0]["text"]), (&json!(1), &json!("The agency amends an invented rule.")));
    assert_eq!(server.targets().len(), 1);
}
