//! Tool calls in the making: fragments of arguments become whole calls.
//!
//! **Invariant:** ids are unique within the answer and the dialogue before it, whatever the provider sends: a missing, doubled or odd id is
//! replaced by one made here.
//! **Invariant:** calls, names and arguments are bounded ([`TOOL_CALLS_MAX`], [`TOOL_NAME_BYTES_MAX`], [`TOOL_ARGUMENT_BYTES_MAX`] and
//! [`OUTPUT_BYTES_MAX`] for the arguments of all calls).

use crate::{
    ArgumentsFault, ChatRequest, Delta, InvalidToolCall, LlmError, OUTPUT_BYTES_MAX, TOOL_ARGUMENT_BYTES_MAX, TOOL_CALLS_MAX, ToolCall,
};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Longest name that a model may give to the tool it calls, in bytes. The tools that are offered have shorter ones.
const TOOL_NAME_BYTES_MAX: usize = 256;
/// Longest id that is taken over, in bytes.
const ID_BYTES_MAX: usize = 128;
/// How ids begin that were made here, because the provider gave none that can be used.
const MADE_ID: &str = "made_";
/// Longest signature that is taken over, in bytes.
const SIGNATURE_BYTES_MAX: usize = 256 * 1024;

/// Tells whether a call's id was made here, so that the provider does not know it.
pub(super) fn is_made(id: &str) -> bool {
    id.starts_with(MADE_ID)
}

#[derive(Debug)]
struct Open {
    /// The format's own number of the call.
    slot: u64,
    /// The id as the provider gave it.
    given: String,
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Vec<Open>,
    taken: HashSet<String>,
    begun: usize,
    argument_bytes: usize,
}

impl Calls {
    /// Begins the answer to a request.
    pub(super) fn after(request: &ChatRequest) -> Self {
        let taken = request.messages.iter().flat_map(|message| &message.tool_calls).map(|call| call.id.clone()).collect();
        Self { taken, ..Self::default() }
    }

    /// Whether the answer has any call so far.
    pub(super) const fn any(&self) -> bool {
        self.begun > 0
    }

    /// Begins a call.
    pub(super) fn begin(
        &mut self,
        slot: u64,
        given: Option<&str>,
        name: String,
        signature: Option<String>,
        out: &mut Vec<Delta>,
    ) -> Result<(), LlmError> {
        if self.begun == TOOL_CALLS_MAX {
            return Err(LlmError::OutputTooLarge);
        }
        if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX {
            return Err(LlmError::Garbled { what: "a tool call has no name or a very long one" });
        }
        if signature.as_ref().is_some_and(|signature| signature.len() > SIGNATURE_BYTES_MAX) {
            return Err(LlmError::OutputTooLarge);
        }
        let given = given.unwrap_or_default();
        let id = self.unique(given);
        out.push(Delta::ToolCallStart { index: self.begun, id: id.clone(), name: name.clone() });
        self.open.push(Open { slot, given: given.to_owned(), id, name, arguments: String::new(), signature });
        self.begun += 1;
        Ok(())
    }

    fn unique(&mut self, given: &str) -> String {
        let fits = (1..=ID_BYTES_MAX).contains(&given.len())
            && given.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && !is_made(given);
        if fits && self.taken.insert(given.to_owned()) {
            return given.to_owned();
        }
        let mut number = self.taken.len();
        loop {
            let made = format!("{MADE_ID}{number}");
            if self.taken.insert(made.clone()) {
                return made;
            }
            number += 1;
        }
    }

    /// Tells whether a fragment of OpenAI's format belongs to an open call, and begins one if not.
    ///
    /// Servers differ: most number their calls; some give every call the number 0 and tell them apart by id; some give no number and
    /// send each call whole; some repeat id and name in every fragment.
    pub(super) fn fragment(
        &mut self,
        slot: Option<u64>,
        given: Option<&str>,
        name: Option<String>,
        arguments: &str,
        out: &mut Vec<Delta>,
    ) -> Result<(), LlmError> {
        let given = given.filter(|id| !id.is_empty());
        let name = name.filter(|name| !name.is_empty());
        let number = slot.unwrap_or_else(|| self.open.last().map_or(0, |open| open.slot));
        let goes_on = self.find(number).is_some_and(|open| {
            let same_id = given.is_none_or(|id| id == open.given);
            name.is_none() || (same_id && (slot.is_some() || given.is_some()))
        });
        if !goes_on {
            self.begin(number, given, name.unwrap_or_default(), None, out)?;
        }
        self.append(number, arguments)
    }

    fn find(&mut self, slot: u64) -> Option<&mut Open> {
        self.open.iter_mut().rfind(|open| open.slot == slot)
    }

    /// Adds to the arguments of an open call; what belongs to none, such as a provider's own tools, is dropped.
    pub(super) fn append(&mut self, slot: u64, fragment: &str) -> Result<(), LlmError> {
        let total = self.argument_bytes + fragment.len();
        let Some(open) = self.find(slot) else { return Ok(()) };
        if total > OUTPUT_BYTES_MAX || open.arguments.len() + fragment.len() > TOOL_ARGUMENT_BYTES_MAX {
            return Err(LlmError::OutputTooLarge);
        }
        open.arguments.push_str(fragment);
        self.argument_bytes = total;
        Ok(())
    }

    /// Ends a call, if it is open.
    pub(super) fn end(&mut self, slot: u64, out: &mut Vec<Delta>) {
        if let Some(at) = self.open.iter().rposition(|open| open.slot == slot) {
            out.push(whole(self.open.remove(at)));
        }
    }

    /// Ends all calls that are open, in the order in which they began.
    pub(super) fn end_all(&mut self, out: &mut Vec<Delta>) {
        out.extend(self.open.drain(..).map(whole));
    }
}

fn whole(open: Open) -> Delta {
    let Open { id, name, arguments, signature, .. } = open;
    let text = arguments.trim();
    // A tool without parameters is called with nothing at all by some models.
    let value = if text.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_str(text) };
    let fault = match value {
        Ok(arguments @ Value::Object(_)) => return Delta::ToolCall(ToolCall { id, name, arguments, signature }),
        Ok(_) => ArgumentsFault::NotAnObject,
        Err(_) => ArgumentsFault::NotJson,
    };
    Delta::InvalidToolCall(InvalidToolCall { id, name, raw: arguments, fault, signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use serde_json::json;

    fn ids(out: &[Delta]) -> Vec<&str> {
        out.iter().filter_map(|d| if let Delta::ToolCallStart { id, .. } = d { Some(id.as_str()) } else { None }).collect()
    }

    fn calls(out: &[Delta]) -> Vec<(&str, Value)> {
        let calls = out.iter().filter_map(|d| if let Delta::ToolCall(call) = d { Some(call) } else { None });
        calls.map(|call| (call.name.as_str(), call.arguments.clone())).collect()
    }

    #[test]
    fn missing_odd_and_doubled_ids_are_replaced_by_ones_that_nothing_else_has() {
        let old = ToolCall { id: "a".into(), name: "f".into(), arguments: json!({}), signature: None };
        let request = ChatRequest { messages: vec![Message::calling("", vec![old])], ..ChatRequest::default() };
        let mut calls = Calls::after(&request);
        let mut out = Vec::new();
        for (slot, id) in
            [Some("a"), Some("b"), Some("b"), None, Some(""), Some("sp ace"), Some("made_2"), Some("c-1_X")].into_iter().enumerate()
        {
            calls.begin(slot as u64, id, "f".into(), None, &mut out).unwrap();
        }
        let ids = ids(&out);
        assert_eq!((ids[1], ids[7]), ("b", "c-1_X"));
        assert!(ids.iter().enumerate().all(|(at, id)| *id == "b" || *id == "c-1_X" || (is_made(id) && at != 1)));
        assert!(!ids.contains(&"a"));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 8);
    }

    #[test]
    fn the_ways_in_which_servers_number_their_calls_all_give_two_calls() {
        type Fragment = (Option<u64>, Option<&'static str>, Option<&'static str>, &'static str);
        let numbered: &[Fragment] = &[
            (Some(0), Some("a"), Some("f"), ""),
            (Some(1), Some("b"), Some("g"), ""),
            (Some(0), None, None, r#"{"x""#),
            (Some(1), None, None, r#"{"y""#),
            (Some(1), None, None, ":2}"),
            (Some(0), None, None, ":1}"),
        ];
        let all_zero: &[Fragment] = &[(Some(0), Some("a"), Some("f"), r#"{"x":1}"#), (Some(0), Some("b"), Some("g"), r#"{"y":2}"#)];
        let no_number: &[Fragment] = &[(None, None, Some("f"), r#"{"x":1}"#), (None, Some(""), Some("g"), r#"{"y":2}"#)];
        let repeated: &[Fragment] = &[
            (Some(0), Some("a"), Some("f"), r#"{"x""#),
            (Some(0), Some("a"), Some("f"), ":1}"),
            (Some(1), Some("b"), Some("g"), r#"{"y":"#),
            (Some(1), Some("b"), Some("g"), "2}"),
        ];
        for fragments in [numbered, all_zero, no_number, repeated] {
            let (mut making, mut out) = (Calls::default(), Vec::new());
            for (slot, id, name, arguments) in fragments {
                making.fragment(*slot, *id, name.map(Into::into), arguments, &mut out).unwrap();
            }
            making.end_all(&mut out);
            assert_eq!(calls(&out), [("f", json!({"x": 1})), ("g", json!({"y": 2}))], "{fragments:?}");
            assert_eq!(ids(&out).len(), 2);
        }
    }

    #[test]
    fn arguments_that_are_no_object_are_typed_and_can_be_answered() {
        for (raw, fault) in [("{\"a\":", ArgumentsFault::NotJson), ("[1]", ArgumentsFault::NotAnObject), ("7", ArgumentsFault::NotAnObject)]
        {
            let (mut making, mut out) = (Calls::default(), Vec::new());
            making.fragment(Some(0), Some("a"), Some("f".into()), raw, &mut out).unwrap();
            making.end(0, &mut out);
            let Some(Delta::InvalidToolCall(invalid)) = out.pop() else { panic!("{out:?}") };
            assert_eq!((invalid.fault, invalid.raw.as_str()), (fault, raw));
            let (call, result) = invalid.answer();
            assert!(result.is_error && result.call_id == call.id && call.arguments == json!({}));
        }
        let (mut making, mut out) = (Calls::default(), Vec::new());
        making.fragment(Some(0), None, Some("f".into()), " ", &mut out).unwrap();
        making.end_all(&mut out);
        assert_eq!(calls(&out), [("f", json!({}))]);
    }

    #[test]
    fn calls_names_and_arguments_over_the_limits_end_the_answer() {
        let mut out = Vec::new();
        let mut many = Calls::default();
        for slot in 0..TOOL_CALLS_MAX as u64 {
            many.begin(slot, None, "f".into(), None, &mut out).unwrap();
        }
        assert_eq!(many.begin(0, None, "f".into(), None, &mut out), Err(LlmError::OutputTooLarge));
        for name in [String::new(), "x".repeat(TOOL_NAME_BYTES_MAX + 1)] {
            assert!(matches!(Calls::default().begin(0, None, name, None, &mut out), Err(LlmError::Garbled { .. })));
        }
        let full = "x".repeat(TOOL_ARGUMENT_BYTES_MAX);
        assert_eq!(many.append(0, &full), Ok(()));
        assert_eq!(many.append(0, "x"), Err(LlmError::OutputTooLarge));
        assert_eq!(many.append(1, &full), Ok(()));
        assert_eq!(many.append(2, "x"), Err(LlmError::OutputTooLarge));
        assert_eq!(many.append(9_999, "belongs to no call"), Ok(()));
    }
}
