//! Forms: what was sent, why it was refused, and fields that show both when the form comes again.
//!
//! **Invariant:** what was typed into a field for a password or a code is never sent back.

use super::text::worded;
use crate::problem::Problem;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{Error, Kind};

/// The fields of a form as they came, in order; a name may come more than once.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field; empty where it did not come.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// All values of a name, such as those of ticked boxes.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of a name that can be read as something.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Vec<T> {
        self.all(name).filter_map(|v| v.parse().ok()).collect()
    }

    /// Whether a box was ticked.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|v| v == value)
    }
}

/// A form that was sent and refused.
pub(crate) struct Refused {
    form: String,
    given: Fields,
    problem: Problem,
    shown: bool,
}

impl Refused {
    /// Keeps what was sent with the reason of its refusal. `form` names the form on its page.
    pub(crate) fn new(form: impl Into<String>, given: Fields, error: Error) -> Self {
        let mendable = matches!(error.kind(), Kind::Invalid | Kind::Conflict | Kind::Forbidden | Kind::Unauthenticated | Kind::RateLimited);
        Self { form: form.into(), given, problem: Problem::from(error), shown: mendable }
    }

    /// Whether the person can do something about it on the same page.
    pub(crate) const fn is_mendable(&self) -> bool {
        self.shown
    }

    /// Why.
    pub(crate) const fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// A form about to be shown: empty, or as it was when it was refused.
#[derive(Clone, Copy)]
pub(crate) struct Filled<'a> {
    form: &'a str,
    given: Option<&'a Fields>,
    problem: Option<&'a Problem>,
}

/// One line of input.
pub(crate) struct Field<'a> {
    /// Name in the form, and the pointer of its faults.
    pub(crate) name: &'a str,
    /// What people read.
    pub(crate) label: &'a str,
    /// `type` of the input.
    pub(crate) kind: &'a str,
    /// What stands in it at first.
    pub(crate) value: &'a str,
    /// What the browser may fill in.
    pub(crate) complete: &'a str,
    /// What helps to fill it.
    pub(crate) hint: &'a str,
}

impl<'a> Filled<'a> {
    /// The form of this name: as it was refused, if it is the one, empty otherwise. The name is the beginning of the ids of its fields.
    pub(crate) fn of(form: &'a str, refused: Option<&'a Refused>) -> Self {
        let here = refused.filter(|r| r.form == form);
        Self { form, given: here.map(|r| &r.given), problem: here.map(|r| &r.problem) }
    }

    /// Whether this form was refused: what hides it is then open.
    pub(crate) const fn is_refused(&self) -> bool {
        self.problem.is_some()
    }

    /// What was sent, where this form was refused.
    pub(crate) const fn given(&self) -> Option<&'a Fields> {
        self.given
    }

    /// The id of a field.
    pub(crate) fn id(&self, name: &str) -> String {
        if self.form.is_empty() { name.to_owned() } else { format!("{}-{name}", self.form) }
    }

    /// What stands in a field.
    pub(crate) fn value(&self, name: &str, at_first: &'a str) -> &'a str {
        self.given.map_or(at_first, |given| given.one(name))
    }

    /// Whether a box is ticked.
    pub(crate) fn ticked(&self, name: &str, value: &str, at_first: bool) -> bool {
        self.given.map_or(at_first, |given| given.has(name, value))
    }

    /// The faults of a field and of what is below it, each with the last part of its pointer.
    pub(crate) fn faults(&self, name: &str) -> Vec<(&'a str, &'a str)> {
        let of = |pointer: &'a str| pointer.strip_prefix('/').and_then(|p| p.strip_prefix(name));
        let fields = self.problem.map(Problem::fields).unwrap_or_default();
        fields
            .iter()
            .filter_map(|f| {
                of(&f.pointer)
                    .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                    .map(|rest| (rest.trim_start_matches('/'), f.detail.as_str()))
            })
            .collect()
    }

    /// The faults of a field as one text.
    fn fault(&self, name: &str) -> Option<String> {
        let mut said: Vec<&str> = self.faults(name).into_iter().map(|(_, detail)| detail).collect();
        said.dedup();
        (!said.is_empty()).then(|| said.join(" "))
    }

    /// Why the form was refused. The focus goes there, so that it is seen and read aloud wherever the form stands on its page.
    pub(crate) fn notice(&self) -> Markup {
        html! { @if let Some(p) = self.problem { p.notice.bad role="alert" tabindex="-1" autofocus { (worded(p.detail())) } } }
    }

    /// The line below a field: its fault, or what helps to fill it.
    pub(crate) fn hint(&self, name: &str, hint: &str) -> Markup {
        let fault = self.fault(name);
        html! {
            @if fault.is_some() || !hint.is_empty() {
                p.field-hint.bad[fault.is_some()] id={ (self.id(name)) "-hint" } { (worded(fault.as_deref().unwrap_or(hint))) }
            }
        }
    }

    /// The id of the line below a field, where there is one.
    pub(crate) fn described(&self, name: &str, hint: &str) -> Option<String> {
        (!hint.is_empty() || !self.faults(name).is_empty()).then(|| format!("{}-hint", self.id(name)))
    }

    /// A line of input with its label, and its fault or hint. All are required.
    pub(crate) fn field(&self, f: &Field<'a>) -> Markup {
        let secret = f.kind == "password" || f.complete == "one-time-code";
        let value = if secret { "" } else { self.value(f.name, f.value) };
        html! {
            label for=(self.id(f.name)) { (f.label) }
            input id=(self.id(f.name)) name=(f.name) type=(f.kind) value=(value) autocomplete=(f.complete) required
                aria-invalid=[self.fault(f.name).map(|_| "true")] aria-describedby=[self.described(f.name, f.hint)];
            (self.hint(f.name, f.hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Refused {
        let given = Fields(vec![
            ("name".into(), "ci".into()),
            ("password".into(), "hunter2".into()),
            ("scopes".into(), "ask".into()),
            ("scopes".into(), "x".into()),
        ]);
        let error = Error::invalid("key.invalid", "Some fields need another look.")
            .with_field("/name", "Too <short>.")
            .with_field("/scopes/1", "No such scope.");
        Refused::new("key", given, error)
    }

    fn input<'a>(name: &'a str, kind: &'a str) -> Field<'a> {
        Field { name, label: "A field", kind, value: "", complete: "off", hint: "" }
    }

    #[test]
    fn a_refused_form_keeps_what_was_typed_but_no_secret() {
        let refused = refused();
        let form = Filled::of("key", Some(&refused));
        let name = form.field(&input("name", "text")).into_string();
        assert!(name.contains(r#"value="ci""#) && name.contains(r#"aria-invalid="true""#) && name.contains("Too &lt;short&gt;."), "{name}");
        let password = form.field(&input("password", "password")).into_string();
        assert!(!password.contains("hunter2") && !password.contains("aria-invalid"), "{password}");
        assert_eq!(form.faults("scopes"), [("1", "No such scope.")]);
        assert!(form.ticked("scopes", "ask", false) && !form.ticked("scopes", "document.read", true));
    }

    #[test]
    fn the_other_forms_of_the_page_are_as_they_were() {
        let refused = refused();
        let form = Filled::of("other", Some(&refused));
        assert!(!form.is_refused() && form.value("name", "first") == "first" && form.faults("name").is_empty());
        assert_eq!(form.notice().into_string(), "");
    }

    #[test]
    fn what_nobody_can_mend_is_a_page_of_its_own() {
        assert!(refused().is_mendable());
        assert!(!Refused::new("", Fields::default(), Error::not_found("x.y", "Gone.")).is_mendable());
    }
}
