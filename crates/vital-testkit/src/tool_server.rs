//! Scripts for a tool server that speaks the Model Context Protocol: a [`ScriptedProvider`](crate::provider::ScriptedProvider) under `/mcp` that answers
//! from the request.
//!
//! What is here keeps to the protocol; tests put their own scripts in place of the step that shall go wrong.

use crate::provider::{Request, Script};
use serde_json::{Value, json};

/// The session that is given out.
pub const SESSION: &str = "session-1";

/// The method of a request; empty for one without a body, such as the `DELETE` that ends a session.
#[must_use]
pub fn method(request: &Request) -> String {
    request.json()["method"].as_str().unwrap_or_default().to_owned()
}

/// A tool with one argument `text`.
#[must_use]
pub fn tool(name: &str, description: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
    json!({"name": name, "description": description, "inputSchema": schema})
}

/// A reply as JSON.
#[must_use]
pub fn reply(request: &Request, result: &Value) -> Script {
    json_body(&json!({"jsonrpc": "2.0", "id": request.json()["id"], "result": result}))
}

/// An answer of this JSON.
#[must_use]
pub fn json_body(body: &Value) -> Script {
    Script::status(200).header("content-type", "application/json").body(body.to_string())
}

/// An answer as an event stream of these messages, to which steps are added.
#[must_use]
pub fn stream(messages: &[Value]) -> Script {
    let script = Script::status(200).header("content-type", "text/event-stream");
    messages.iter().fold(script, |script, message| script.raw(format!("event: message\ndata: {message}\n\n")))
}

/// The text result of a call.
#[must_use]
pub fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// An honest server with these tools, whose calls repeat their argument.
#[must_use]
pub fn honest(request: &Request, tools: &[Value]) -> Script {
    let body = request.json();
    match method(request).as_str() {
        "initialize" => {
            let info = json!({"name": "Scripted tools", "version": "1.0"});
            let result = json!({"protocolVersion": body["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info});
            reply(request, &result).header("mcp-session-id", SESSION)
        }
        "tools/list" => reply(request, &json!({"tools": tools})),
        "tools/call" => reply(request, &text(body["params"]["arguments"]["text"].as_str().unwrap_or_default())),
        // Notices, and the end of a session.
        _ => Script::status(202),
    }
}
