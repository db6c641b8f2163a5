//! What is shown once: recovery codes and keys.

use maud::{Markup, html};

/// Recovery codes, to be kept. `next` is where the reader goes on.
pub(crate) fn recovery_codes(codes: &[String], next: &str) -> Markup {
    html! {
        section aria-labelledby="codes" {
            h2 #codes { "Recovery codes" }
            p { "Each of these signs you in once when your authenticator app or passkey is lost. Keep them where only you can reach them, such as a password safe. They are shown now and never again." }
            ul.codes #recovery-codes { @for code in codes { li { code { (code) } } } }
            p.acts { (copy("recovery-codes", "Copy the codes")) a.button href=(next) { "I have kept them" } }
        }
    }
}

/// A secret that cannot be shown again.
pub(crate) fn once(secret: &str) -> Markup {
    html! {
        p.secret { code #secret { (secret) } }
        p.acts { (copy("secret", "Copy")) }
    }
}

fn copy(of: &str, name: &str) -> Markup {
    html! { button.js-clipboard type="button" hidden data-of=(of) data-done="Copied" { (name) } }
}
