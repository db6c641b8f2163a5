//! A prompt in Anthropic's format as models here take it.

use super::{
    Wanted,
    reading::{self, refused},
};
use crate::{
    compat::{
        heard::{Content, Message, Part},
        parameters::{self, Unsupported, empty},
    },
    problem::Reply,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vital_llm::{ChatRequest, Message as Said, OutputSchema, Tool, ToolCall, ToolChoice, ToolResult};

/// Parameters that are read here, and those that change nothing of an answer.
const TAKEN: [&str; 14] = [
    "max_tokens",
    "temperature",
    "top_p",
    "stop_sequences",
    "system",
    "tools",
    "tool_choice",
    "output_config",
    "output_format",
    "metadata",
    "service_tier",
    "cache_control",
    "inference_geo",
    "speed",
];
const NOT_CARRIED: &str = "cannot be carried to every kind of model provider. Leave it out";
/// Parameters that would change the result.
const UNSUPPORTED: [Unsupported; 4] = [
    Unsupported { name: "top_k", harmless: |_| false, why: NOT_CARRIED },
    Unsupported { name: "thinking", harmless: |v| v["type"] == "disabled", why: NOT_CARRIED },
    Unsupported { name: "container", harmless: empty, why: "is not offered. Leave it out" },
    Unsupported {
        name: "mcp_servers",
        harmless: empty,
        why: "is not offered: a model is asked, and calls the client's own tools. Leave it out",
    },
];

#[derive(Deserialize)]
struct Given {
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    #[serde(default)]
    stop_sequences: Vec<String>,
    system: Option<Content>,
    #[serde(default)]
    tools: Vec<GivenTool>,
    tool_choice: Option<GivenChoice>,
    output_config: Option<OutputConfig>,
    output_format: Option<GivenFormat>,
}

#[derive(Deserialize)]
struct GivenTool {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    input_schema: Option<Value>,
}

#[derive(Deserialize)]
struct GivenChoice {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputConfig {
    #[serde(default)]
    format: Option<GivenFormat>,
}

#[derive(Deserialize)]
struct GivenFormat {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    schema: Option<Value>,
}

/// Reads a prompt.
pub(in crate::compat) fn read(messages: &[Message], rest: BTreeMap<String, Value>) -> Reply<Wanted> {
    parameters::check(&rest, &UNSUPPORTED, &TAKEN)?;
    let given: Given = reading::parameters(rest)?;
    if given.max_tokens.is_none_or(|n| n == 0) {
        return Err(refused("request.field", "`max_tokens` is needed, and at least 1.", "/max_tokens"));
    }
    let format = given.output_config.and_then(|c| c.format).or(given.output_format);
    let request = ChatRequest {
        system: given.system.as_ref().map(|s| s.words("/system")).transpose()?.unwrap_or_default(),
        messages: dialogue(messages)?,
        max_output_tokens: given.max_tokens,
        tools: tools(given.tools)?,
        tool_choice: choice(given.tool_choice)?,
        output: output(format)?,
        temperature: given.temperature,
        top_p: given.top_p,
        stop: given.stop_sequences,
        seed: None,
    };
    Ok(Wanted { request, ignored: Vec::new() })
}

fn dialogue(messages: &[Message]) -> Reply<Vec<Said>> {
    let mut said = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let is_user = match message.role() {
            "user" => true,
            "assistant" => false,
            _ => {
                let detail = "The roles are `user` and `assistant`; instructions stand in `system`.";
                return Err(refused("message.role", detail, format!("/messages/{i}/role")));
            }
        };
        let parts = match message.content() {
            None => &[][..],
            Some(Content::Text(text)) => {
                said.push(if is_user { Said::user(text) } else { Said::assistant(text) });
                continue;
            }
            Some(Content::Parts(parts)) => parts,
        };
        let at = |n: usize| format!("/messages/{i}/content/{n}");
        if is_user { heard(parts, at, &mut said)? } else { answered(parts, at, &mut said)? }
    }
    Ok(said)
}

/// The blocks of a user's message: results of tools stand before words.
fn heard(parts: &[Part], at: impl Fn(usize) -> String, said: &mut Vec<Said>) -> Reply<()> {
    let (mut results, mut words) = (Vec::new(), String::new());
    for (n, part) in parts.iter().enumerate() {
        match part.kind() {
            "tool_result" => {
                let content = match part.other("content") {
                    None => String::new(),
                    Some(content) => Content::deserialize(content).ok().map(|c| c.words(&at(n))).transpose()?.unwrap_or_default(),
                };
                let call_id = part.other("tool_use_id").and_then(Value::as_str).unwrap_or_default().to_owned();
                results.push(ToolResult { call_id, content, is_error: part.other("is_error") == Some(&Value::Bool(true)) });
            }
            _ => words.push_str(part.words(&at(n))?),
        }
    }
    if !results.is_empty() {
        said.push(Said::results(results));
    }
    if !words.is_empty() {
        said.push(Said::user(words));
    }
    Ok(())
}

/// The blocks of an answer that is sent back.
fn answered(parts: &[Part], at: impl Fn(usize) -> String, said: &mut Vec<Said>) -> Reply<()> {
    let (mut calls, mut words) = (Vec::new(), String::new());
    for (n, part) in parts.iter().enumerate() {
        if part.kind() == "tool_use" {
            let name = |key: &str| part.other(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let arguments = part.other("input").cloned().unwrap_or_else(|| json!({}));
            calls.push(ToolCall { id: name("id"), name: name("name"), arguments, signature: None });
        } else {
            words.push_str(part.words(&at(n))?);
        }
    }
    if !calls.is_empty() || !words.is_empty() {
        said.push(Said::calling(words, calls));
    }
    Ok(())
}

fn tools(given: Vec<GivenTool>) -> Reply<Vec<Tool>> {
    let read = given.into_iter().enumerate().map(|(n, tool)| match (tool.kind.as_deref(), tool.input_schema) {
        (None | Some("custom"), Some(input_schema)) => {
            Ok(Tool { name: tool.name, description: tool.description.unwrap_or_default(), input_schema })
        }
        (None | Some("custom"), None) => {
            Err(refused("request.field", "A tool needs the schema of its input.", format!("/tools/{n}/input_schema")))
        }
        _ => Err(refused("parameter.unsupported", "Only tools that the client runs can be carried.", format!("/tools/{n}/type"))),
    });
    read.collect()
}

fn choice(given: Option<GivenChoice>) -> Reply<ToolChoice> {
    let Some(given) = given else { return Ok(ToolChoice::Auto) };
    if given.disable_parallel_tool_use == Some(true) {
        let detail = "`disable_parallel_tool_use` cannot be carried to every kind of model provider.";
        return Err(refused("parameter.unsupported", detail, "/tool_choice/disable_parallel_tool_use"));
    }
    match (given.kind.as_str(), given.name) {
        ("auto", _) => Ok(ToolChoice::Auto),
        ("none", _) => Ok(ToolChoice::None),
        ("any", _) => Ok(ToolChoice::Required),
        ("tool", Some(name)) => Ok(ToolChoice::Named(name)),
        _ => Err(refused("parameter.unsupported", "`tool_choice` is `auto`, `none`, `any` or one tool by name.", "/tool_choice")),
    }
}

fn output(given: Option<GivenFormat>) -> Reply<Option<OutputSchema>> {
    match given {
        None => Ok(None),
        Some(GivenFormat { kind, schema: Some(schema) }) if kind == "json_schema" => {
            Ok(Some(OutputSchema { name: "answer".to_owned(), schema, strict: true }))
        }
        Some(_) => {
            Err(refused("parameter.unsupported", "The format of an answer is `json_schema` with its schema.", "/output_config/format"))
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

    #[test]
    fn a_prompt_with_tools_is_carried_whole() {
        let read = wanted(json!({
            "max_tokens": 10, "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
            "messages": [
                { "role": "user", "content": "Weather?" },
                { "role": "assistant", "content": [{ "type": "text", "text": "Let me see." }, { "type": "tool_use", "id": "1", "name": "f", "input": { "x": 1 } }] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text", "text": "7" }], "is_error": true },
                    { "type": "text", "text": "Well?" },
                ] },
            ],
            "tools": [{ "name": "f", "input_schema": { "type": "object" } }], "tool_choice": { "type": "tool", "name": "f" },
            "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } }, "stop_sequences": ["END"],
        }))
        .unwrap()
        .request;
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: json!({ "x": 1 }), signature: None };
        let result = ToolResult { call_id: "1".into(), content: "7".into(), is_error: true };
        assert_eq!(
            read.messages,
            [Said::user("Weather?"), Said::calling("Let me see.", vec![call]), Said::results(vec![result]), Said::user("Well?")]
        );
        assert_eq!(
            (read.system.as_str(), read.tool_choice, read.stop),
            ("Be brief.", ToolChoice::Named("f".into()), vec!["END".to_owned()])
        );
        assert!(read.output.is_some() && read.max_output_tokens == Some(10));
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        for (parameter, value, at) in [
            ("max_tokens", json!(null), "request.field /max_tokens"),
            ("top_k", json!(5), "parameter.unsupported /top_k"),
            ("thinking", json!({ "type": "enabled" }), "parameter.unsupported /thinking"),
            ("tools", json!([{ "type": "bash_20250124", "name": "bash" }]), "parameter.unsupported /tools/0/type"),
            (
                "tool_choice",
                json!({ "type": "auto", "disable_parallel_tool_use": true }),
                "parameter.unsupported /tool_choice/disable_parallel_tool_use",
            ),
            ("output_config", json!({ "effort": "high" }), "request.field /output_config/effort"),
            ("banana", json!(1), "parameter.unknown /banana"),
        ] {
            let mut body = json!({ "messages": [{ "role": "user", "content": "a" }], "max_tokens": 5 });
            body[parameter] = value;
            assert_eq!(wanted(body).unwrap_err(), at);
        }
        let image = json!([{ "role": "user", "content": [{ "type": "image", "source": {} }] }]);
        assert_eq!(wanted(json!({ "messages": image, "max_tokens": 5 })).unwrap_err(), "message.part /messages/0/content/0/type");
    }
}
