//! The composer: where a question is written.

use super::expert::choice;
use maud::{Markup, html};
use vital_kernel::limits;
use vital_platform::experts::ExpertSummary;

/// What a composer shows.
pub(crate) struct Composer<'a> {
    /// Where the form goes.
    pub(crate) action: &'a str,
    /// Label of the field.
    pub(crate) label: &'a str,
    /// All experts.
    pub(crate) experts: &'a [ExpertSummary],
    /// Slug of the chosen expert.
    pub(crate) chosen: Option<&'a str>,
    /// Text already written.
    pub(crate) question: &'a str,
    /// True for the one at the foot of a conversation.
    pub(crate) follow_up: bool,
}

/// Renders a composer.
pub(crate) fn composer(c: &Composer<'_>) -> Markup {
    html! {
        form.composer method="post" action=(c.action) {
            label.sr for="question" { (c.label) }
            textarea #question name="question" rows=(if c.follow_up { 1 } else { 3 }) maxlength=(limits::QUESTION_BYTES_MAX) required placeholder=(c.label) autofocus[!c.follow_up] { (c.question) }
            div.composer-row {
                (choice(c.experts, c.chosen))
                span.hint { kbd { "Ctrl" } " " kbd { "Enter" } " asks, " kbd { "/" } " comes back here" }
                button.primary type="submit" { "Ask" }
            }
        }
    }
}
