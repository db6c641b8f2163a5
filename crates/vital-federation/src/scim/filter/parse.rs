//! Reads filters (the grammar of RFC 7644 figure 1). Keywords are read in any case; `and` binds tighter than `or`.

use super::{DEPTH_MAX, FILTER_BYTES_MAX, Filter, Literal, Operator, Test};
use crate::scim::{AttrPath, ScimError, path::is_name};
use std::str::FromStr;

impl FromStr for Filter {
    type Err = ScimError;

    fn from_str(text: &str) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(ScimError::invalid_filter(format!("The filter is longer than {FILTER_BYTES_MAX} bytes.")));
        }
        let mut parser = Parser::new(text);
        let filter = parser.or(0, false)?;
        parser.skip_blanks();
        if parser.rest.is_empty() { Ok(filter) } else { Err(parser.wrong("`and`, `or` or the end")) }
    }
}

/// What is left to read.
pub(in crate::scim) struct Parser<'a> {
    all: usize,
    pub(in crate::scim) rest: &'a str,
}

impl<'a> Parser<'a> {
    pub(in crate::scim) fn new(text: &'a str) -> Self {
        Self { all: text.len(), rest: text }
    }

    fn wrong(&self, expected: &str) -> ScimError {
        ScimError::invalid_filter(format!("The filter cannot be read at byte {}: expected {expected}.", self.all - self.rest.len()))
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    /// Takes one character if it comes next.
    pub(in crate::scim) fn eat(&mut self, c: char) -> bool {
        self.rest.strip_prefix(c).map(|rest| self.rest = rest).is_some()
    }

    /// Takes the longest run of characters that names, schemas and keywords are made of.
    pub(in crate::scim) fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_$:.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let before = self.rest;
        self.skip_blanks();
        let found = self.word().eq_ignore_ascii_case(keyword);
        if !found {
            self.rest = before;
        }
        found
    }

    /// Reads a condition. Inside brackets there are no further brackets.
    pub(in crate::scim) fn or(&mut self, depth: usize, in_element: bool) -> Result<Filter, ScimError> {
        if depth > DEPTH_MAX {
            return Err(ScimError::invalid_filter(format!("The filter is nested deeper than {DEPTH_MAX} levels.")));
        }
        let mut parts = vec![self.and(depth, in_element)?];
        while self.keyword("or") {
            parts.push(self.and(depth, in_element)?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn and(&mut self, depth: usize, in_element: bool) -> Result<Filter, ScimError> {
        let mut parts = vec![self.term(depth, in_element)?];
        while self.keyword("and") {
            parts.push(self.term(depth, in_element)?);
        }
        Ok(one_or(parts, Filter::And))
    }

    fn term(&mut self, depth: usize, in_element: bool) -> Result<Filter, ScimError> {
        self.skip_blanks();
        if self.eat('(') {
            return self.closed(depth, in_element);
        }
        let before = self.rest;
        if self.keyword("not") {
            self.skip_blanks();
            if self.eat('(') {
                return self.closed(depth, in_element).map(|inner| Filter::Not(Box::new(inner)));
            }
            self.rest = before;
        }
        let at = self.rest;
        let path: AttrPath = self.word().parse().map_err(|_| Self { all: self.all, rest: at }.wrong("an attribute"))?;
        if in_element && (path.sub.is_some() || path.schema.is_some()) {
            return Err(Self { all: self.all, rest: at }.wrong("a sub-attribute"));
        }
        if !in_element && path.sub.is_none() && self.eat('[') {
            return self.element(path, depth);
        }
        Ok(Filter::Test(path, self.test()?))
    }

    fn closed(&mut self, depth: usize, in_element: bool) -> Result<Filter, ScimError> {
        let inner = self.or(depth + 1, in_element)?;
        self.skip_blanks();
        if self.eat(')') { Ok(inner) } else { Err(self.wrong("`)`")) }
    }

    fn element(&mut self, attribute: AttrPath, depth: usize) -> Result<Filter, ScimError> {
        let filter = Box::new(self.in_brackets(depth)?);
        if !self.eat('.') {
            return Ok(Filter::Element { attribute, filter, then: None });
        }
        let sub = self.word();
        if !is_name(sub) {
            return Err(self.wrong("a sub-attribute"));
        }
        Ok(Filter::Element { attribute, filter, then: Some((sub.to_owned(), self.test()?)) })
    }

    /// Reads what follows an opening bracket, up to and with the closing one.
    pub(in crate::scim) fn in_brackets(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let filter = self.or(depth + 1, true)?;
        self.skip_blanks();
        if self.eat(']') { Ok(filter) } else { Err(self.wrong("`]`")) }
    }

    fn test(&mut self) -> Result<Test, ScimError> {
        self.skip_blanks();
        let before = self.rest;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Test::Present);
        }
        let Some(operator) = Operator::ALL.into_iter().find(|o| o.as_str().eq_ignore_ascii_case(word)) else {
            return Err(Self { all: self.all, rest: before }.wrong("one of pr, eq, ne, co, sw, ew, gt, ge, lt, le"));
        };
        self.skip_blanks();
        let literal = self.literal()?;
        let comparable = match literal {
            Literal::String(_) => true,
            Literal::Number(_) => !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew),
            Literal::Bool(_) | Literal::Null => matches!(operator, Operator::Eq | Operator::Ne),
        };
        if comparable {
            Ok(Test::Compare(operator, literal))
        } else {
            Err(ScimError::invalid_filter(format!("`{}` cannot compare with {literal}.", operator.as_str())))
        }
    }

    fn literal(&mut self) -> Result<Literal, ScimError> {
        if self.rest.starts_with('"') {
            return self.text();
        }
        let before = self.rest;
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            "null" => Ok(Literal::Null),
            number => {
                let wrong = |_| Self { all: self.all, rest: before }.wrong("a text in double quotes, a number, true, false or null");
                serde_json::from_str(number).map(Literal::Number).map_err(wrong)
            }
        }
    }

    /// Reads a JSON string; its end is the first quote that no backslash precedes.
    fn text(&mut self) -> Result<Literal, ScimError> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let (literal, rest) = self.rest.split_at(at + 1);
                    let text = serde_json::from_str(literal).map_err(|_| self.wrong("a JSON string"))?;
                    self.rest = rest;
                    return Ok(Literal::String(text));
                }
                _ => {}
            }
        }
        Err(self.wrong("a text that ends with a double quote"))
    }
}

fn one_or(mut parts: Vec<Filter>, many: impl Fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Filter, ScimError> {
        text.parse()
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        for text in [
            r#"userName eq "bjensen""#,
            r#"name.familyName co "O'Malley""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            "title pr",
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"title pr and userType eq "Employee""#,
            r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
            r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
            r#"emails[type eq "work"].value eq "x""#,
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert_eq!(read("a pr or b pr and c pr").unwrap(), read("a pr or (b pr and c pr)").unwrap());
        assert_ne!(read("a pr or b pr and c pr").unwrap(), read("(a pr or b pr) and c pr").unwrap());
        assert_eq!(read("NOT(a PR)AND b Eq TRUE").unwrap().to_string(), "not (a pr) and b eq true");
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "",
            " ",
            "a",
            "a eq",
            "a eq x",
            "a is 1",
            "(a pr",
            "a pr)",
            "a[b pr",
            "a[b[c pr]]",
            "a.b[c pr]",
            "not a pr",
            "a pr and",
            "a eq \"x",
            r#"a eq "\q""#,
            "a gt true",
            "a co null",
            "a sw 1",
            "a eq 1x",
            "a pr b pr",
            "a[b pr].",
            "and",
            "a eq \"x\" or",
        ] {
            assert_eq!(read(text).unwrap_err().scim_type(), Some(crate::scim::ScimType::InvalidFilter), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_limited() {
        let nested = |n: usize| format!("{}a pr{}", "(".repeat(n), ")".repeat(n));
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert!(read(&nested(DEPTH_MAX + 1)).is_err());
        assert!(read(&"(".repeat(FILTER_BYTES_MAX)).is_err());
        assert!(read(&format!("a eq \"{}\"", "x".repeat(FILTER_BYTES_MAX))).is_err());
    }

    fn test() -> impl Strategy<Value = Test> {
        let text = any::<String>().prop_map(Literal::String);
        prop_oneof![
            Just(Test::Present),
            (0..9_usize, text).prop_map(|(n, l)| Test::Compare(Operator::ALL[n], l)),
            any::<i64>().prop_map(|n| Test::Compare(Operator::Ge, Literal::Number(n.into()))),
            any::<bool>().prop_map(|b| Test::Compare(Operator::Ne, Literal::Bool(b))),
            Just(Test::Compare(Operator::Eq, Literal::Null)),
        ]
    }

    fn path() -> impl Strategy<Value = AttrPath> {
        "(urn:[a-z]{1,5}:2\\.0:)?[a-zA-Z][a-zA-Z0-9_-]{0,6}(\\.(\\$ref|[a-z]{1,4}))?".prop_map(|text| text.parse().unwrap())
    }

    fn leaf(bare: bool) -> impl Strategy<Value = Filter> {
        (path(), test()).prop_map(move |(mut path, test)| {
            if bare {
                (path.schema, path.sub) = (None, None);
            }
            Filter::Test(path, test)
        })
    }

    fn tree(leaf: impl Strategy<Value = Filter> + 'static) -> impl Strategy<Value = Filter> {
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
                proptest::collection::vec(inner, 2..4).prop_map(Filter::Or),
            ]
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let element = (path(), tree(leaf(true)), proptest::option::of(("[a-z]{1,4}", test()))).prop_map(|(mut attribute, inner, then)| {
            attribute.sub = None;
            Filter::Element { attribute, filter: Box::new(inner), then }
        });
        tree(prop_oneof![leaf(false), element])
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = read(&text);
        }

        #[test]
        fn no_text_of_the_grammars_words_makes_the_parser_panic(
            words in proptest::collection::vec(prop_oneof!["[()\\[\\]. ]", "and|or|not|pr|eq|co|true|null|urn:a:b|a|\"|\\\\|é|1e9|-"], 0..40)
        ) {
            let text = words.concat();
            if let Ok(filter) = read(&text) {
                prop_assert_eq!(read(&filter.to_string()).unwrap(), filter);
            }
        }

        #[test]
        fn what_is_written_reads_back(filter in filter()) {
            let text = filter.to_string();
            prop_assume!(text.len() <= FILTER_BYTES_MAX);
            prop_assert_eq!(read(&text).unwrap(), filter);
        }
    }
}
