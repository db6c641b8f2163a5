//! What a secret looks like: one rule for each kind, a pattern and, where the kind has one, a check that sets chance hits aside.
//!
//! The formats are those that the issuers publish for scanners. The order counts: where two rules meet in one place, the first one names it;
//! the broad ones stand last.

use crate::entropy;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use vital_credentials::token::ApiKey;

/// A kind of secret.
#[derive(Debug)]
pub struct Rule {
    /// The name that reports and the list of what is allowed use.
    pub id: &'static str,
    /// What it finds, in words.
    pub finds: &'static str,
    /// A pattern over bytes. Its first group, or all of it where there is none, is the secret.
    pub pattern: &'static str,
    /// Whether a text that fits the pattern is one.
    pub is_one: fn(&str) -> bool,
}

/// Every rule, in the order in which they may claim a place.
pub const RULES: &[Rule] = &[
    Rule {
        id: "vital-key",
        finds: "API key of this platform",
        pattern: r"\bvital_[ps]k_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\b",
        is_one: own_key,
    },
    Rule {
        id: "private-key",
        finds: "private key in PEM",
        pattern: concat!(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
            r#"(?:\s|\\[nr]|["'`+,]|[A-Za-z-]+: [^\n]*\n)*([A-Za-z0-9+/=]{32,})"#
        ),
        is_one: always,
    },
    Rule {
        id: "private-key",
        finds: "private key of PuTTY or age",
        pattern: r"PuTTY-User-Key-File-[23]: |\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b",
        is_one: always,
    },
    Rule {
        id: "private-jwk",
        finds: "private part of a JSON web key",
        pattern: r#""(?:d|k)\\?"\s*:\s*\\?"([A-Za-z0-9_-]{43,})\\?""#,
        is_one: entropy::looks_random,
    },
    Rule { id: "aws-key-id", finds: "access key id of AWS", pattern: r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b", is_one: no_example },
    Rule {
        id: "aws-secret",
        finds: "secret access key of AWS",
        pattern: r#"(?i)aws[a-z0-9_.-]{0,24}(?:secret|key)[a-z0-9_.-]{0,16}["']?\s*[:=,]\s*["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        is_one: drawn,
    },
    Rule {
        id: "google-key",
        finds: "API key, client secret or access token of Google",
        pattern: r"\bAIza[0-9A-Za-z_-]{35}|\bGOCSPX-[0-9A-Za-z_-]{28}|\bya29\.[0-9A-Za-z_-]{30,}",
        is_one: always,
    },
    Rule {
        id: "azure-key",
        finds: "account key of Azure",
        pattern: r"(?i)(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{42,86}==?)",
        is_one: always,
    },
    Rule {
        id: "azure-secret",
        finds: "client secret of Azure",
        pattern: r"\b[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        is_one: drawn,
    },
    Rule {
        id: "azure-signature",
        finds: "shared access signature of Azure",
        pattern: r"[?&]sig=([A-Za-z0-9%/+]{40,}(?:%3D|=))",
        is_one: always,
    },
    Rule { id: "anthropic-key", finds: "API key of Anthropic", pattern: r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{32,}", is_one: drawn },
    Rule {
        id: "openai-key",
        finds: "API key of OpenAI, or in its form",
        pattern: r"\bsk-(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{32,}|\bsk-[A-Za-z0-9]{32,}\b",
        is_one: drawn,
    },
    Rule {
        id: "github-token",
        finds: "token of GitHub",
        pattern: r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b",
        is_one: always,
    },
    Rule { id: "gitlab-token", finds: "token of GitLab", pattern: r"\bgl(?:pat|dt|rt|ptt|soat)-[A-Za-z0-9_-]{20,}", is_one: always },
    Rule {
        id: "slack-token",
        finds: "token or webhook of Slack",
        pattern: r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{20,}|\bxapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{32,}|https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{40,}",
        is_one: always,
    },
    Rule {
        id: "stripe-key",
        finds: "key of Stripe",
        pattern: r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{24,}\b|\bwhsec_[A-Za-z0-9+/]{32,}",
        is_one: always,
    },
    Rule {
        id: "registry-token",
        finds: "token of npm, PyPI, crates.io or Hugging Face",
        pattern: r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}|\bcio[A-Za-z0-9]{32}\b|\bhf_[A-Za-z0-9]{34}\b",
        is_one: always,
    },
    Rule {
        id: "mail-key",
        finds: "key of SendGrid or Mailgun",
        pattern: r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b|\bkey-[0-9a-f]{32}\b",
        is_one: always,
    },
    Rule {
        id: "jwt",
        finds: "signed token whose claims can be read",
        pattern: r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{20,}",
        is_one: token,
    },
    Rule {
        id: "database-url",
        finds: "address of a database with its password",
        pattern: r#"\b(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver|clickhouse)://[^\s:@/"'`<>]*:([^\s@/"'`<>]{3,})@[A-Za-z0-9\[]"#,
        is_one: password,
    },
    Rule {
        id: "url-password",
        finds: "address with a name and a password",
        pattern: r#"\b(?:https?|ftps?|smtps?|ldaps?)://[^\s:@/"'`<>]+:([^\s@/"'`<>]{3,})@[A-Za-z0-9\[]"#,
        is_one: password,
    },
    Rule {
        id: "authorization",
        finds: "credentials in a header",
        pattern: r"(?i)authorization[\\\x22']*\s*[:=,]\s*[\\\x22']*(?:bearer|basic)\s+([A-Za-z0-9+/=_.~-]{20,})",
        is_one: drawn,
    },
    Rule {
        id: "assigned",
        finds: "random value given to a name such as secret, token or password",
        pattern: concat!(
            r"(?i)(?:tokens?(?:[_.-][a-z0-9_.-]{0,24})?|(?:secret|passw(?:or)?d|passphrase|api_?-?key|private_?-?key|access_?-?key|credential)[a-z0-9_.-]{0,24})",
            r#"\\?["'`]?(?:\s*:\s*&?(?:'static )?[a-z]{1,12})?\s*(?::=|=>|=|:|\()\s*(?:[a-z_]{1,16}[!(]+)?[brf]{0,2}\\?["'`]([^"'`\s\\]{16,512})\\?["'`]"#
        ),
        is_one: drawn,
    },
    Rule {
        id: "assigned",
        finds: "random value given to a name such as SECRET, in the form of an environment",
        pattern: concat!(
            r"(?im)^[ \t]*(?:export[ \t]+)?[a-z0-9_.-]*(?:tokens?(?:[_.-][a-z0-9_.-]*)?|",
            r"(?:secret|passw(?:or)?d|passphrase|api_?key|private_?key|access_?key|credential)[a-z0-9_.-]*)",
            r"[ \t]*[:=][ \t]*([A-Za-z0-9+/=_.~-]{16,512})[ \t]*\r?$"
        ),
        is_one: drawn,
    },
];

fn always(_: &str) -> bool {
    true
}

fn own_key(text: &str) -> bool {
    ApiKey::read(text).is_ok()
}

/// Whether it is none of the ids that AWS publishes in its documentation.
fn no_example(text: &str) -> bool {
    !text.ends_with("EXAMPLE")
}

/// Whether a value was drawn at random rather than written, and holds no place for one.
fn drawn(text: &str) -> bool {
    !text.contains("EXAMPLE") && !text.contains("${") && !text.contains("{{") && entropy::looks_random(text)
}

/// Whether the payload is what a token carries: a JSON object with something in it.
fn token(text: &str) -> bool {
    text.split('.')
        .nth(1)
        .and_then(|payload| BASE64_URL_SAFE_NO_PAD.decode(payload).ok())
        .and_then(|payload| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&payload).ok())
        .is_some_and(|claims| !claims.is_empty())
}

/// Words that documentation and tests write in the place of a password.
const NO_PASSWORDS: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "pass",
    "pwd",
    "pw",
    "secret",
    "s3cret",
    "hunter2",
    "changeme",
    "example",
    "postgres",
    "user",
    "xxx",
    "test",
    "placeholder",
];

/// Whether the part of an address behind the colon is a password and not the place of one.
fn password(text: &str) -> bool {
    let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    let wrapped = [("{", "}"), ("${", "}"), ("$(", ")"), ("(", ")"), ("[", "]")]
        .iter()
        .any(|(start, end)| text.starts_with(start) && text.ends_with(end));
    let variable = text.strip_prefix('$').is_some_and(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let a_place = wrapped || variable || text.contains("{}") || text.contains('\u{2026}') || text.contains("...");
    let a_port = text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 5;
    !word.is_empty() && !a_place && !a_port && !NO_PASSWORDS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_password_is_none() {
        for text in
            ["password", "PASSWORD", "${PG_PASSWORD}", "$PG_PASSWORD", "{password}", "***", "(hidden)", "s3cret", "5432", "hunter2", "…"]
        {
            assert!(!password(text), "{text}");
        }
        for text in ["Tr0ub4dor", "$ecret9", "(half-open", "{x}y"] {
            assert!(password(text), "{text}");
        }
    }

    #[test]
    fn a_token_needs_claims_that_can_be_read() {
        let of = |claims: &str| format!("eyJhbGciOiJub25lIn0.{}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims), "a".repeat(43));
        assert!(token(&of(r#"{"sub":"somebody"}"#)));
        assert!(!token(&of("{}")));
        assert!(!token(&of("eyJ")));
    }
}
