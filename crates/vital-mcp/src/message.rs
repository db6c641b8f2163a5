//! Messages as they come in: bounded, JSON, one at a time. What is none of that is told in JSON-RPC 2.0.

use crate::Refused;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::BoxBody};
use serde_json::{Value, json};
use std::convert::Infallible;

/// The code for text that is no JSON (JSON-RPC 2.0, section 5.1).
const PARSE_ERROR: i32 = -32_700;
/// The code for JSON that is no message.
const INVALID_REQUEST: i32 = -32_600;

/// Reads a body to its end.
///
/// # Errors
/// `TooLarge` over the limit, `BrokenOff` where it ends too early.
pub(crate) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Refused>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refused::TooLarge),
        Err(_) => Err(Refused::BrokenOff),
    }
}

/// The reply to what is no message; none where it is one.
pub(crate) fn fault(bytes: &[u8]) -> Option<Response<BoxBody<Bytes, Infallible>>> {
    let (code, why) = match serde_json::from_slice::<Value>(bytes) {
        Err(error) => (PARSE_ERROR, format!("The message is not valid JSON: {error}. Nothing was done.")),
        Ok(Value::Array(_)) => {
            (INVALID_REQUEST, "Batches are not part of this protocol. Nothing was done; send each message by itself.".to_owned())
        }
        Ok(message) if !is_message(&message) => (INVALID_REQUEST, "This is not a message of JSON-RPC 2.0. Nothing was done.".to_owned()),
        Ok(_) => return None,
    };
    Some(failure(StatusCode::BAD_REQUEST, code, &why))
}

/// Requests and notifications have a method, replies a result or an error.
fn is_message(message: &Value) -> bool {
    let id = message.get("id");
    message["jsonrpc"] == "2.0"
        && id.is_none_or(|id| id.is_string() || id.is_i64())
        && match message.get("method") {
            Some(method) => method.is_string() && message.get("params").is_none_or(Value::is_object),
            None => id.is_some() && (message.get("result").is_some() != message.get("error").is_some()),
        }
}

/// A failure of the transport, which `rmcp` tells in plain text, as a message.
pub(crate) fn told(method: &Method, mut response: Response<BoxBody<Bytes, Infallible>>) -> Response<BoxBody<Bytes, Infallible>> {
    // A session that was ended has ended; there is nothing left to accept.
    if *method == Method::DELETE && response.status() == StatusCode::ACCEPTED {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let status = response.status();
    let typed = response.headers().contains_key(header::CONTENT_TYPE);
    if status.is_success() || typed {
        return response;
    }
    let why = match status {
        StatusCode::NOT_ACCEPTABLE => {
            "A client of this protocol accepts both `application/json` and `text/event-stream`, and for GET the latter. Nothing was done."
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Send the message with `Content-Type: application/json`. Nothing was done.",
        StatusCode::METHOD_NOT_ALLOWED => "This method is not offered here. Nothing was done; see the header `Allow`.",
        status if status.is_server_error() => "Something went wrong. Nothing was done; try again.",
        _ => {
            "The message does not fit here: it needs `initialize` and the header `Mcp-Session-Id` first, or its header \
             `MCP-Protocol-Version` names a revision that is not spoken. Nothing was done."
        }
    };
    let mut told = failure(status, INVALID_REQUEST, why);
    if let Some(allow) = response.headers().get(header::ALLOW) {
        told.headers_mut().insert(header::ALLOW, allow.clone());
    }
    told
}

fn failure(status: StatusCode, code: i32, why: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": why } });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_and_everything_else_is_told_apart() {
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"no/such","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#,
        ] {
            assert!(fault(message.as_bytes()).is_none(), "{message}");
        }
        for no_message in [
            "",
            "{",
            "\u{0}",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "1",
            "null",
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        ] {
            assert_eq!(fault(no_message.as_bytes()).unwrap().status(), 400, "{no_message}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(fault(deep.as_bytes()).unwrap().status(), 400);
    }
}
