//! How people may sign in to an organisation, how long they stay, and which other sites may call its API.

use super::store;
use crate::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, limits};
use vital_store::TenantTx;

/// The sign-in policy of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"idle_minutes": 15, "absolute_minutes": 720, "require_second_factor": true, "password_sign_in": true, "cors_origins": []}))]
pub struct SignInPolicy {
    /// Minutes without a request after which a session ends, 2 to 60.
    pub idle_minutes: i32,
    /// Minutes after which a session ends in any case, 15 to 1,440.
    pub absolute_minutes: i32,
    /// Whether everybody needs a second factor.
    pub require_second_factor: bool,
    /// Whether passwords are accepted; false leaves single sign-on and passkeys.
    pub password_sign_in: bool,
    /// Origins of other sites whose scripts may call the API, such as `https://app.example.org`.
    pub cors_origins: Vec<String>,
}

/// The organisation and its policy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Organisation {
    /// Its stable name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its sign-in policy.
    pub policy: SignInPolicy,
}

/// Reads the organisation with its sign-in policy.
///
/// # Errors
/// `Forbidden` without the permission to read policies.
pub async fn organisation(p: &Platform, cx: &OpContext) -> Result<Organisation> {
    cx.require(Permission::PolicyRead)?;
    store::organisation(&mut p.db.read(cx).await?).await
}

/// The policy within a transaction.
pub(crate) async fn policy_in<M>(tx: &mut TenantTx<M>) -> Result<SignInPolicy> {
    Ok(store::organisation(tx).await?.policy)
}

/// The stable name of the organisation within a transaction.
pub(crate) async fn slug_in<M>(tx: &mut TenantTx<M>) -> Result<String> {
    Ok(store::organisation(tx).await?.slug)
}

/// Changes the sign-in policy. Sessions that are now too old end with their next request.
///
/// # Errors
/// `Forbidden` without permission or recent step-up; `Invalid` with a pointer per field.
pub async fn set_policy(p: &Platform, cx: &OpContext, policy: SignInPolicy) -> Result<()> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let policy = validate(policy)?;
    let mut tx = p.db.write(cx).await?;
    if tx.is_conditional() {
        let present = store::organisation(&mut tx).await?;
        tx.expect_unchanged(&present)?;
    }
    if !policy.password_sign_in && !store::has_other_way_in(&mut tx).await? {
        return Err(Error::conflict(
            "policy.nobody_could_sign_in",
            "Without passwords nobody could sign in: there is no active single sign-on provider. Set one up and try it first; nothing was changed.",
        ));
    }
    store::set_policy(&mut tx, &policy).await?;
    let changed = &["idle", "absolute", "require_second_factor", "password_sign_in", "cors_origins"];
    tx.commit(AuditEntry::new(AuditAction::PolicyChanged, "tenant", cx.tenant()).fields(changed)).await?;
    p.remembered.forget_all();
    Ok(())
}

/// Tells whether any organisation allows an origin: for the preflight request of a browser, which says nothing about who asks.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn origin_known(p: &Platform, origin: &str) -> Result<bool> {
    store::origin_known(&p.db, origin).await
}

fn validate(mut policy: SignInPolicy) -> Result<SignInPolicy> {
    let mut error = Error::invalid("policy.invalid", "Some fields need another look. Nothing was changed.");
    let minutes = |(least, most): (i32, i32)| (least / 60, most / 60);
    let ((idle_min, idle_max), (abs_min, abs_max)) = (minutes(limits::SESSION_IDLE_S), minutes(limits::SESSION_ABSOLUTE_S));
    if !(idle_min..=idle_max).contains(&policy.idle_minutes) {
        error = error.with_field("/idle_minutes", format!("Choose {idle_min} to {idle_max} minutes."));
    }
    if !(abs_min..=abs_max).contains(&policy.absolute_minutes) {
        error = error.with_field("/absolute_minutes", format!("Choose {abs_min} to {abs_max} minutes."));
    }
    if policy.cors_origins.len() > limits::CORS_ORIGINS_MAX {
        error = error.with_field("/cors_origins", format!("At most {} origins.", limits::CORS_ORIGINS_MAX));
    }
    for (i, origin) in policy.cors_origins.iter_mut().enumerate() {
        match exact_origin(origin) {
            Some(exact) => *origin = exact,
            None => {
                error = error.with_field(
                    format!("/cors_origins/{i}"),
                    "Write scheme, host and, where needed, port, and nothing else, such as `https://app.example.org`. `*` and `null` are not possible.",
                );
            }
        }
    }
    policy.cors_origins.sort();
    policy.cors_origins.dedup();
    if error.fields().is_empty() { Ok(policy) } else { Err(error) }
}

/// The origin as browsers write it (RFC 6454 section 6.1), if the text is one: https, or http on this machine.
fn exact_origin(text: &str) -> Option<String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let plain = rest.len() <= 260
        && !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && !host.starts_with(['.', '-'])
        && !host.ends_with(['.', '-']);
    let port = rest.rsplit_once(':').map(|(_, port)| port.parse::<u16>().ok().filter(|n| *n > 0 && port == n.to_string()));
    let local = matches!(host, "localhost" | "127.0.0.1");
    if !plain || port == Some(None) || !(scheme == "https" || scheme == "http" && local) {
        return None;
    }
    let default = if scheme == "https" { 443 } else { 80 };
    let host = host.to_ascii_lowercase();
    Some(match port.flatten() {
        Some(n) if n != default => format!("{scheme}://{host}:{n}"),
        _ => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origins: &[&str]) -> SignInPolicy {
        SignInPolicy {
            idle_minutes: 15,
            absolute_minutes: 720,
            require_second_factor: false,
            password_sign_in: true,
            cors_origins: origins.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        let kept = validate(policy(&["https://App.Example.org:443", "https://app.example.org:8443", "http://localhost:3000"])).unwrap();
        assert_eq!(kept.cors_origins, ["http://localhost:3000", "https://app.example.org", "https://app.example.org:8443"]);
    }

    #[test]
    fn what_is_no_exact_origin_is_refused_with_its_place() {
        for bad in [
            "*",
            "null",
            "https://*.example.org",
            "http://example.org",
            "https://a.org/",
            "https://a.org/x",
            "https://u@a.org",
            "a.org",
            "https://",
            "https://a.org:0",
            "https://a.org:99999",
            "https://a.org:08",
            "https://.a.org",
            "https://a.org.",
            "ftp://a.org",
            "https://a b.org",
        ] {
            let error = validate(policy(&["https://good.example", bad])).unwrap_err();
            assert_eq!(error.fields()[0].pointer, "/cors_origins/1", "{bad}");
        }
    }

    #[test]
    fn times_stay_in_their_ranges() {
        for (idle, absolute, pointer) in
            [(1, 720, "/idle_minutes"), (61, 720, "/idle_minutes"), (15, 14, "/absolute_minutes"), (15, 1441, "/absolute_minutes")]
        {
            let error = validate(SignInPolicy { idle_minutes: idle, absolute_minutes: absolute, ..policy(&[]) }).unwrap_err();
            assert_eq!(error.fields()[0].pointer, pointer);
        }
    }
}
