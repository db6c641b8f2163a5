//! CAA records: which authorities the owner of a domain lets issue certificates for it (RFC 8659), and by which challenge (RFC 8657).
//!
//! It is looked up before a certificate is ordered, to tell people in words what the authority would refuse. What counts is what the
//! authority itself sees. Deliberately not here: `issuewild`, for nothing here orders wildcards, and DNSSEC, which the resolver of the
//! machine validates or not.

use crate::{DnsError, LOOKUP_TIMEOUT, Names, acme::Challenge};
use std::fmt;

/// Properties that every authority understands (RFC 8659 section 4); another one that is critical forbids to issue.
const KNOWN: [&str; 3] = ["issue", "issuewild", "iodef"];
/// Authorities of a record set that are named in a message.
const NAMED_MAX: usize = 5;
/// Longest text of a record that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// A CAA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaRecord {
    /// Whether an authority that does not know the tag must not issue.
    pub critical: bool,
    /// What it is about, in lower case.
    pub tag: String,
    /// Its value.
    pub value: String,
}

/// The record set that counts for a domain: the one of the name closest to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaSet {
    /// The name that has it: the domain or one above it.
    pub at: String,
    /// Its records.
    pub records: Vec<CaaRecord>,
}

/// What the records mean to one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// There are no records, so every authority may issue.
    Anybody,
    /// The records let the authority issue.
    Allowed {
        /// The name that has the records.
        at: String,
        /// The account that alone may order (RFC 8657 section 3); whether it is ours is not looked at.
        account: Option<String>,
    },
    /// They let others issue, or nobody.
    Forbidden {
        /// The name that has the records.
        at: String,
        /// Who may.
        issuers: Vec<String>,
    },
    /// They let the authority issue by other challenges alone (RFC 8657 section 4).
    OtherChallenge {
        /// The name that has the records.
        at: String,
        /// The challenges.
        methods: String,
    },
    /// A critical record says something that authorities may not understand, and then they must not issue.
    Critical {
        /// The name that has the record.
        at: String,
        /// Its tag.
        tag: String,
    },
    /// The authority does not say by which name records mean it.
    Unnamed {
        /// The name that has the records.
        at: String,
        /// Who may issue.
        issuers: Vec<String>,
    },
}

impl Issuance {
    /// Whether the authority may issue; none where that is not known.
    #[must_use]
    pub const fn may_issue(&self) -> Option<bool> {
        match self {
            Self::Anybody | Self::Allowed { .. } => Some(true),
            Self::Forbidden { .. } | Self::OtherChallenge { .. } | Self::Critical { .. } => Some(false),
            Self::Unnamed { .. } => None,
        }
    }
}

impl fmt::Display for Issuance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |issuers: &[String]| match issuers {
            [] => "no authority at all".to_owned(),
            some => format!("only {}", some.iter().take(NAMED_MAX).map(|name| shown(name)).collect::<Vec<_>>().join(", ")),
        };
        match self {
            Self::Anybody => f.write_str("No CAA record restricts who may issue certificates."),
            Self::Allowed { at, account: None } => write!(f, "The CAA records of {at} let the authority of this installation issue."),
            Self::Allowed { at, account: Some(account) } => {
                write!(f, "The CAA records of {at} let the authority of this installation issue, to the account {} alone.", shown(account))
            }
            Self::Forbidden { at, issuers } => {
                write!(f, "The CAA records of {at} let {} issue, so the authority of this installation will refuse. ", who(issuers))?;
                f.write_str("Add an `issue` record for it.")
            }
            Self::OtherChallenge { at, methods } => {
                write!(
                    f,
                    "The CAA records of {at} let the authority of this installation issue by {} alone, which is not how ",
                    shown(methods)
                )?;
                f.write_str("this installation proves names, so it will refuse.")
            }
            Self::Critical { at, tag } => {
                write!(
                    f,
                    "A CAA record of {at} is marked as critical and says `{}`: an authority that does not know it refuses.",
                    shown(tag)
                )
            }
            Self::Unnamed { at, issuers } => {
                write!(f, "The CAA records of {at} let {} issue; the authority of this installation does not say ", who(issuers))?;
                f.write_str("by which name it is meant.")
            }
        }
    }
}

/// Text of a stranger, cut and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// What an `issue` record allows.
struct Issue {
    issuer: String,
    account: Option<String>,
    methods: Option<String>,
}

impl Issue {
    /// Reads `issuer; parameter=value; …` (RFC 8659 section 4.2). What is malformed names nobody.
    fn parse(value: &str) -> Self {
        let mut parts = value.split(';');
        let issuer = parts.next().unwrap_or_default().trim().trim_end_matches('.').to_ascii_lowercase();
        let (mut account, mut methods) = (None, None);
        for (name, value) in parts.filter_map(|part| part.trim().split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "accounturi" => account = Some(value.trim().to_owned()),
                "validationmethods" => methods = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let plain = issuer.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        Self { issuer: if plain { issuer } else { String::new() }, account, methods }
    }

    fn allows(&self, challenge: Challenge) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.split(',').any(|method| method.trim() == challenge.as_str()))
    }
}

impl CaaSet {
    /// What the set means to an authority that goes by these names, for an order without wildcards proven by this challenge.
    #[must_use]
    pub fn judge(&self, names: &[String], challenge: Challenge) -> Issuance {
        let at = self.at.clone();
        if let Some(unknown) = self.records.iter().find(|record| record.critical && !KNOWN.contains(&record.tag.as_str())) {
            return Issuance::Critical { at, tag: unknown.tag.clone() };
        }
        let issue: Vec<Issue> = self.records.iter().filter(|r| r.tag == "issue").map(|r| Issue::parse(&r.value)).collect();
        if issue.is_empty() {
            return Issuance::Allowed { at, account: None };
        }
        let issuers: Vec<String> = issue.iter().map(|i| i.issuer.clone()).filter(|issuer| !issuer.is_empty()).collect();
        if names.is_empty() && !issuers.is_empty() {
            return Issuance::Unnamed { at, issuers };
        }
        let ours: Vec<&Issue> = issue.iter().filter(|i| names.iter().any(|name| name.eq_ignore_ascii_case(&i.issuer))).collect();
        let fitting: Vec<&&Issue> = ours.iter().filter(|i| i.allows(challenge)).collect();
        match (fitting.iter().find(|i| i.account.is_none()).or_else(|| fitting.first()), ours.first()) {
            (Some(fits), _) => Issuance::Allowed { at, account: fits.account.clone() },
            (None, Some(other)) => Issuance::OtherChallenge { at, methods: other.methods.clone().unwrap_or_default() },
            (None, None) => Issuance::Forbidden { at, issuers },
        }
    }
}

impl Names {
    /// The CAA records that count for a domain: those of the domain, else of the closest name above it that has any (RFC 8659 section 3).
    ///
    /// # Errors
    /// [`DnsError::NoAnswer`] when it is not known whether there are any; an authority refuses then as well.
    pub async fn caa(&self, domain: &str) -> Result<Option<CaaSet>, DnsError> {
        let climbing = async {
            let mut at = domain.trim_end_matches('.');
            loop {
                let records = self.caa_of(at).await?;
                if !records.is_empty() {
                    return Ok(Some(CaaSet { at: at.to_owned(), records }));
                }
                match at.split_once('.') {
                    Some((_, above)) => at = above,
                    None => return Ok(None),
                }
            }
        };
        let unknown = || DnsError::NoAnswer { name: domain.to_owned() };
        tokio::time::timeout(LOOKUP_TIMEOUT, climbing).await.unwrap_or_else(|_| Err(unknown()))
    }

    /// What the records of a domain mean to an authority that goes by these names.
    ///
    /// # Errors
    /// As [`Self::caa`].
    pub async fn issuance(&self, domain: &str, names: &[String], challenge: Challenge) -> Result<Issuance, DnsError> {
        Ok(self.caa(domain).await?.map_or(Issuance::Anybody, |set| set.judge(names, challenge)))
    }
}

#[cfg(test)]
mod tests;
