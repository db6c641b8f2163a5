//! Experts in lists and as a choice.

use maud::{Markup, html};
use vital_platform::experts::{Domain, ExpertSummary};

/// Up to two letters that stand for a name.
pub(crate) fn initials(name: &str) -> String {
    let words = || {
        name.split_whitespace()
            .filter(|w| w.chars().next().is_some_and(char::is_alphanumeric) && !matches!(*w, "and" | "of" | "for" | "the"))
    };
    words().take(2).filter_map(|w| w.chars().next()).flat_map(char::to_uppercase).collect()
}

/// The sign of an expert: a monogram.
pub(crate) fn monogram(name: &str) -> Markup {
    html! { span.monogram aria-hidden="true" { (initials(name)) } }
}

/// A card of the gallery.
pub(crate) fn card(e: &ExpertSummary) -> Markup {
    html! {
        li.card data-filter={ (e.name) " " (e.tagline) " " (e.slug) " " (e.domain.title()) } {
            (monogram(&e.name))
            div {
                h3 { a href={ "/experts/" (e.slug) } { (e.name) } }
                p { (e.tagline) }
            }
        }
    }
}

/// The choice of the expert: automatic, or one of all.
pub(crate) fn choice(experts: &[ExpertSummary], chosen: Option<&str>) -> Markup {
    html! {
        label.choice {
            span.choice-name { "Expert" }
            select name="expert" {
                option value="" selected[chosen.is_none()] { "Automatic" }
                @for domain in Domain::ALL {
                    optgroup label=(domain.title()) {
                        @for e in experts.iter().filter(|e| e.domain == domain) {
                            option value=(e.slug) selected[chosen == Some(e.slug.as_str())] { (e.name) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn a_monogram_takes_the_first_two_words_that_say_something() {
        assert_eq!(initials("Signal and Benefit-Risk Lead"), "SB");
        assert_eq!(initials("ada"), "A");
        assert_eq!(initials(""), "");
        assert_eq!(initials("Émile (Zola)"), "É");
    }
}
