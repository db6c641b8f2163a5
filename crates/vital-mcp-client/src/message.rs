//! Messages of JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>) as the protocol uses them: one message at a time, no batches.

use crate::{ClientError, text::readable};
use serde_json::{Map, Value, json};

/// Longest message of an error that is kept, in characters.
const ERROR_CHARS_MAX: usize = 300;
/// Longest id that is sent back, in bytes.
const ID_BYTES_MAX: usize = 256;
/// "Method not found" (section 5.1).
const NO_SUCH_METHOD: i64 = -32_601;

/// What a server sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// The reply to a request of ours.
    Reply { id: Value, outcome: Result<Value, ClientError> },
    /// A request of its own, with the answer that it is given.
    Request { answer: Value },
    /// A notice, which is dropped.
    Notice,
}

const fn garbled(what: &'static str) -> ClientError {
    ClientError::Garbled { what }
}

impl Message {
    /// Reads one message.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ClientError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| garbled("what came is not JSON, or nested too deeply"))?;
        let Value::Object(mut message) = value else { return Err(garbled("what came is not one message")) };
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(garbled("what came is not a message of JSON-RPC 2.0"));
        }
        let id = message.remove("id").filter(|id| !id.is_null());
        if let Some(method) = message.get("method") {
            let method = method.as_str().ok_or(garbled("a message has no readable method"))?;
            return Ok(id.map_or(Self::Notice, |id| Self::Request { answer: answer(method, id) }));
        }
        let outcome = match (message.remove("result"), message.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(Value::Object(error))) => Err(refusal(&error)),
            _ => return Err(garbled("a reply has neither a result nor an error, or both")),
        };
        // An error without an id answers a request that could not be read; there is only one under way.
        Ok(Self::Reply { id: id.unwrap_or(Value::Null), outcome })
    }
}

fn refusal(error: &Map<String, Value>) -> ClientError {
    let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
    ClientError::Refused { code: error.get("code").and_then(Value::as_i64).unwrap_or(0), message: readable(text, ERROR_CHARS_MAX).0 }
}

/// The answer to a request of a server: a ping is answered, everything else is refused.
fn answer(method: &str, id: Value) -> Value {
    let id = if id.is_number() || id.as_str().is_some_and(|id| id.len() <= ID_BYTES_MAX) { id } else { Value::Null };
    if method == "ping" {
        return json!({"jsonrpc": "2.0", "id": id, "result": {}});
    }
    let error = json!({"code": NO_SUCH_METHOD, "message": "This client offers nothing to servers."});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// A request of ours.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A notice of ours.
pub(crate) fn notice(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": method})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &Value) -> Result<Message, ClientError> {
        Message::read(value.to_string().as_bytes())
    }

    #[test]
    fn messages_are_told_apart() {
        let reply = read(&json!({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}})).unwrap();
        assert_eq!(reply, Message::Reply { id: json!(1), outcome: Ok(json!({"a": 1})) });
        assert_eq!(read(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})), Ok(Message::Notice));
        let Message::Reply { outcome: Err(ClientError::Refused { code, message }), .. } =
            read(&json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no\u{202e} such tool"}})).unwrap()
        else {
            panic!("an error is a refusal");
        };
        assert_eq!((code, message.as_str()), (-32602, "no such tool"));
    }

    #[test]
    fn what_a_server_asks_for_is_refused_but_a_ping() {
        let asked = |method: &str| match read(&json!({"jsonrpc": "2.0", "id": "s-1", "method": method, "params": {}})).unwrap() {
            Message::Request { answer } => answer,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked("ping"), json!({"jsonrpc": "2.0", "id": "s-1", "result": {}}));
        for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
            assert_eq!(asked(method)["error"]["code"], NO_SUCH_METHOD, "{method}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
        for bad in [
            "",
            "<html>",
            "[]",
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]",
            "{\"id\":1,\"result\":{}}",
            "{\"jsonrpc\":\"2.0\",\"id\":1}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
            "{\"jsonrpc\":\"2.0\",\"method\":7}",
            &deep,
        ] {
            assert!(matches!(Message::read(bad.as_bytes()), Err(ClientError::Garbled { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Message::read(&bytes);
        }
    }
}
