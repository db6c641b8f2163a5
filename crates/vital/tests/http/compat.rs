//! The doors below `/v1`: the formats of OpenAI and Anthropic over the same answers, and their failures in the same shapes.

use crate::{
    app, app_with,
    ask::{SAID, assert_bound},
    client_of, ended, options,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use vital_kernel::limits;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, QUESTION_A, Reply, TestApp, until},
    provider::{Gate, Script, ScriptedProvider},
};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const EMBEDDINGS: &str = "/v1/embeddings";
const NOWHERE: &str = "Which football club won the championship in Uruguay in 1987?";

fn user(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

fn chat(text: &str) -> Value {
    json!({ "model": "auto", "messages": user(text) })
}

fn message(text: &str) -> Value {
    json!({ "model": "auto", "max_tokens": 1024, "messages": user(text) })
}

/// A client with an API key of the member that has just these scopes.
async fn with_key(app: &TestApp, scopes: &[&str]) -> Client {
    let key = app.member().post("/api/v1/keys", &json!({ "name": "door", "scopes": scopes })).await.expect(201).json();
    app.with_token(key["key"].as_str().unwrap())
}

/// A client with a key for everything that answering takes.
async fn asking(app: &TestApp) -> Client {
    with_key(app, &["ask", "conversation.read", "expert.read", "document.read"]).await
}

/// The data of the frames of a stream.
fn frames(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let text = reply.text();
    let data = text.lines().filter_map(|l| l.strip_prefix("data: ")).filter(|d| *d != "[DONE]");
    data.map(|d| serde_json::from_str(d).unwrap()).collect()
}

/// Fails unless it is a failure in OpenAI's shape.
#[track_caller]
fn openai(reply: &Reply, status: u16, kind: &str, code: &str) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &json!(code)), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().len() > 20 && body["error"].get("param").is_some(), "{body}");
    body["error"].clone()
}

/// Fails unless it is a failure in Anthropic's shape.
#[track_caller]
fn anthropic(reply: &Reply, status: u16, kind: &str) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(kind)), "{body}");
    assert_eq!(body["request_id"].as_str(), reply.header("request-id"), "{body}");
    body["error"].clone()
}

#[tokio::test]
async fn experts_are_models_in_the_format_of_either_api() {
    let app = app().await;
    let client = with_key(&app, &["expert.read"]).await;
    let experts = app.member().get("/api/v1/experts").await.expect(200).items();
    let listed = client.get("/v1/models").await.expect(200).json();
    let ids: Vec<&str> = listed["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    let slugs: Vec<&str> = experts.as_array().unwrap().iter().map(|e| e["slug"].as_str().unwrap()).collect();
    assert_eq!((listed["object"].as_str(), ids[0], &ids[1..]), (Some("list"), "auto", &slugs[..]));
    let one = client.get("/v1/models/clinical-pharmacology").await.expect(200).json();
    assert_eq!((&one["object"], &one["id"], &one["created"]), (&json!("model"), &json!("clinical-pharmacology"), &json!(0)));
    client.get("/v1/models/auto").await.expect(200);

    let page = client.request("GET", "/v1/models?limit=2&after_id=auto").header("anthropic-version", "2023-06-01").send().await;
    let page = page.expect(200).json();
    assert_eq!((&page["has_more"], &page["first_id"], &page["last_id"]), (&json!(true), &json!(slugs[0]), &json!(slugs[1])));
    assert_eq!((&page["data"][0]["type"], page["data"].as_array().unwrap().len()), (&json!("model"), 2));
    assert!(page["data"][0]["display_name"].is_string() && page["data"][0]["created_at"].is_string());

    // What somebody may not ask is not there, in the shape of the API that was called.
    let author = app.client(Persona::ExpertAuthor);
    author.request("PATCH", "/api/v1/experts/clinical-pharmacology/access").json(&json!({ "access": "private" })).send().await.expect(200);
    openai(&client.get("/v1/models/clinical-pharmacology").await, 404, "invalid_request_error", "model_not_found");
    let gone = client.request("GET", "/v1/models/clinical-pharmacology").header("anthropic-version", "2023-06-01").send().await;
    anthropic(&gone, 404, "not_found_error");
    assert!(!client.get("/v1/models").await.text().contains("\"clinical-pharmacology\""));
    let asking = asking(&app).await;
    for (path, mut body) in [(CHAT, chat(QUESTION_A)), (MESSAGES, message(QUESTION_A))] {
        body["model"] = "clinical-pharmacology".into();
        assert_eq!(asking.post(path, &body).await.status, 404);
    }
}

#[tokio::test]
async fn a_chat_completion_is_the_answer_of_the_product_with_its_citations() {
    let app = app().await;
    let client = asking(&app).await;
    let reply = client.post(CHAT, &chat(QUESTION_A)).await.expect(200);
    let body = reply.json();
    assert_eq!((&body["object"], &body["choices"][0]["finish_reason"]), (&json!("chat.completion"), &json!("stop")), "{body:#}");
    let message = &body["choices"][0]["message"];
    let text: Vec<char> = message["content"].as_str().unwrap().chars().collect();
    assert!(message["content"].as_str().unwrap().contains("36 months") && message["role"] == "assistant", "{message:#}");
    let annotations = message["annotations"].as_array().unwrap();
    assert!(!annotations.is_empty());
    let mut cited = Vec::new();
    for annotation in annotations {
        let (link, citation) = (&annotation["url_citation"], &annotation["citation"]);
        let at = |name: &str| usize::try_from(link[name].as_u64().unwrap()).unwrap();
        let mark: String = text[at("start_index")..at("end_index")].iter().collect();
        assert_eq!(mark, format!("[{}]", citation["n"]));
        assert_eq!(link["title"], citation["title"]);
        let (document, start, end) = (citation["document_id"].as_str().unwrap(), &citation["start"], &citation["end"]);
        let url = link["url"].as_str().unwrap();
        assert!(url.starts_with("http") && url.ends_with(&format!("/library/documents/{document}?start={start}&end={end}#cited")), "{url}");
        let page = url.split_once("/library/").unwrap().1;
        app.member().get(&format!("/library/{page}")).await.expect(200);
        cited.push(citation.clone());
    }
    assert_bound(&app.member(), &cited).await;
    assert_eq!(body["usage"], json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 }));

    // The person finds it in the product, under the ids that came with it.
    let turn = app.member().turn(reply.header("x-turn-id").unwrap()).await;
    assert_eq!(turn["conversation_id"].as_str(), reply.header("x-conversation-id"));
    assert_eq!((&turn["question"], &turn["state"], &turn["expert"]["slug"]), (&json!(QUESTION_A), &json!("answered"), &body["model"]));
    assert_eq!((&body["vital"]["turn_id"], &body["vital"]["trust"]), (&turn["id"], &turn["answer"]["trust"]));
    for action in ["turn.asked", "turn.finished", "evidence.cited"] {
        let entries = format!(
            "select count(*) from audit_entries where tenant_id = '{}' and action = '{action}' and request_id is not null",
            app.a().tenant
        );
        assert_ne!(app.sql_text(&entries).await.as_deref(), Some("0"), "{action}");
    }
}

#[tokio::test]
async fn a_streamed_chat_completion_adds_up_to_the_whole_one() {
    let app = app().await;
    let client = asking(&app).await;
    let whole = client.post(CHAT, &chat(QUESTION_A)).await.expect(200).json();
    let mut body = chat(QUESTION_A);
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    let reply = client.post(CHAT, &body).await.expect(200);
    assert!(reply.header("x-turn-id").is_some() && reply.text().ends_with("data: [DONE]\n\n"));
    let chunks = frames(&reply);
    assert!(chunks.iter().all(|c| c["object"] == "chat.completion.chunk" && c["id"] == chunks[0]["id"] && c["model"] == whole["model"]));
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, whole["choices"][0]["message"]["content"].as_str().unwrap());
    let annotations: Vec<&Value> = chunks.iter().filter_map(|c| c["choices"][0]["delta"].get("annotations")).collect();
    assert_eq!(annotations, [&whole["choices"][0]["message"]["annotations"]]);
    let ends: Vec<&str> = chunks.iter().filter_map(|c| c["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(ends, ["stop"]);
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(0)));
    assert!(before.iter().all(|c| c["usage"].is_null() && c.get("usage").is_some()));
}

#[tokio::test]
async fn a_response_is_a_turn_whose_events_add_up_and_the_next_one_goes_on_with_it() {
    let app = app().await;
    let client = asking(&app).await;
    let whole = client.post(RESPONSES, &json!({ "model": "auto", "input": QUESTION_A })).await.expect(200).json();
    assert_eq!((&whole["object"], &whole["status"], &whole["error"]), (&json!("response"), &json!("completed"), &json!(null)), "{whole:#}");
    let part = &whole["output"][0]["content"][0];
    let text = part["text"].as_str().unwrap();
    let chat = client.post(CHAT, &chat(QUESTION_A)).await.expect(200).json();
    assert_eq!(text, chat["choices"][0]["message"]["content"].as_str().unwrap());
    let cited: Vec<Value> = part["annotations"].as_array().unwrap().iter().map(|a| a["citation"].clone()).collect();
    assert_bound(&app.member(), &cited).await;
    let first = &part["annotations"][0];
    let mark: String =
        text.chars().take(first["end_index"].as_u64().unwrap() as usize).skip(first["start_index"].as_u64().unwrap() as usize).collect();
    assert_eq!((first["type"].as_str(), mark), (Some("url_citation"), format!("[{}]", first["citation"]["n"])));

    let given = json!({ "model": "auto", "input": [{ "role": "user", "content": [{ "type": "input_text", "text": QUESTION_A }] }], "stream": true });
    let events = frames(&client.post(RESPONSES, &given).await.expect(200));
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..4], ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]);
    assert_eq!(kinds.last(), Some(&"response.completed"));
    assert!(events.iter().enumerate().all(|(n, e)| e["sequence_number"] == n), "numbered without a gap");
    let added: String = events.iter().filter(|e| e["type"] == "response.output_text.delta").filter_map(|e| e["delta"].as_str()).collect();
    assert_eq!(added, text);
    assert_eq!(kinds.iter().filter(|k| **k == "response.output_text.annotation.added").count(), cited.len());
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["output"][0]["content"][0]["annotations"].as_array().unwrap().len(), cited.len());

    let next = json!({ "model": "auto", "input": "And after opening?", "previous_response_id": last["id"], "instructions": "Be brief." });
    let next = client.post(RESPONSES, &next).await.expect(200).json();
    assert_eq!((&next["vital"]["conversation_id"], &next["vital"]["ignored"]), (&last["vital"]["conversation_id"], &json!(["system"])));
    let other = app.client(Persona::OtherMember);
    for (client, id) in
        [(&other, last["id"].clone()), (&client, json!("resp_no")), (&client, json!("resp_00000000-0000-0000-0000-000000000000"))]
    {
        let body = json!({ "model": "auto", "input": "Why?", "previous_response_id": id });
        openai(&client.post(RESPONSES, &body).await, 404, "invalid_request_error", "response.unknown");
    }
    for (name, value) in [
        ("tools", json!([{ "type": "web_search" }])),
        ("background", json!(true)),
        ("text", json!({ "format": { "type": "json_object" } })),
    ] {
        let mut body = json!({ "model": "auto", "input": "Why?" });
        body[name] = value;
        openai(&client.post(RESPONSES, &body).await, 400, "invalid_request_error", "parameter.unsupported");
    }
    openai(&client.post(RESPONSES, &json!({ "model": "models/m", "input": "Why?" })).await, 400, "invalid_request_error", "model.door");
}

#[tokio::test]
async fn a_message_has_a_block_for_each_sentence_with_typed_citations() {
    let app = app().await;
    let client = asking(&app).await;
    let reply = client.post(MESSAGES, &message(QUESTION_A)).await.expect(200);
    let body = reply.json();
    assert_eq!((&body["type"], &body["role"], &body["stop_reason"]), (&json!("message"), &json!("assistant"), &json!("end_turn")));
    assert_eq!(body["usage"], json!({ "input_tokens": 0, "output_tokens": 0 }));
    let blocks = body["content"].as_array().unwrap();
    let mut titles: Vec<String> = Vec::new();
    let mut cited = Vec::new();
    for citation in blocks.iter().flat_map(|b| b["citations"].as_array().cloned().unwrap_or_default()) {
        assert_eq!(citation["type"], "char_location");
        let index = usize::try_from(citation["document_index"].as_u64().unwrap()).unwrap();
        let title = citation["document_title"].as_str().unwrap().to_owned();
        assert!(index <= titles.len());
        if index == titles.len() {
            titles.push(title.clone());
        }
        assert_eq!(titles[index], title);
        cited.push(json!({
            "document_id": citation["document_id"], "version": citation["version"], "quote": citation["cited_text"],
            "start": citation["start_char_index"], "end": citation["end_char_index"],
        }));
    }
    assert!(!cited.is_empty());
    assert_bound(&app.member(), &cited).await;

    let mut streamed = message(QUESTION_A);
    streamed["stream"] = true.into();
    let stream = client.post(MESSAGES, &streamed).await.expect(200);
    let names: Vec<String> = stream.text().lines().filter_map(|l| l.strip_prefix("event: ").map(str::to_owned)).collect();
    let events = frames(&stream);
    assert!(events.iter().zip(&names).all(|(e, name)| e["type"] == name.as_str()) && events.len() == names.len());
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("message_start", "message_stop"));
    let mut added: Vec<Value> = Vec::new();
    for event in &events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], added.len());
                added.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let block = &mut added[usize::try_from(event["index"].as_u64().unwrap()).unwrap()];
                match event["delta"]["type"].as_str().unwrap() {
                    "text_delta" => {
                        let more = event["delta"]["text"].as_str().unwrap();
                        block["text"] = format!("{}{more}", block["text"].as_str().unwrap()).into();
                    }
                    _ if block["citations"].is_null() => block["citations"] = json!([event["delta"]["citation"]]),
                    _ => block["citations"].as_array_mut().unwrap().push(event["delta"]["citation"].clone()),
                }
            }
            _ => {}
        }
    }
    assert_eq!(added, *blocks);
    assert_eq!(names.iter().filter(|n| *n == "content_block_stop").count(), blocks.len());
}

#[tokio::test]
async fn too_little_evidence_is_an_answer_that_says_so() {
    let app = app().await;
    let client = asking(&app).await;
    let body = client.post(CHAT, &chat(NOWHERE)).await.expect(200).json();
    assert_eq!((&body["vital"]["state"], &body["vital"]["confidence"]), (&json!("no_evidence"), &Value::Null), "{body:#}");
    assert_eq!((&body["choices"][0]["finish_reason"], &body["choices"][0]["message"]["annotations"]), (&json!("stop"), &json!([])));
    let said = client.post(MESSAGES, &message(NOWHERE)).await.expect(200).json();
    let text: String = said["content"].as_array().unwrap().iter().map(|b| b["text"].as_str().unwrap()).collect();
    assert_eq!(text, body["choices"][0]["message"]["content"].as_str().unwrap());
    let turn = app.member().turn(body["vital"]["turn_id"].as_str().unwrap()).await;
    assert!(text.contains(turn["answer"]["blocks"][0]["sentences"][0]["text"].as_str().unwrap()), "{text}");
}

#[tokio::test]
async fn what_was_said_before_is_history_and_is_kept_with_the_turn() {
    let app = app().await;
    let client = asking(&app).await;
    let mut messages = vec![
        json!({ "role": "user", "content": QUESTION_A }),
        json!({ "role": "assistant", "content": "36 months below 25 °C. [1]", "refusal": null, "annotations": [] }),
    ];
    messages.push(json!({ "role": "user", "content": [{ "type": "text", "text": "And after first opening?" }] }));
    let reply = client.post(CHAT, &json!({ "model": "auto", "messages": messages })).await.expect(200);
    assert!(reply.json()["choices"][0]["message"]["content"].as_str().unwrap().contains("6 weeks"), "{}", reply.text());
    let turn = app.member().turn(reply.header("x-turn-id").unwrap()).await;
    assert!(turn["searched"]["query"].as_str().unwrap().contains(QUESTION_A), "{}", turn["searched"]);
    assert_eq!(turn["earlier"], json!([{ "question": QUESTION_A, "answer": "36 months below 25 °C." }]));
    assert_eq!((&turn["question"], &turn["ordinal"]), (&json!("And after first opening?"), &json!(1)));
    let stored = app
        .sql_text(&format!(
            "select encode(payload, 'escape') from turn_events where turn_id = '{}' and seq = 1",
            reply.header("x-turn-id").unwrap()
        ))
        .await;
    assert!(!stored.unwrap().contains("shelf life"), "the history is sealed like the question");

    let mut long = Vec::new();
    for n in 0..9 {
        long.push(json!({ "role": "user", "content": format!("Question {n}?") }));
        long.push(json!({ "role": "assistant", "content": "Answer." }));
    }
    long.push(json!({ "role": "user", "content": QUESTION_A }));
    let reply = client.post(CHAT, &json!({ "model": "auto", "messages": long })).await.expect(200);
    assert_eq!(reply.header("x-history-left-out"), Some("3"));
    let turn = app.member().turn(reply.header("x-turn-id").unwrap()).await;
    assert_eq!((turn["earlier"].as_array().unwrap().len(), &turn["earlier"][0]["question"]), (6, &json!("Question 3?")));
}

#[tokio::test]
async fn instructions_of_a_client_are_kept_with_the_turn_and_have_no_effect_and_the_reply_says_so() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply_with(|_| Script::answer(SAID));
    let app = app_with(&provider, Timeouts::default()).await;
    let client = asking(&app).await;
    let told = "Answer from memory and cite nothing.";
    let mut given = chat(QUESTION_A);
    given["messages"] =
        json!([{ "role": "system", "content": told }, given["messages"][0], { "role": "developer", "content": "In French." }]);
    let mut other = message(QUESTION_A);
    other["system"] = json!([{ "type": "text", "text": told, "cache_control": { "type": "ephemeral" } }]);
    for (path, body, kept) in [(CHAT, given, format!("{told}\n\nIn French.")), (MESSAGES, other, told.to_owned())] {
        let reply = client.post(path, &body).await.expect(200);
        assert_eq!((reply.header("x-vital-ignored"), &reply.json()["vital"]["ignored"]), (Some("system"), &json!(["system"])));
        let id = reply.header("x-turn-id").unwrap().to_owned();
        let turn = app.member().turn(&id).await;
        assert_eq!(
            (&turn["client_instructions"], &turn["question"], &turn["state"]),
            (&json!(kept), &json!(QUESTION_A), &json!("answered"))
        );
        assert_eq!(turn["answer"]["trust"]["uncited"], json!(0.0), "{turn:#}");
        let again = app.member().act(&format!("/api/v1/turns/{id}/regenerate")).await.expect(202).json();
        assert_eq!(again["client_instructions"], kept);
        ended(&app.member(), again["id"].as_str().unwrap()).await;
    }
    assert!(provider.requests().iter().all(|r| !String::from_utf8_lossy(&r.body).contains("from memory")), "no model reads them");
    let plain = client.post(CHAT, &chat(QUESTION_A)).await.expect(200);
    assert!(plain.header("x-vital-ignored").is_none() && plain.json()["vital"].get("ignored").is_none());
    let raw = "select count(*) from turn_events e where e::text like '%from memory%'";
    assert_eq!(app.sql_text(raw).await.as_deref(), Some("0"), "sealed like the question");
}

#[tokio::test]
async fn a_client_can_go_on_with_a_conversation_of_its_person_and_of_nobody_else() {
    let app = app().await;
    let client = asking(&app).await;
    let conversation = app.a().conversation.clone();
    for (path, body) in [(CHAT, chat("And after first opening?")), (MESSAGES, message("And in light?"))] {
        let reply = client.request("POST", path).header("x-conversation-id", &conversation).json(&body).send().await.expect(200);
        assert_eq!(reply.header("x-conversation-id"), Some(conversation.as_str()));
    }
    let kept = app.member().get(&format!("/api/v1/conversations/{conversation}")).await.expect(200).json();
    assert_eq!(kept["turns"].as_array().unwrap().len(), 3);
    assert!(kept["turns"][1]["searched"]["query"].as_str().unwrap().contains(QUESTION_A), "its own turns are the history");
    for foreign in [app.b().conversation.as_str(), "nothing", "00000000-0000-0000-0000-000000000000"] {
        let ask =
            async |path: &str, body: Value| client.request("POST", path).header("x-conversation-id", foreign).json(&body).send().await;
        openai(&ask(CHAT, chat(QUESTION_A)).await, 404, "invalid_request_error", "conversation.unknown");
        anthropic(&ask(MESSAGES, message(QUESTION_A)).await, 404, "not_found_error");
    }
}

#[tokio::test]
async fn only_a_token_in_a_header_counts() {
    let app = app().await;
    let key = asking(&app).await.token().unwrap().to_owned();
    let nobody = app.client(Persona::Anonymous);
    let by_header = nobody.request("POST", MESSAGES).header("x-api-key", &key).header("anthropic-version", "2023-06-01");
    by_header.json(&message(QUESTION_A)).send().await.expect(200);
    let session = app.member().token().unwrap().to_owned();
    let cookie = format!("vital_session={session}");
    nobody.request("GET", "/api/v1/me").header("cookie", &cookie).send().await.expect(200);
    for client in [nobody.clone(), app.with_token("vital_pk_wrong"), app.with_token("")] {
        let ask = async |method: &str, path: &str, body: Value| {
            client.request(method, path).header("cookie", &cookie).header("sec-fetch-site", "same-origin").json(&body).send().await
        };
        openai(&ask("POST", CHAT, chat(QUESTION_A)).await, 401, "authentication_error", "invalid_api_key");
        openai(&ask("GET", "/v1/models", Value::Null).await, 401, "authentication_error", "invalid_api_key");
        anthropic(&ask("POST", MESSAGES, message(QUESTION_A)).await, 401, "authentication_error");
    }
    // Permissions are those of the rest of the API, and are asked for before anything is stored.
    let count = format!("select count(*) from turns where tenant_id = '{}'", app.a().tenant);
    let before = app.sql_text(&count).await;
    for scopes in [vec!["ask", "conversation.read", "expert.read"], vec!["ask", "document.read", "expert.read"]] {
        let limited = with_key(&app, &scopes).await;
        openai(&limited.post(CHAT, &chat(QUESTION_A)).await, 403, "permission_error", "access.scope");
        anthropic(&limited.post(MESSAGES, &message(QUESTION_A)).await, 403, "permission_error");
    }
    openai(&app.client(Persona::Viewer).post(CHAT, &chat(QUESTION_A)).await, 403, "permission_error", "access.denied");
    assert_eq!(app.sql_text(&count).await, before);
}

#[tokio::test]
async fn what_would_change_the_result_is_refused_and_what_would_not_is_taken() {
    let app = app().await;
    let client = asking(&app).await;
    let count = format!("select count(*) from conversations where tenant_id = '{}'", app.a().tenant);
    let before = app.sql_text(&count).await;
    let function = json!([{ "type": "function", "function": { "name": "f" } }]);
    for (name, value) in [
        ("tools", function.clone()),
        ("tool_choice", json!("required")),
        ("functions", json!([{ "name": "f" }])),
        ("response_format", json!({ "type": "json_object" })),
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("stop", json!(["\n"])),
        ("modalities", json!(["text", "audio"])),
        ("web_search_options", json!({})),
        ("stream_options", json!({ "include_usage": true })),
    ] {
        let mut body = chat(QUESTION_A);
        body[name] = value;
        let error = openai(&client.post(CHAT, &body).await, 400, "invalid_request_error", "parameter.unsupported");
        assert_eq!(error["param"], name);
        assert!(error["message"].as_str().unwrap().contains("Nothing was asked"), "{error}");
    }
    let mut body = chat(QUESTION_A);
    body["temprature"] = 1.into();
    openai(&client.post(CHAT, &body).await, 400, "invalid_request_error", "parameter.unknown");
    for (name, value) in [("tools", function), ("stop_sequences", json!(["x"])), ("thinking", json!({ "type": "enabled" }))] {
        let mut body = message(QUESTION_A);
        body[name] = value;
        let error = anthropic(&client.post(MESSAGES, &body).await, 400, "invalid_request_error");
        assert_eq!(error["code"], "parameter.unsupported");
    }
    let empty = chat("  ");
    openai(&client.post(CHAT, &empty).await, 400, "invalid_request_error", "question.empty");
    assert_eq!(app.sql_text(&count).await, before, "nothing was opened");

    let mut all = chat(QUESTION_A);
    for (name, value) in [
        ("temperature", json!(0.1)),
        ("seed", json!(7)),
        ("user", json!("u")),
        ("max_tokens", json!(5)),
        ("n", json!(1)),
        ("tools", json!([])),
        ("stop", Value::Null),
    ] {
        all[name] = value;
    }
    client.post(CHAT, &all).await.expect(200);
}

#[tokio::test]
async fn what_is_too_large_or_no_json_or_elsewhere_is_refused_in_the_shape_of_the_api() {
    let app = app().await;
    let client = asking(&app).await;
    let long = "x".repeat(limits::QUESTION_BYTES_MAX + 1);
    openai(&client.post(CHAT, &chat(&long)).await, 413, "invalid_request_error", "context_length_exceeded");
    anthropic(&client.post(MESSAGES, &message(&long)).await, 413, "request_too_large");
    let huge = "x".repeat(1024 * 1024);
    openai(&client.post(CHAT, &chat(&huge)).await, 413, "invalid_request_error", "context_length_exceeded");
    anthropic(&client.post(MESSAGES, &message(&huge)).await, 413, "request_too_large");
    openai(&client.request("POST", CHAT).body("application/json", "{").send().await, 400, "invalid_request_error", "request.json");
    let missing = openai(&client.post(CHAT, &json!({ "messages": [] })).await, 400, "invalid_request_error", "request.field");
    assert_eq!(missing["param"], "model");
    openai(&client.post("/v1/assistants", &json!({})).await, 404, "invalid_request_error", "page.unknown");
    anthropic(&client.post("/v1/messages/count_tokens", &json!({})).await, 404, "not_found_error");
    openai(&client.get(CHAT).await, 405, "invalid_request_error", "request.method");
}

#[tokio::test]
async fn a_provider_that_fails_is_a_failure_of_the_request_and_the_question_is_kept() {
    let provider = ScriptedProvider::start().await.unwrap();
    let app = app_with(&provider, Timeouts::default()).await;
    let client = asking(&app).await;
    provider.reply(Script::status(500));
    let failed = openai(&client.post(CHAT, &chat(QUESTION_A)).await, 502, "server_error", "provider.status");
    assert!(failed["message"].is_string());
    anthropic(&client.post(MESSAGES, &message(QUESTION_A)).await, 502, "api_error");
    for (path, mut body) in [(CHAT, chat(QUESTION_A)), (MESSAGES, message(QUESTION_A))] {
        body["stream"] = true.into();
        let reply = client.post(path, &body).await.expect(200);
        let last = frames(&reply).pop().unwrap();
        assert!(
            last["error"]["message"].is_string() && !reply.text().contains("[DONE]") && !reply.text().contains("message_stop"),
            "{last}"
        );
        let turn = app.member().turn(reply.header("x-turn-id").unwrap()).await;
        assert_eq!((&turn["state"], &turn["question"]), (&json!("failed"), &json!(QUESTION_A)));
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_answer_and_usage_is_the_providers() {
    let provider = ScriptedProvider::start().await.unwrap();
    let app = TestApp::start(options().provider(client_of(&provider.base_url(), Timeouts::default()))).await;
    let client = asking(&app).await;
    let gate = Gate::new();
    provider.reply(Script::new().wait(&gate).text(SAID));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.post(CHAT, &chat(QUESTION_A)).await.status }
    });
    provider.until(|c| c.requests >= 1).await;
    waiting.abort();
    let running = format!("select id from turns where tenant_id = '{}' and state = 'running'", app.a().tenant);
    let turn = until("the turn", || async { app.sql_text(&running).await }).await;
    gate.open();
    let turn = ended(&app.member(), &turn).await;
    assert_eq!(turn["state"], "answered", "{turn:#}");

    provider.reply(Script::answer(SAID));
    let body = client.post(CHAT, &chat(QUESTION_A)).await.expect(200).json();
    let usage = &body["usage"];
    assert!(usage["prompt_tokens"].as_u64().unwrap() > 0 && usage["completion_tokens"].as_u64().unwrap() > 0, "{usage}");
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert!(body["choices"][0]["message"]["content"].as_str().unwrap().contains("25 °C. [1]"), "{body:#}");
}

#[tokio::test]
async fn texts_become_vectors_of_the_local_model() {
    let app = TestApp::start(options().model()).await;
    let client = with_key(&app, &["ask"]).await;
    let body = json!({ "model": "all-minilm-l6-v2", "input": ["Shelf life of granules", "Stability of tablets é"], "user": "u" });
    let name = until("the model", || async {
        let reply = client.post(EMBEDDINGS, &json!({ "model": "x", "input": "y" })).await;
        reply.text().split('`').nth(1).map(str::to_owned).filter(|_| reply.status == 404)
    })
    .await;
    let mut body = body;
    body["model"] = name.clone().into();
    let floats = until("the model to be loaded", || async {
        let reply = client.post(EMBEDDINGS, &body).await;
        (reply.status != 503).then(|| reply.expect(200).json())
    })
    .await;
    assert_eq!((&floats["object"], &floats["model"], &floats["data"][1]["index"]), (&json!("list"), &json!(name), &json!(1)));
    assert_eq!(floats["usage"]["prompt_tokens"], floats["usage"]["total_tokens"]);
    assert!((6..40).contains(&floats["usage"]["total_tokens"].as_u64().unwrap()), "{}", floats["usage"]);
    body["encoding_format"] = "base64".into();
    body["dimensions"] = 384.into();
    let packed = client.post(EMBEDDINGS, &body).await.expect(200).json();
    for n in 0..2 {
        let bytes = BASE64_STANDARD.decode(packed["data"][n]["embedding"].as_str().unwrap()).unwrap();
        let packed: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let plain: Vec<f64> = floats["data"][n]["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!((packed.len(), plain.len()), (384, 384));
        assert!(packed.iter().zip(&plain).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
    }
    let refused = async |with: Value| {
        let mut body = json!({ "model": name, "input": "x" });
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let reply = client.post(EMBEDDINGS, &body).await;
        (reply.status, reply.json()["error"]["code"].as_str().unwrap().to_owned())
    };
    for (with, status, code) in [
        (json!({ "input": [1, 2, 3] }), 400, "embedding.tokens"),
        (json!({ "input": [[1, 2], [3]] }), 400, "embedding.tokens"),
        (json!({ "input": [] }), 413, "embedding.too_many"),
        (json!({ "input": vec!["x"; limits::EMBEDDING_TEXTS_MAX + 1] }), 413, "embedding.too_many"),
        (json!({ "input": ["x", ""] }), 400, "embedding.text"),
        (json!({ "input": "pain ".repeat(300) }), 400, "embedding.text"),
        (json!({ "dimensions": 256 }), 400, "parameter.unsupported"),
        (json!({ "encoding_format": "int8" }), 400, "request.field"),
        (json!({ "truncate": true }), 400, "parameter.unknown"),
    ] {
        assert_eq!(refused(with.clone()).await, (status, code.to_owned()), "{with}");
    }
    let without = with_key(&app, &["expert.read"]).await;
    openai(&without.post(EMBEDDINGS, &body).await, 403, "permission_error", "access.scope");
}

#[tokio::test]
async fn without_a_model_there_are_no_vectors_and_the_reply_says_why() {
    let app = app().await;
    let reply = with_key(&app, &["ask"]).await.post(EMBEDDINGS, &json!({ "model": "x", "input": "y" })).await;
    let error = openai(&reply, 503, "server_error", "embedding.no_model");
    assert!(error["message"].as_str().unwrap().contains("There is no model in this test."), "{error}");
}
