//! A prompt in OpenAI's format as models here take it.

use super::{
    Wanted,
    reading::{self, object, refused},
};
use crate::{
    compat::{
        heard::Message,
        parameters::{self, Unsupported, empty, off},
    },
    problem::Reply,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vital_llm::{ChatRequest, Message as Said, OutputSchema, Role, Tool, ToolCall, ToolChoice, ToolResult};

/// Parameters that are read here, and those that change nothing of an answer.
const TAKEN: [&str; 18] = [
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "response_format",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "metadata",
    "service_tier",
    "store",
    "moderation",
];
const NOT_CARRIED: &str = "cannot be carried to every kind of model provider. Leave it out";
/// Parameters that would change the result.
const UNSUPPORTED: [Unsupported; 17] = [
    Unsupported { name: "functions", harmless: empty, why: "has been replaced by `tools`" },
    Unsupported { name: "function_call", harmless: |_| false, why: "has been replaced by `tool_choice`" },
    Unsupported { name: "parallel_tool_calls", harmless: |v| *v == true, why: NOT_CARRIED },
    Unsupported { name: "n", harmless: |v| *v == 1, why: "can only be 1: one answer at a time is relayed" },
    Unsupported { name: "logprobs", harmless: off, why: NOT_CARRIED },
    Unsupported { name: "top_logprobs", harmless: |v| *v == 0, why: NOT_CARRIED },
    Unsupported { name: "logit_bias", harmless: empty, why: NOT_CARRIED },
    Unsupported { name: "frequency_penalty", harmless: |v| v.as_f64() == Some(0.0), why: NOT_CARRIED },
    Unsupported { name: "presence_penalty", harmless: |v| v.as_f64() == Some(0.0), why: NOT_CARRIED },
    Unsupported { name: "top_k", harmless: |_| false, why: NOT_CARRIED },
    Unsupported { name: "repetition_penalty", harmless: |v| v.as_f64() == Some(1.0), why: NOT_CARRIED },
    Unsupported { name: "reasoning_effort", harmless: |_| false, why: NOT_CARRIED },
    Unsupported { name: "verbosity", harmless: |_| false, why: NOT_CARRIED },
    Unsupported { name: "prediction", harmless: |_| false, why: NOT_CARRIED },
    Unsupported { name: "modalities", harmless: |v| *v == json!(["text"]), why: "can only be text" },
    Unsupported { name: "audio", harmless: empty, why: "is not offered: answers are text" },
    Unsupported { name: "web_search_options", harmless: |_| false, why: "is not offered: a model is asked, and nothing is searched" },
];

#[derive(Deserialize)]
struct Given {
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stop: Option<Stop>,
    seed: Option<i32>,
    #[serde(default)]
    tools: Vec<GivenTool>,
    tool_choice: Option<Value>,
    response_format: Option<GivenFormat>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct GivenTool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<GivenFunction>,
}

#[derive(Deserialize)]
struct GivenFunction {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Value>,
    #[serde(default)]
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct GivenFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<GivenSchema>,
}

#[derive(Deserialize)]
struct GivenSchema {
    name: String,
    #[serde(default)]
    schema: Option<Value>,
    #[serde(default)]
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct GivenCall {
    id: String,
    function: CalledFunction,
    #[serde(default)]
    extra_content: Value,
}

#[derive(Deserialize)]
struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Reads a prompt.
pub(in crate::compat) fn read(messages: &[Message], rest: BTreeMap<String, Value>) -> Reply<Wanted> {
    parameters::check(&rest, &UNSUPPORTED, &TAKEN)?;
    let given: Given = reading::parameters(rest)?;
    let max_output_tokens = given.max_completion_tokens.or(given.max_tokens);
    if max_output_tokens == Some(0) {
        return Err(refused("parameter.unsupported", "An answer needs at least one token.", "/max_completion_tokens"));
    }
    let (system, messages) = dialogue(messages)?;
    let mut ignored = Vec::new();
    if given.tools.iter().any(|t| t.function.as_ref().is_some_and(|f| f.strict == Some(true))) {
        ignored.push("tools.strict");
    }
    let stop = given.stop.map_or_else(Vec::new, |stop| match stop {
        Stop::One(one) => vec![one],
        Stop::Several(all) => all,
    });
    let request = ChatRequest {
        system,
        messages,
        max_output_tokens,
        tools: tools(given.tools)?,
        tool_choice: choice(given.tool_choice.as_ref())?,
        output: output(given.response_format)?,
        temperature: given.temperature,
        top_p: given.top_p,
        stop,
        seed: given.seed,
    };
    Ok(Wanted { request, ignored })
}

/// The instructions, and the dialogue after them.
fn dialogue(messages: &[Message]) -> Reply<(String, Vec<Said>)> {
    let (mut system, mut said): (Vec<String>, Vec<Said>) = (Vec::new(), Vec::new());
    for (i, message) in messages.iter().enumerate() {
        let text = message.words(i)?;
        match message.role() {
            "system" | "developer" if said.is_empty() => system.push(text),
            "system" | "developer" => {
                let detail = "Instructions can only stand before everything else: not every provider takes them later.";
                return Err(refused("message.order", detail, format!("/messages/{i}/role")));
            }
            "user" => said.push(Said::user(text)),
            "assistant" => {
                let calls = calls(message, i)?;
                // Some clients send back an answer that was stopped before its first word.
                if !calls.is_empty() || !text.is_empty() {
                    said.push(Said::calling(text, calls));
                }
            }
            "tool" => result(message, i, text, &mut said)?,
            _ => {
                let detail = "The roles are `system`, `developer`, `user`, `assistant` and `tool`.";
                return Err(refused("message.role", detail, format!("/messages/{i}/role")));
            }
        }
    }
    Ok((system.join("\n\n"), said))
}

/// The calls of tools in an answer that is sent back.
fn calls(message: &Message, i: usize) -> Reply<Vec<ToolCall>> {
    let given = match message.other("tool_calls") {
        None => Vec::new(),
        Some(calls) => Vec::<GivenCall>::deserialize(calls)
            .map_err(|_| refused("message.tool_calls", "These calls of tools cannot be read.", format!("/messages/{i}/tool_calls")))?,
    };
    let read = given.into_iter().enumerate().map(|(n, call)| {
        let arguments = object(&call.function.arguments).ok_or_else(|| {
            let at = format!("/messages/{i}/tool_calls/{n}/function/arguments");
            refused("message.tool_calls", "The arguments of a call have to be a JSON object, written as a text.", at)
        })?;
        let signature = call.extra_content.pointer("/google/thought_signature").and_then(Value::as_str).map(str::to_owned);
        Ok(ToolCall { id: call.id, name: call.function.name, arguments, signature })
    });
    read.collect()
}

/// Adds the result of a call; those of one answer stand together.
fn result(message: &Message, i: usize, content: String, said: &mut Vec<Said>) -> Reply<()> {
    let call_id = message.other("tool_call_id").and_then(Value::as_str).map(str::to_owned);
    let call_id = call_id.ok_or_else(|| {
        refused("message.tool_call_id", "A result has to name its call in `tool_call_id`.", format!("/messages/{i}/tool_call_id"))
    })?;
    let result = ToolResult { call_id, content, is_error: false };
    match said.last_mut() {
        Some(last) if last.role == Role::Tool => last.tool_results.push(result),
        _ => said.push(Said::results(vec![result])),
    }
    Ok(())
}

fn tools(given: Vec<GivenTool>) -> Reply<Vec<Tool>> {
    let read = given.into_iter().enumerate().map(|(n, tool)| match tool.function.filter(|_| tool.kind == "function") {
        Some(f) => Ok(Tool {
            name: f.name,
            description: f.description.unwrap_or_default(),
            input_schema: f.parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        }),
        None => Err(refused("parameter.unsupported", "Only tools of the type `function` can be carried.", format!("/tools/{n}/type"))),
    });
    read.collect()
}

fn choice(given: Option<&Value>) -> Reply<ToolChoice> {
    let Some(given) = given else { return Ok(ToolChoice::Auto) };
    let named = given.pointer("/function/name").and_then(Value::as_str).filter(|_| given["type"] == "function");
    match (given.as_str(), named) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("required"), _) => Ok(ToolChoice::Required),
        (_, Some(name)) => Ok(ToolChoice::Named(name.to_owned())),
        _ => Err(refused("parameter.unsupported", "`tool_choice` is `auto`, `none`, `required` or one function by name.", "/tool_choice")),
    }
}

fn output(given: Option<GivenFormat>) -> Reply<Option<OutputSchema>> {
    let Some(given) = given else { return Ok(None) };
    match (given.kind.as_str(), given.json_schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(OutputSchema { name: "answer".to_owned(), schema: json!({ "type": "object" }), strict: false })),
        ("json_schema", Some(GivenSchema { name, schema, strict })) => {
            let schema = schema.unwrap_or_else(|| json!({ "type": "object" }));
            Ok(Some(OutputSchema { name, schema, strict: strict == Some(true) }))
        }
        _ => {
            let detail = "`response_format` is `text`, `json_object` or `json_schema` with its schema.";
            Err(refused("parameter.unsupported", detail, "/response_format"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(body: Value) -> Result<Wanted, String> {
        let Value::Object(mut body) = body else { panic!("an object") };
        let messages: Vec<Message> = serde_json::from_value(body.remove("messages").unwrap()).unwrap();
        read(&messages, body.into_iter().collect()).map_err(|p| format!("{} {}", p.code(), p.fields()[0].pointer))
    }

    fn user() -> Value {
        json!([{ "role": "user", "content": "a" }])
    }

    #[test]
    fn a_prompt_with_tools_is_carried_whole() {
        let read = wanted(json!({
            "messages": [
                { "role": "system", "content": "Be brief." }, { "role": "developer", "content": [{ "type": "text", "text": "In French." }] },
                { "role": "user", "content": "Weather?", "name": "ada" },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "1", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" },
                      "extra_content": { "google": { "thought_signature": "s" } } },
                    { "id": "2", "type": "function", "function": { "name": "f", "arguments": "" } },
                ] },
                { "role": "tool", "tool_call_id": "1", "content": "7" }, { "role": "tool", "tool_call_id": "2", "content": "8" },
            ],
            "tools": [{ "type": "function", "function": { "name": "f", "strict": true } }], "tool_choice": "required",
            "response_format": { "type": "json_schema", "json_schema": { "name": "o", "schema": { "type": "object" }, "strict": true } },
            "temperature": 0.5, "top_p": 0.9, "max_tokens": 10, "stop": "END", "seed": 7, "n": 1, "user": "u", "logit_bias": null,
        }))
        .unwrap();
        let ChatRequest { system, messages, tool_choice, output, stop, max_output_tokens, seed, tools, .. } = read.request;
        assert_eq!(system, "Be brief.\n\nIn French.");
        let call = |id: &str, arguments, signature: Option<&str>| ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments,
            signature: signature.map(str::to_owned),
        };
        let result = |id: &str, content: &str| ToolResult { call_id: id.into(), content: content.into(), is_error: false };
        assert_eq!(
            messages,
            [
                Said::user("Weather?"),
                Said::calling("", vec![call("1", json!({ "x": 1 }), Some("s")), call("2", json!({}), None)]),
                Said::results(vec![result("1", "7"), result("2", "8")]),
            ]
        );
        assert_eq!(
            (tool_choice, output.unwrap().strict, tools[0].input_schema["type"].as_str()),
            (ToolChoice::Required, true, Some("object"))
        );
        assert_eq!((stop, max_output_tokens, seed, read.ignored), (vec!["END".to_owned()], Some(10), Some(7), vec!["tools.strict"]));
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        for (parameter, value, at) in [
            ("parallel_tool_calls", json!(false), "parameter.unsupported /parallel_tool_calls"),
            ("n", json!(2), "parameter.unsupported /n"),
            ("logprobs", json!(true), "parameter.unsupported /logprobs"),
            ("reasoning_effort", json!("high"), "parameter.unsupported /reasoning_effort"),
            ("frequency_penalty", json!(0.5), "parameter.unsupported /frequency_penalty"),
            ("tools", json!([{ "type": "web_search" }]), "parameter.unsupported /tools/0/type"),
            ("tool_choice", json!({ "type": "allowed_tools" }), "parameter.unsupported /tool_choice"),
            ("response_format", json!({ "type": "grammar" }), "parameter.unsupported /response_format"),
            ("max_completion_tokens", json!(0), "parameter.unsupported /max_completion_tokens"),
            ("temperature", json!("hot"), "request.field /temperature"),
            ("seed", json!(1_u64 << 40), "request.field /seed"),
            ("banana", json!(1), "parameter.unknown /banana"),
        ] {
            let mut body = json!({ "messages": user() });
            body[parameter] = value;
            assert_eq!(wanted(body).unwrap_err(), at);
        }
        for (message, at) in [
            (json!({ "role": "system", "content": "x" }), "message.order /messages/1/role"),
            (json!({ "role": "function", "content": "x" }), "message.role /messages/1/role"),
            (json!({ "role": "tool", "content": "x" }), "message.tool_call_id /messages/1/tool_call_id"),
            (json!({ "role": "user", "content": [{ "type": "image_url", "image_url": {} }] }), "message.part /messages/1/content/0/type"),
            (json!({ "role": "assistant", "tool_calls": [{ "id": 1 }] }), "message.tool_calls /messages/1/tool_calls"),
            (
                json!({ "role": "assistant", "tool_calls": [{ "id": "1", "function": { "name": "f", "arguments": "[1]" } }] }),
                "message.tool_calls /messages/1/tool_calls/0/function/arguments",
            ),
        ] {
            let mut messages = user();
            messages.as_array_mut().unwrap().push(message);
            assert_eq!(wanted(json!({ "messages": messages })).unwrap_err(), at);
        }
    }
}
