//! openFDA's reports, recalls and decisions in their documented formats.

use crate::server::{Reply, ScriptedServer, call, pair};
use serde_json::{Value, json};

fn meta(total: u64) -> Value {
    json!({ "disclaimer": "Do not rely on it.", "terms": "https://open.fda.gov/terms/", "license": "https://open.fda.gov/license/",
        "last_updated": "2026-08-03", "results": { "skip": 0, "limit": 5, "total": total } })
}

fn found(total: u64, results: &Value) -> Reply {
    Reply::Json(json!({ "meta": meta(total), "results": results }))
}

#[tokio::test]
async fn reactions_are_counted_with_the_caveat_that_reports_prove_nothing() {
    let mut counted = meta(0);
    counted.as_object_mut().unwrap().remove("results");
    let counts = json!({ "meta": counted, "results": [{ "term": "HAEMORRHAGE", "count": 40 }, { "term": "NAUSEA", "count": 9 }, { "term": "", "count": 1 }, {}] });
    let server =
        ScriptedServer::new(vec![("count=", Reply::Json(counts)), ("limit=1", found(200, &json!([{ "safetyreportid": "1" }])))]).await;
    let arguments = json!({ "drug": "Warfarin\" OR x:1", "serious": true, "from": "2020-01-01", "limit": 3 });
    let output = call(&server.known_tools(), "drug_adverse_events", arguments).await.unwrap();
    assert_eq!(output.value["total"], 200);
    assert_eq!(output.value["reactions"], json!([{ "reaction": "HAEMORRHAGE", "reports": 40 }, { "reaction": "NAUSEA", "reports": 9 }]));
    let text = &output.texts[0];
    assert!(text.text.contains("HAEMORRHAGE: 40 of 200 reports.") && text.text.contains("does not show that the product caused the event"));
    assert!(text.text.ends_with("openFDA: Do not rely on it."));
    assert_eq!((text.authority.as_str(), text.date.as_str()), ("institution", "2026-08-03"));
    assert!(text.url.starts_with("https://api.fda.gov/drug/event.json?search=") && !text.url.contains("hush"), "{}", text.url);
    let search = pair(&server, 0, "search");
    let name = "Warfarin or x 1";
    assert_eq!(
        search,
        format!(
            "(patient.drug.medicinalproduct:\"{name}\" OR patient.drug.openfda.generic_name:\"{name}\" OR patient.drug.openfda.brand_name:\"{name}\" \
             OR patient.drug.openfda.substance_name:\"{name}\") AND serious:\"1\" AND receivedate:[20200101 TO 29991231]"
        )
    );
    assert_eq!(pair(&server, 0, "count"), "patient.reaction.reactionmeddrapt.exact");
    assert_eq!((pair(&server, 1, "search"), pair(&server, 1, "api_key")), (search, "hush-hush".to_owned()));
}

#[tokio::test]
async fn single_reports_say_what_who_and_in_which_role() {
    let report = json!({ "safetyreportid": "10003300", "safetyreportversion": "2", "receivedate": "20140306", "receiptdate": "20140312", "serious": "1",
        "seriousnessdeath": "1", "seriousnesshospitalization": "2", "occurcountry": "US", "duplicate": "1", "primarysource": { "qualification": "3" },
        "patient": { "patientonsetage": "77", "patientonsetageunit": "801", "patientsex": "2",
            "reaction": [{ "reactionmeddrapt": "Haemorrhage", "reactionoutcome": "5" }, { "reactionmeddrapt": "Fall" }],
            "drug": [{ "medicinalproduct": "EXAMPLIX", "drugcharacterization": "1", "drugindication": "THROMBOSIS", "activesubstance": { "activesubstancename": "EXAMPLARIN" } },
                { "medicinalproduct": "OTHERIX", "drugcharacterization": "2" }] } });
    let server = ScriptedServer::new(vec![("/drug/event.json", found(1, &json!([report, {}, { "safetyreportid": "1\" OR" }])))]).await;
    let output = call(&server.tools(), "drug_adverse_events", json!({ "mode": "reports", "reaction": "Haemorrhage" })).await.unwrap();
    let records = output.value["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "entries without a usable number are none");
    let facts = &records[0]["facts"];
    assert_eq!(facts["reactions"], "Haemorrhage (fatal); Fall");
    assert_eq!(facts["drugs"], "EXAMPLIX (suspect, EXAMPLARIN, for THROMBOSIS); OTHERIX (concomitant)");
    assert_eq!(
        (&facts["seriousness"], &facts["patientonsetage"], &facts["patientsex"]),
        (&json!("death"), &json!("77 years"), &json!("female"))
    );
    assert_eq!((&records[0]["date"], &facts["qualification"]), (&json!("2014-03-06"), &json!("other health professional")));
    assert!(output.texts[0].text.contains("Known to be reported more than once: yes.") && output.texts[0].text.contains("no frequency"));
    assert_eq!(output.texts[0].url, "https://api.fda.gov/drug/event.json?search=safetyreportid%3A%2210003300%22");
}

#[tokio::test]
async fn device_reports_bring_the_narratives_and_keep_the_caveat_however_long_they_are() {
    let long = "The pump stopped without an alarm. ".repeat(4_000);
    let report = json!({ "mdr_report_key": "9988776", "report_number": "1234567-2021-00001", "event_type": "Malfunction", "date_received": "20210203",
        "product_problems": ["Infusion or Flow Problem"], "source_type": ["Manufacturer"],
        "device": [{ "brand_name": "EXAMPLEPUMP", "generic_name": "PUMP, INFUSION", "manufacturer_d_name": "EXAMPLE INC", "model_number": "EP-100", "device_report_product_code": "FRN" }],
        "patient": [{ "patient_problems": ["No Known Impact"], "sequence_number_outcome": ["Other"] }],
        "mdr_text": [{ "text_type_code": "Description of Event or Problem", "text": "The alarm was silent." }, { "text_type_code": "Additional Manufacturer Narrative", "text": long }] });
    let server = ScriptedServer::new(vec![("/device/event.json", found(3, &json!([report])))]).await;
    let arguments = json!({ "device": "examplepump", "product_code": "frn", "event_type": "Malfunction", "words": "silent alarm" });
    let output = call(&server.tools(), "device_adverse_events", arguments).await.unwrap();
    let record = &output.value["records"][0];
    assert_eq!(
        record["facts"]["device"],
        "Brand: EXAMPLEPUMP, Generic name: PUMP, INFUSION, Manufacturer: EXAMPLE INC, Model: EP-100, Product code: FRN"
    );
    assert!(record["text"].as_str().unwrap().starts_with("Description of Event or Problem\n\nThe alarm was silent."));
    let text = &output.texts[0].text;
    assert!(
        text.len() <= 64 * 1024
            && text.contains("[cut here]")
            && text.contains("does not show that the product caused")
            && text.ends_with("rely on it.")
    );
    assert_eq!(output.texts[0].url, "https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfmaude/detail.cfm?mdrfoi__id=9988776");
    assert_eq!(
        pair(&server, 0, "search"),
        "(device.brand_name:\"examplepump\" OR device.generic_name:\"examplepump\") AND device.device_report_product_code:\"FRN\" \
         AND mdr_text.text:\"silent\" AND mdr_text.text:\"alarm\" AND event_type:\"Malfunction\""
    );
}

#[tokio::test]
async fn recalls_are_read_from_the_list_that_is_asked_for() {
    let enforcement = json!({ "recall_number": "D-0123-2024", "event_id": "93001", "status": "Ongoing", "classification": "Class I", "product_type": "Drugs",
        "product_description": "Examplarin tablets, 5 mg", "reason_for_recall": "Superpotent", "recalling_firm": "Example Pharma", "recall_initiation_date": "20240105",
        "code_info": "Lot A1", "more_code_info": "Lot A2", "distribution_pattern": "Nationwide", "voluntary_mandated": "Voluntary: Firm initiated" });
    let device = json!({ "cfres_id": "190001", "product_res_number": "Z-0456-2023", "res_event_number": "91001", "recall_status": "Terminated", "product_code": "FRN",
        "product_description": "EXAMPLEPUMP", "reason_for_recall": "Software may stop without an alarm", "root_cause_description": "Software design",
        "action": "An urgent notice was sent.", "k_numbers": ["K999901", "K999902"], "pma_numbers": [], "event_date_initiated": "2023-02-01", "event_date_terminated": "2024-03-01" });
    let server = ScriptedServer::new(vec![
        ("/drug/enforcement.json", found(1, &json!([enforcement, {}]))),
        ("/device/recall.json", found(1, &json!([device]))),
    ])
    .await;
    let tools = server.tools();
    let drugs =
        json!({ "list": "drug_enforcement", "product": "examplarin tablets", "class": "I", "from": "2024-01-01", "to": "2024-12-31" });
    let output = call(&tools, "product_recalls", drugs).await.unwrap();
    let record = &output.value["records"][0];
    assert_eq!((&record["status"], &record["date"]), (&json!("ongoing"), &json!("2024-01-05")));
    assert_eq!(record["url"], "https://www.accessdata.fda.gov/scripts/ires/?Event=93001");
    assert!(output.texts[0].text.contains("Class: Class I.") && output.texts[0].text.contains("Further lots and codes: Lot A2."));
    assert_eq!(
        pair(&server, 0, "search"),
        "product_description:\"examplarin\" AND product_description:\"tablets\" AND classification:\"Class I\" AND recall_initiation_date:[20240101 TO 20241231]"
    );
    assert_eq!(pair(&server, 0, "sort"), "recall_initiation_date:desc");
    let output = call(&tools, "product_recalls", json!({ "list": "device_recall", "number": "z-0456-2023" })).await.unwrap();
    let record = &output.value["records"][0];
    assert_eq!((&record["status"], &record["facts"]["k_numbers"]), (&json!("terminated"), &json!("K999901, K999902")));
    assert!(output.texts[0].text.contains("Root cause as the FDA found it: Software design."));
    assert_eq!(pair(&server, 1, "search"), "product_res_number:\"Z-0456-2023\"");
    for (arguments, place) in [
        (json!({ "list": "device_recall", "class": "II", "product": "x" }), "/class"),
        (json!({ "list": "drug_enforcement", "product_code": "FRN" }), "/product_code"),
        (json!({ "list": "device_recall" }), ""),
    ] {
        let error = call(&tools, "product_recalls", arguments).await.unwrap_err();
        assert!(error.to_string().contains(&format!("`{place}`")), "{error}");
    }
}

#[tokio::test]
async fn classes_clearances_and_approvals_are_read_with_their_codes() {
    let class = json!({ "product_code": "FRN", "device_name": "Pump, Infusion", "device_class": "2", "regulation_number": "880.5725", "submission_type_id": "1",
        "definition": "An invented definition.", "implant_flag": "N", "life_sustain_support_flag": "Y", "unclassified_reason": "" });
    let cleared = json!({ "k_number": "K999901", "device_name": "EXAMPLEPUMP", "applicant": "Example Inc", "decision_code": "SESE", "decision_description": "Substantially Equivalent",
        "decision_date": "2020-05-04", "product_code": "FRN", "clearance_type": "Traditional", "openfda": { "device_class": "2", "regulation_number": "880.5725" } });
    let granted =
        json!({ "k_number": "DEN200001", "device_name": "EXAMPLEAPP", "applicant": "Example Inc", "decision_date": "2021-05-04" });
    let approved = json!({ "pma_number": "P990001", "supplement_number": "S002", "trade_name": "EXAMPLEVALVE", "generic_name": "Heart valve", "applicant": "Example Inc",
        "decision_code": "APPR", "decision_date": "2019-04-10", "ao_statement": "Approval for an invented change." });
    let withdrawn = json!({ "pma_number": "P990002", "supplement_number": "", "trade_name": "", "generic_name": "Lead", "applicant": "Example Inc", "decision_code": "WTDR" });
    let server = ScriptedServer::new(vec![
        ("/device/classification.json", found(1, &json!([class]))),
        ("/device/510k.json", found(2, &json!([cleared, granted, { "k_number": "../x" }]))),
        ("/device/pma.json", found(2, &json!([approved, withdrawn, { "pma_number": "P1" }]))),
    ])
    .await;
    let tools = server.tools();
    let output = call(&tools, "device_classification", json!({ "regulation": "880.5725" })).await.unwrap();
    let record = &output.value["records"][0];
    assert_eq!((&record["facts"]["submission_type_id"], &record["text"]), (&json!("510(k)"), &json!("An invented definition.")));
    assert!(output.texts[0].text.contains("Sustains or supports life: Y."));
    let output = call(&tools, "device_510k", json!({ "number": "k999901" })).await.unwrap();
    let records = output.value["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["url"], "https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfpmn/pmn.cfm?ID=K999901");
    assert_eq!(records[1]["url"], "https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfpmn/denovo.cfm?ID=DEN200001");
    assert_eq!(records[0]["facts"]["openfda.regulation_number"], "880.5725");
    assert_eq!(pair(&server, 1, "search"), "k_number:\"K999901\"");
    let output = call(&tools, "device_pma", json!({ "device": "valve", "order": "oldest" })).await.unwrap();
    let records = output.value["records"].as_array().unwrap();
    assert_eq!(
        (&records[0]["identifier"], &records[0]["text"], &records[0]["status"]),
        (&json!("PMA P990001S002"), &json!("Approval for an invented change."), &json!(""))
    );
    assert_eq!((&records[1]["status"], &records[1]["facts"]["decision"]), (&json!("withdrawn"), &json!("withdrawn")));
    assert_eq!(
        (pair(&server, 2, "search"), pair(&server, 2, "sort")),
        ("trade_name:\"valve\" OR generic_name:\"valve\"".to_owned(), "decision_date:asc".to_owned())
    );
    assert!(output.texts.iter().all(|text| text.authority == "regulator" && text.provenance.as_ref().unwrap().source == "openFDA"));
}

#[tokio::test]
async fn only_openfdas_own_answer_without_a_match_is_an_empty_result() {
    for (kind, body, code) in [
        ("application/json", json!({ "error": { "code": "NOT_FOUND", "message": "No matches found!" } }).to_string(), None),
        ("application/json", json!({ "error": { "code": "OTHER" } }).to_string(), Some("tool.refused")),
        ("text/html", "<html>404</html>".to_owned(), Some("tool.refused")),
    ] {
        let server = ScriptedServer::new(vec![("/", Reply::Raw(404, "", kind, body.clone()))]).await;
        let result = call(&server.tools(), "device_510k", json!({ "device": "pump" })).await;
        assert_eq!(result.as_ref().err().map(vital_tools::ToolError::code), code, "{body}");
        assert!(result.is_err() || result.unwrap().value["total"] == 0);
    }
}
