//! How sure an answer is: the measured parts, drawn, with the numbers beside them.

use super::text::{bar, percent};
use maud::{Markup, html};
use vital_platform::ask::answer::{Confidence, TrustNumbers};

/// The line under an answer: confidence and the three trust numbers.
pub(crate) fn summary(confidence: Option<&Confidence>, trust: Option<&TrustNumbers>) -> Markup {
    html! {
        @if let Some(c) = confidence {
            span.measure { span.measure-name { "Confidence" } " " (bar(c.score)) " " strong { (percent(c.score)) } }
        }
        @if let Some(t) = trust {
            span.measure title="Share of cited factual sentences that stand in full on what they cite" { "Supported " strong { (percent(t.support)) } }
            span.measure title="Share of factual sentences without a citation" { "Uncited " strong { (percent(t.uncited)) } }
            span.measure title="Share of citations whose quote is the bytes they point at" { "Valid pointers " strong { (percent(t.pointer_validity)) } }
        }
    }
}

/// The parts of the confidence as a table with bars.
pub(crate) fn parts(confidence: &Confidence) -> Markup {
    html! {
        table.parts {
            caption.sr { "Measured parts of the confidence" }
            thead { tr { th scope="col" { "Part" } th scope="col" { "Value" } th scope="col" { "Weight" } th scope="col" { "What was measured" } } }
            tbody {
                @for p in &confidence.parts {
                    tr {
                        th scope="row" { (p.name) }
                        td { (bar(p.value)) " " (percent(p.value)) }
                        td { (percent(p.weight)) }
                        td { (p.says) }
                    }
                }
            }
        }
    }
}
