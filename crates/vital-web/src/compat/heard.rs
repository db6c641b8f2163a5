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
    rest: BTreeMap<String, Value>,
}

impl Content {
    /// The words, for a model; `at` is the pointer to what holds them.
    pub(super) fn words(&self, at: &str) -> Reply<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Parts(parts) => parts.iter().enumerate().map(|(n, part)| part.words(&format!("{at}/{n}"))).collect(),
        }
    }
}

impl Part {
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// A member that is not null and has no field of its own.
    pub(super) fn other(&self, name: &str) -> Option<&Value> {
        self.rest.get(name).filter(|v| !v.is_null())
    }

    /// The words, for a model; what a model said beside them is none, and anything else is refused.
    pub(super) fn words(&self, at: &str) -> Reply<&str> {
        match (self.kind.as_str(), &self.text) {
            ("text", Some(words)) => Ok(words),
            ("refusal", _) => Ok(""),
            _ => {
                let error = Error::invalid("message.part", "Only text can be carried to a model here. Nothing was sent to a model.");
                Err(error.with_field(format!("{at}/type"), "Send text.").into())
            }
        }
    }
}

/// What is asked, and what was said before.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    /// Instructions of the client, which have no effect on an expert.
    pub instructions: String,
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
    let (mut earlier, mut instructions) = (Vec::new(), None);
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
            "system" | "developer" => join(&mut instructions, &text),
            _ => {
                let detail =
                    "Only messages of the roles `user`, `assistant`, `system` and `developer` are taken; calls of tools are not offered.";
                return Err(refused("message.role", detail, i, "role"));
            }
        }
    }
    let (Some(question), None) = (question, answer) else {
        let detail = "The last message has to be the user's question. An answer cannot be begun for an expert. Nothing was asked.";
        return Err(Error::invalid("message.order", detail).with_field("/messages", "End with a message of the user.").into());
    };
    let instructions = instructions.unwrap_or_default();
    within(&instructions)?;
    Ok(Heard { instructions, question, earlier })
}

/// Refuses instructions that are too long to be kept.
fn within(instructions: &str) -> Reply<()> {
    if instructions.len() <= limits::CLIENT_INSTRUCTIONS_BYTES_MAX {
        return Ok(());
    }
    let detail = format!(
        "Instructions may have at most {} bytes; these have {}. Nothing was asked: an expert works by its own, so leave them out.",
        limits::CLIENT_INSTRUCTIONS_BYTES_MAX,
        instructions.len()
    );
    Err(Error::too_large("question.too_long", detail).with_field("/messages", "Leave the instructions out.").into())
}

impl Heard {
    /// The same with instructions that came beside the messages.
    pub(super) fn with_instructions(mut self, given: Option<&Value>) -> Reply<Self> {
        let given = given.filter(|given| !given.is_null()).map(Content::deserialize);
        let unreadable = |_| Error::invalid("request.field", "`system` is neither a text nor a list of texts. Nothing was asked.");
        if let Some(content) = given.transpose().map_err(unreadable)? {
            self.instructions = content.words("/system")?;
            within(&self.instructions)?;
        }
        Ok(self)
    }
}

impl Message {
    pub(super) fn role(&self) -> &str {
        &self.role
    }

    pub(super) const fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// A member that is not null and has no field of its own.
    pub(super) fn other(&self, name: &str) -> Option<&Value> {
        self.rest.get(name).filter(|v| !v.is_null())
    }

    /// The words, for a model.
    pub(super) fn words(&self, i: usize) -> Reply<String> {
        self.content.as_ref().map_or_else(|| Ok(String::new()), |content| content.words(&format!("/messages/{i}/content")))
    }

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
    fn instructions_are_taken_wherever_they_stand_and_are_no_part_of_the_question() {
        let said = heard(json!([
            { "role": "system", "content": "Speak French." },
            { "role": "user", "content": "How long?" },
            { "role": "developer", "content": [{ "type": "text", "text": "Cite nothing." }] },
        ]))
        .unwrap();
        assert_eq!((said.instructions.as_str(), said.question.as_str()), ("Speak French.\n\nCite nothing.", "How long?"));
        let long = "x".repeat(limits::CLIENT_INSTRUCTIONS_BYTES_MAX + 1);
        let user = json!({ "role": "user", "content": "How long?" });
        assert_eq!(heard(json!([{ "role": "system", "content": long }, user])).unwrap_err(), (413, "question.too_long"));
        let messages: Vec<Message> = serde_json::from_value(json!([user])).unwrap();
        let given = |system: Value| hear(&messages).unwrap().with_instructions(Some(&system)).map(|h| h.instructions).ok();
        assert_eq!(given(json!([{ "type": "text", "text": "Be brief." }])).as_deref(), Some("Be brief."));
        assert_eq!((given(json!(null)).as_deref(), given(json!(7))), (Some(""), None));
    }

    #[test]
    fn what_would_change_the_answer_is_refused() {
        let user = json!({ "role": "user", "content": "Why?" });
        for (messages, code) in [
            (json!([]), "message.order"),
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
