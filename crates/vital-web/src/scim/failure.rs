//! How failures leave below `/scim`: the error message of RFC 7644 section 3.12, made from the same `Problem` as everywhere.

use crate::problem::Problem;
use axum::http::StatusCode;
use serde_json::Value;
use vital_federation::scim::ScimError;

/// Status and body. SCIM knows no 422: what breaks a rule is 400 there.
pub(crate) fn body(problem: &Problem) -> (StatusCode, Value) {
    let status = match problem.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        other => other,
    };
    let detail = problem.fields().iter().fold(problem.detail().to_owned(), |text, field| format!("{text} {}", field.detail));
    let mut body = ScimError::status_only(status.as_u16(), detail).body();
    if let Some(keyword) = keyword(problem) {
        body["scimType"] = keyword.into();
    }
    (status, body)
}

/// The detail error keyword (RFC 7644 table 9), where one fits.
fn keyword(problem: &Problem) -> Option<&'static str> {
    Some(match (problem.code(), problem.status()) {
        ("scim.invalid_filter", _) => "invalidFilter",
        ("scim.too_many", _) => "tooMany",
        ("scim.invalid_syntax" | "request.body", _) => "invalidSyntax",
        ("scim.invalid_path", _) => "invalidPath",
        ("scim.no_target", _) => "noTarget",
        ("scim.uniqueness" | "user.email_taken" | "user.user_name_taken" | "group.name_taken" | "conflict", _) => "uniqueness",
        // The state of the object forbids the change, as with the last administrator.
        ("scim.mutability", _) | (_, StatusCode::CONFLICT) => "mutability",
        ("scim.invalid_value", _) | (_, StatusCode::UNPROCESSABLE_ENTITY) => "invalidValue",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_kernel::Error;

    fn parts(error: Error) -> (u16, String, String) {
        let (status, body) = body(&error.into());
        assert_eq!(body["status"], status.as_u16().to_string());
        (status.as_u16(), body["scimType"].as_str().unwrap_or("-").to_owned(), body["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn every_failure_has_the_words_of_scim() {
        let table = [
            (Error::invalid("group.name", "Bad.").with_field("/name", "Write a name."), 400, "invalidValue", "Bad. Write a name."),
            (Error::conflict("user.user_name_taken", "Taken."), 409, "uniqueness", "Taken."),
            (Error::conflict("member.last_admin", "The last one."), 409, "mutability", "The last one."),
            (Error::forbidden("access.scope", "No."), 403, "-", "No."),
            (Error::malformed("scim.no_target", "What?"), 400, "noTarget", "What?"),
        ];
        for (error, status, keyword, detail) in table {
            assert_eq!(parts(error), (status, keyword.to_owned(), detail.to_owned()));
        }
    }
}
