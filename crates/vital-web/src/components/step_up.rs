//! Dangerous actions: each form says what it will do and asks for a second factor, unless one was proven within the last minutes.

use super::form::{Field, Filled};
use maud::{Markup, html};

/// What a dangerous form needs to know of who sends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepUp {
    /// Whether a second factor was proven just now.
    pub(crate) proven: bool,
    /// Whether there is a second factor at all.
    pub(crate) factor: bool,
    /// Whether there is a passkey among them.
    pub(crate) passkey: bool,
}

/// A dangerous form.
pub(crate) struct Act<'a> {
    /// Where it is sent.
    pub(crate) action: &'a str,
    /// What it will do, in one sentence.
    pub(crate) says: &'a str,
    /// What the button is called.
    pub(crate) button: &'a str,
    /// Whether it takes something away.
    pub(crate) destroys: bool,
}

/// The form, with `inner` between what it says and the proof. Who has no second factor is led to where one is added.
pub(crate) fn form(ask: StepUp, filled: &Filled<'_>, act: &Act<'_>, inner: &Markup) -> Markup {
    html! {
        @if !ask.proven && !ask.factor {
            p { (act.says) " This needs a second factor, and you have none yet: " a href="/settings/security" { "add one under Security" } ", then come back." }
        } @else {
            form.stack method="post" action=(act.action) {
                (filled.notice())
                p { (act.says) }
                (inner)
                (proof(ask, filled))
                button.danger[act.destroys].primary[!act.destroys] type="submit" { (act.button) }
            }
        }
    }
}

/// The same behind a word that opens it.
pub(crate) fn folded(ask: StepUp, filled: &Filled<'_>, act: &Act<'_>, summary: &str, of: &str, inner: &Markup) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { (summary) @if !of.is_empty() { span.sr { " " (of) } } }
            (form(ask, filled, act, inner))
        }
    }
}

/// The field for a code, and a button where there is a passkey.
pub(crate) fn proof(ask: StepUp, filled: &Filled<'_>) -> Markup {
    html! {
        @if !ask.proven && ask.factor {
            (filled.field(&Field { name: "code", label: "Code of your authenticator app, or a recovery code", kind: "text", value: "", complete: "one-time-code", hint: "Proves that it is you. It counts for the next five minutes." }))
            @if ask.passkey {
                div.js-passkey hidden data-kind="step-up" {
                    button type="button" { "Use a passkey instead" }
                    p.notice.bad role="alert" hidden {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ask: StepUp) -> String {
        let act = Act { action: "/x", says: "This removes it.", button: "Remove", destroys: true };
        form(ask, &Filled::of("f", None), &act, &html! {}).into_string()
    }

    #[test]
    fn a_dangerous_form_asks_for_what_it_needs() {
        let none = StepUp { proven: false, factor: false, passkey: false };
        assert!(!shown(none).contains("<form") && shown(none).contains("This removes it.") && shown(none).contains("/settings/security"));
        let code = shown(StepUp { factor: true, ..none });
        assert!(code.contains("one-time-code") && !code.contains("js-passkey"));
        assert!(shown(StepUp { factor: true, passkey: true, ..none }).contains(r#"data-kind="step-up""#));
        let proven = shown(StepUp { proven: true, factor: true, passkey: true });
        assert!(proven.contains("<form") && !proven.contains("one-time-code") && proven.contains("This removes it."));
    }
}
