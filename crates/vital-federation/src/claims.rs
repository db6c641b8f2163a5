//! What an issuer says about a person, and the checks that every token must pass.
//!
//! **Invariant:** [`Claims`] are made here, after the caller checked the signature, and only if the registered claims hold.

use crate::TokenRefused;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// How far the issuer's clock may differ from ours, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 60;
/// Longest `sub`, in bytes (OpenID Connect Core section 2).
const SUBJECT_BYTES_MAX: usize = 255;
/// Longest e-mail address, in bytes (RFC 5321 section 4.5.3.1).
const EMAIL_BYTES_MAX: usize = 254;
/// Longest name that is passed on, in characters; longer ones are cut.
const NAME_CHARS_MAX: usize = 200;
/// Longest path of a claim, in bytes.
const PATH_BYTES_MAX: usize = 256;
/// Most values of one claim; further ones are not read.
const VALUES_MAX: usize = 1_000;

/// The verified claims of a token.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// The configured issuer, exactly.
    pub issuer: String,
    /// The person's id at the issuer, 1 to 255 bytes. Only the pair of issuer and subject identifies a person; an e-mail address does not.
    pub subject: String,
    /// The e-mail address as the issuer wrote it, if it has the form of one.
    pub email: Option<String>,
    /// Whether the issuer says that it verified the address; false when it says nothing.
    pub email_verified: bool,
    /// A name to show, cut to 200 characters.
    pub name: Option<String>,
    /// When the token ends.
    pub expires_at: OffsetDateTime,
    /// All claims, for [`claim_values`].
    pub raw: Map<String, Value>,
}

/// What the registered claims must say.
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub now: OffsetDateTime,
}

impl Claims {
    /// Checks the registered claims (RFC 7519 section 4.1) of a token whose signature holds.
    pub(crate) fn check(raw: Map<String, Value>, expected: &Expected<'_>) -> Result<Self, TokenRefused> {
        if text(&raw, "iss")? != expected.issuer {
            return Err(TokenRefused::Issuer);
        }
        check_audience(&raw, expected.audience)?;
        let now = expected.now.unix_timestamp();
        let expires = seconds(&raw, "exp")?.ok_or(TokenRefused::Claim("exp"))?;
        if now >= expires.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(TokenRefused::Expired);
        }
        for begin in ["nbf", "iat"] {
            if seconds(&raw, begin)?.is_some_and(|begin| begin > now.saturating_add(CLOCK_SKEW_SECONDS)) {
                return Err(TokenRefused::NotYetValid);
            }
        }
        let subject = text(&raw, "sub")?;
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject.chars().any(char::is_control) {
            return Err(TokenRefused::Claim("sub"));
        }
        let (issuer, subject) = (expected.issuer.to_owned(), subject.to_owned());
        let expires_at = OffsetDateTime::from_unix_timestamp(expires).map_err(|_| TokenRefused::Claim("exp"))?;
        let mut claims = Self { issuer, subject, email: None, email_verified: false, name: None, expires_at, raw };
        claims.read_person();
        Ok(claims)
    }

    /// Adds what the userinfo endpoint says; what the signed token says is not replaced.
    pub(crate) fn add_userinfo(&mut self, mut userinfo: Map<String, Value>) -> Result<(), TokenRefused> {
        // OpenID Connect Core section 5.3.2: without this check the answer could be anybody's.
        if userinfo.get("sub").and_then(Value::as_str) != Some(&self.subject) {
            return Err(TokenRefused::OtherSubject);
        }
        // The mark belongs to the address beside it.
        match self.email.is_some() {
            true => ["email", "email_verified"].iter().for_each(|claim| _ = userinfo.remove(*claim)),
            false => ["email", "email_verified"].iter().for_each(|claim| _ = self.raw.remove(*claim)),
        }
        for (claim, value) in userinfo {
            self.raw.entry(claim).or_insert(value);
        }
        self.read_person();
        Ok(())
    }

    fn read_person(&mut self) {
        self.email = self.raw.get("email").and_then(Value::as_str).filter(|email| is_email(email)).map(str::to_owned);
        // Some providers write the mark as text.
        self.email_verified = self.email.is_some()
            && self.raw.get("email_verified").is_some_and(|verified| *verified == Value::Bool(true) || verified.as_str() == Some("true"));
        self.name = ["name", "preferred_username"].iter().find_map(|claim| self.raw.get(*claim).and_then(Value::as_str)).and_then(shown);
    }
}

/// Returns the texts of a claim: one for a string, each for an array of strings, none for anything else.
///
/// `path` is a claim's name, or a dotted path into nested objects (`realm_access.roles`). A name that itself has dots, as in
/// `https://example.com/roles`, is found first. At most 1,000 values are returned.
#[must_use]
pub fn claim_values(claims: &Map<String, Value>, path: &str) -> Vec<String> {
    if path.len() > PATH_BYTES_MAX {
        return Vec::new();
    }
    match find(claims, path) {
        Some(Value::String(value)) => vec![value.clone()],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).take(VALUES_MAX).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| {
            let (name, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
            find(claims.get(name)?.as_object()?, rest)
        })
    })
}

fn check_audience(raw: &Map<String, Value>, client: &str) -> Result<(), TokenRefused> {
    let several = match raw.get("aud") {
        Some(Value::String(audience)) if audience == client => false,
        Some(Value::Array(audiences)) if audiences.iter().any(|audience| audience.as_str() == Some(client)) => audiences.len() > 1,
        Some(Value::String(_) | Value::Array(_)) => return Err(TokenRefused::Audience),
        _ => return Err(TokenRefused::Claim("aud")),
    };
    // OpenID Connect Core section 3.1.3.7, steps 4 and 5.
    match raw.get("azp") {
        Some(party) if party.as_str() != Some(client) => Err(TokenRefused::Audience),
        None if several => Err(TokenRefused::Audience),
        _ => Ok(()),
    }
}

/// Returns a claim that must be text.
pub(crate) fn text<'a>(raw: &'a Map<String, Value>, claim: &'static str) -> Result<&'a str, TokenRefused> {
    raw.get(claim).and_then(Value::as_str).ok_or(TokenRefused::Claim(claim))
}

/// Returns a claim in seconds since 1970 (RFC 7519 section 2, NumericDate: fractions are allowed), or nothing when it is absent.
pub(crate) fn seconds(raw: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, TokenRefused> {
    let Some(value) = raw.get(claim) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and what lies that far off is refused as a date")]
    let whole = |number: f64| number.floor() as i64;
    value.as_i64().or_else(|| value.as_f64().map(whole)).map(Some).ok_or(TokenRefused::Claim(claim))
}

fn is_email(text: &str) -> bool {
    let has_parts = text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_parts && text.len() <= EMAIL_BYTES_MAX && !text.chars().any(|it| it.is_control() || it.is_whitespace())
}

fn shown(name: &str) -> Option<String> {
    let name: String = name.trim().chars().filter(|it| !it.is_control()).take(NAME_CHARS_MAX).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn check(changes: &Value, now: i64) -> Result<Claims, TokenRefused> {
        let mut raw = object(&json!({ "iss": "https://a.example", "aud": "vital", "sub": "1", "exp": 2_000 }));
        raw.extend(object(changes));
        let now = OffsetDateTime::from_unix_timestamp(now).expect("a time");
        Claims::check(raw, &Expected { issuer: "https://a.example", audience: "vital", now })
    }

    #[test]
    fn the_tolerance_is_sixty_seconds_to_the_second() {
        assert!(check(&json!({}), 2_059).is_ok());
        assert_eq!(check(&json!({}), 2_060), Err(TokenRefused::Expired));
        for begin in ["nbf", "iat"] {
            assert!(check(&json!({ begin: 1_060 }), 1_000).is_ok(), "{begin}");
            assert_eq!(check(&json!({ begin: 1_061 }), 1_000), Err(TokenRefused::NotYetValid), "{begin}");
        }
        assert!(check(&json!({ "exp": 1999.9 }), 2_058).is_ok());
        assert_eq!(check(&json!({ "exp": i64::MAX }), 0), Err(TokenRefused::Claim("exp")));
        assert_eq!(check(&json!({ "exp": "2000" }), 0), Err(TokenRefused::Claim("exp")));
    }

    #[test]
    fn a_person_is_read_with_care() {
        for email in ["ada", "@example.org", "ada@", "a b@example.org", "ada@example.org\r\nBcc: x@example.org"] {
            let claims = check(&json!({ "email": email, "email_verified": true }), 0).expect("accepted");
            assert_eq!((claims.email, claims.email_verified), (None, false), "{email}");
        }
        for (mark, verified) in [(json!(true), true), (json!("true"), true), (json!(1), false), (json!("yes"), false), (json!(null), false)]
        {
            let claims = check(&json!({ "email": "ada@example.org", "email_verified": mark }), 0).expect("accepted");
            assert_eq!(claims.email_verified, verified, "{mark}");
        }
        let named = |claims: &Value| check(claims, 0).expect("accepted").name;
        assert_eq!(named(&json!({ "name": " Ada\u{0}\u{1b}[1m " })).as_deref(), Some("Ada[1m"));
        assert_eq!(named(&json!({ "preferred_username": "ada" })).as_deref(), Some("ada"));
        assert_eq!(named(&json!({ "name": "é".repeat(300) })).map(|name| name.chars().count()), Some(NAME_CHARS_MAX));
        assert_eq!(named(&json!({ "name": 7 })), None);
    }

    #[test]
    fn a_claim_is_found_by_name_by_path_and_by_a_name_with_dots() {
        let claims = object(&json!({
            "role": "admin",
            "groups": ["a", 7, "b", null],
            "realm_access": { "roles": ["x"], "deep.er": { "y": "z" } },
            "https://example.com/roles": ["namespaced"],
            "a": { "b": "nested" }, "a.b": "literal",
        }));
        let cases: [(&str, &[&str]); 9] = [
            ("role", &["admin"]),
            ("groups", &["a", "b"]),
            ("realm_access.roles", &["x"]),
            ("realm_access.deep.er.y", &["z"]),
            ("https://example.com/roles", &["namespaced"]),
            ("a.b", &["literal"]),
            ("realm_access", &[]),
            ("role.admin", &[]),
            ("", &[]),
        ];
        for (path, values) in cases {
            assert_eq!(claim_values(&claims, path), values, "{path}");
        }
        let many = object(&json!({ "groups": vec!["g"; VALUES_MAX + 1] }));
        assert_eq!(claim_values(&many, "groups").len(), VALUES_MAX);
    }

    proptest! {
        #[test]
        fn any_path_is_looked_up_without_panic(path in ".{0,300}") {
            let claims = object(&json!({ "a": { "": { "b": "c" } } }));
            prop_assert!(claim_values(&claims, &path).len() <= 1);
        }
    }
}
