//! What a client says: messages become the question and what was said before it.

use crate::problem::{Problem, Reply};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vital_kernel::{Error, limits};
use vital_platform::ask::Exchange;

/// A message of a conversation that the client keeps.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Message {
    /// `user` or `assistant`.
    role: String,
    /// The words.
    #[serde(default)]
    content: Option<Content>,
    /// What replies carry besides; tool calls are refused, the rest is without effect.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// The words of a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Content {
    /// As a text.
    Text(String),
    /// As parts, all of them texts.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Part {
    /// `text`; nothing else is read.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    #[serde(default)]
    text: Option<String>,
    /// What replies carry besides, such as citations; without effect.
    #[serde(flatten)]
    #[expect(dead_code, reason = "taken so that replies can be sent back whole")]
    rest: BTreeMap<String, Value>,
}

/// What is asked, and what was said before.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub question: String,
    pub earlier: Vec<Exchange>,
}

impl Heard {
    /// How many exchanges are left out because there are too many.
    pub(super) const fn left_out(&self) -> usize {
        self.earlier.len().saturating_sub(limits::HISTORY_TURNS_MAX)
    }
}

/// Reads a conversation: the words after the last answer are the question, everything before is history.
pub(super) fn hear(messages: &[Message]) -> Reply<Heard> {
    let mut earlier = Vec::new();
    let (mut question, mut answer): (Option<String>, Option<String>) = (None, None);
    for (i, message) in messages.iter().enumerate() {
        let text = message.text(i)?;
        match message.role.as_str() {
            "user" => {
                if let Some(answer) = answer.take() {
                    earlier.push(Exchange { question: question.take().unwrap_or_default(), answer });
                }
                join(&mut question, &text);
            }
            "assistant" if question.is_none() => {
                return Err(refused("message.order", "A conversation begins with a message of the user.", i, "role"));
            }
            "assistant" => join(&mut answer, &without_marks(&text)),
            "system" | "developer" => {
                let detail = "An expert works by its own instructions, so a message of the role `system` or `developer` would have no effect. \
                              Leave it out, and say in the question what matters for it.";
                return Err(refused("message.system", detail, i, "role"));
            }
            _ => {
                let detail = "Only messages of the roles `user` and `assistant` are read; calls of tools are not offered.";
                return Err(refused("message.role", detail, i, "role"));
            }
        }
    }
    let (Some(question), None) = (question, answer) else {
        let detail = "The last message has to be the user's question. An answer cannot be begun for an expert. Nothing was asked.";
        return Err(Error::invalid("message.order", detail).with_field("/messages", "End with a message of the user.").into());
    };
    Ok(Heard { question, earlier })
}

impl Message {
    fn text(&self, i: usize) -> Reply<String> {
        for calls in ["tool_calls", "function_call"] {
            if self.rest.get(calls).is_some_and(|v| !v.is_null() && !super::parameters::empty(v)) {
                return Err(refused("message.tool_calls", "Calls of tools are not offered.", i, calls));
            }
        }
        let text = match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let mut text = String::new();
                for (n, part) in parts.iter().enumerate() {
                    match (part.kind.as_str(), &part.text) {
                        ("text", Some(words)) => text.push_str(words),
                        ("refusal", _) => {}
                        _ => {
                            let detail = "Only text is read in messages. Add files as documents, and ask about them.";
                            return Err(refused("message.part", detail, i, &format!("content/{n}/type")));
                        }
                    }
                }
                text
            }
        };
        if text.len() > limits::QUESTION_BYTES_MAX && self.role == "user" {
            let detail = format!("A message may have at most {} bytes; this one has {}.", limits::QUESTION_BYTES_MAX, text.len());
            let detail = format!("{detail} Nothing was asked: shorten it, or add long material as a document.");
            return Err(Error::too_large("question.too_long", detail).with_field(format!("/messages/{i}/content"), "Shorten it.").into());
        }
        Ok(text)
    }
}

fn refused(code: &'static str, detail: &str, message: usize, field: &str) -> Problem {
    let error = Error::invalid(code, format!("{detail} Nothing was asked."));
    error.with_field(format!("/messages/{message}/{field}"), format!("It is message {message}.")).into()
}

fn join(before: &mut Option<String>, text: &str) {
    match before {
        Some(before) => {
            before.push_str("\n\n");
            before.push_str(text);
        }
        None => *before = Some(text.to_owned()),
    }
}

/// An answer of ours without its citation marks: their numbers mean nothing beside other passages.
fn without_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let digits = rest[open + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let close = open + 1 + digits;
        if digits > 0 && rest[close..].starts_with(']') {
            out.push_str(rest[..open].trim_end_matches(' '));
            rest = &rest[close + 1..];
        } else {
            out.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn heard(messages: Value) -> Result<Heard, (u16, &'static str)> {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        hear(&messages).map_err(|p| (p.status().as_u16(), p.code().to_owned().leak() as &'static str))
    }

    #[test]
    fn the_last_words_of_the_user_are_the_question_and_the_rest_is_history() {
        let said = heard(json!([
            { "role": "user", "content": "How long?" },
            { "role": "assistant", "content": "36 months [1][2]. Kept cold [3].", "refusal": null, "annotations": [], "tool_calls": null },
            { "role": "user", "content": [{ "type": "text", "text": "And after " }, { "type": "text", "text": "opening?" }] },
            { "role": "user", "content": "In days, please." },
        ]))
        .unwrap();
        assert_eq!(said.question, "And after opening?\n\nIn days, please.");
        assert_eq!(said.earlier, [Exchange { question: "How long?".into(), answer: "36 months. Kept cold.".into() }]);
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        let user = json!({ "role": "user", "content": "Why?" });
        for (messages, code) in [
            (json!([]), "message.order"),
            (json!([{ "role": "system", "content": "Speak French." }, user]), "message.system"),
            (json!([{ "role": "developer", "content": "Speak French." }, user]), "message.system"),
            (json!([user, { "role": "tool", "content": "4", "tool_call_id": "x" }]), "message.role"),
            (json!([user, { "role": "assistant", "tool_calls": [{ "id": "x" }] }, user]), "message.tool_calls"),
            (json!([{ "role": "assistant", "content": "Hello." }, user]), "message.order"),
            (json!([user, { "role": "assistant", "content": "Because" }]), "message.order"),
            (json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] }]), "message.part"),
        ] {
            assert_eq!(heard(messages).unwrap_err(), (422, code));
        }
        let long = "x".repeat(limits::QUESTION_BYTES_MAX + 1);
        assert_eq!(heard(json!([{ "role": "user", "content": long }])).unwrap_err(), (413, "question.too_long"));
    }

    proptest! {
        #[test]
        fn marks_are_taken_out_of_any_text_and_nothing_else_is(before in "[a-z \\[\\]0-9é]{0,20}", after in "[a-zé.]{0,20}") {
            let plain = without_marks(&before);
            prop_assert_eq!(without_marks(&format!("{before}x [12]{after}")), format!("{}{after}", without_marks(&format!("{before}x"))));
            prop_assert!(plain.chars().filter(|c| c.is_alphabetic()).eq(before.chars().filter(|c| c.is_alphabetic())));
        }
    }
}
