//! What is not relayed: a question about the treatment of one person, recognised as for experts.

use crate::ask::compose;
use vital_kernel::{Error, limits};
use vital_llm::{ChatRequest, Role};

/// Tells whether the last words of the user ask what one person should do about their health. Of long ones the beginning and the end are
/// looked at, each as long as a question may be: what stands between is material.
pub(super) fn is_patient_specific(request: &ChatRequest) -> bool {
    let last = request.messages.iter().rev().skip_while(|m| m.role != Role::User).take_while(|m| m.role == Role::User);
    let mut words: Vec<&str> = last.map(|m| m.content.as_str()).collect();
    words.reverse();
    let words = words.join("\n");
    let head = &words[..words.floor_char_boundary(limits::QUESTION_BYTES_MAX)];
    let tail = &words[words.ceil_char_boundary(words.len().saturating_sub(limits::QUESTION_BYTES_MAX))..];
    compose::is_patient_specific(head) || (words.len() > limits::QUESTION_BYTES_MAX && compose::is_patient_specific(tail))
}

pub(super) fn refusal() -> Error {
    Error::invalid(
        "safety.patient_specific",
        "This reads like a question about the treatment of one person, which the platform does not answer, whoever would write the answer. \
         Nothing was sent to a model. Ask for what sources say in general; a person's own treatment belongs to those who treat them.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_llm::Message;

    const PERSONAL: &str = "Should I stop taking my insulin when my doctor is away?";

    fn asked(messages: Vec<Message>) -> bool {
        is_patient_specific(&ChatRequest { messages, ..ChatRequest::default() })
    }

    #[test]
    fn the_last_words_of_the_user_are_looked_at_wherever_they_stand() {
        let filler = "An assay is a procedure. ".repeat(2 * limits::QUESTION_BYTES_MAX / 25);
        assert!(asked(vec![Message::user(PERSONAL)]));
        assert!(asked(vec![Message::user("Hello."), Message::assistant("Yes?"), Message::user(PERSONAL), Message::user("Please.")]));
        assert!(asked(vec![Message::user(format!("{PERSONAL} {filler}"))]) && asked(vec![Message::user(format!("{filler} {PERSONAL}"))]));
        assert!(!asked(vec![Message::user(filler)]) && !asked(vec![Message::user("Is the ä in Häm one byte? ".repeat(4_000))]));
        assert!(!asked(vec![Message::user(PERSONAL), Message::assistant("No."), Message::user("How is a 510(k) filed?")]));
        assert!(!asked(Vec::new()));
    }
}
