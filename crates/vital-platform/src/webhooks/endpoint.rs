//! Webhooks as an organisation sets them up: address, events, secret, on and off.

use super::{log, previous_secret_of, secret::Secret, secret_of, store, url_of};
use crate::{
    Platform,
    outbox::{self, EventType},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, WebhookId, limits, now};
use vital_store::{TenantTx, Write};

/// Why a webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OffBecause {
    /// Somebody switched it off.
    Person,
    /// The receiver answered 410: it wants no further message.
    Gone,
    /// It failed for five days without one success.
    Failing,
}

impl OffBecause {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Person, Self::Gone, Self::Failing].into_iter().find(|b| b.as_str() == name)
    }
}

/// A webhook of the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: WebhookId,
    /// What people call it.
    pub name: String,
    /// Where messages are sent. Whoever may not manage webhooks sees its scheme and host alone: the rest may be a secret.
    pub url: String,
    /// The types that are sent; none means all.
    #[schema(value_type = Vec<String>)]
    pub events: Vec<EventType>,
    /// Whether messages are sent.
    pub enabled: bool,
    /// Why not, where they are not.
    pub off_because: Option<OffBecause>,
    /// Since when not (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub off_since: Option<OffsetDateTime>,
    /// Since when every attempt failed (RFC 3339); none after a success.
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
    /// When a receiver last took a message (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_success_at: Option<OffsetDateTime>,
    /// Messages that are not delivered yet and have attempts left.
    pub waiting: i64,
    /// Since when the present secret signs (RFC 3339); it is never shown again.
    #[serde(with = "time::serde::rfc3339")]
    pub secret_set_at: OffsetDateTime,
    /// Until when the former secret signs as well (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub previous_secret_until: Option<OffsetDateTime>,
    /// Since when it is set up (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A webhook with its new secret, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What receivers verify messages with: `whsec_` and base64.
    pub secret: String,
}

/// A webhook to be set up.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// What people call it, 1 to 80 characters.
    pub name: String,
    /// Where messages are sent: https, on port 443 of a public host unless whoever runs the platform allows others.
    pub url: String,
    /// The types to be sent; none means all, those of later versions included.
    #[serde(default)]
    pub events: Vec<String>,
}

/// What shall change of a webhook; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address. Messages that wait go there too.
    pub url: Option<String>,
    /// Other types; none means all.
    pub events: Option<Vec<String>>,
    /// True: messages are sent, those that wait at once. False: they are kept until it is switched on, as long as the log is kept.
    pub enabled: Option<bool>,
}

/// Lists the webhooks of the organisation, oldest first.
///
/// # Errors
/// `Forbidden` without the permission to see webhooks.
pub async fn webhooks(p: &Platform, cx: &OpContext) -> Result<Vec<Webhook>> {
    cx.require(Permission::WebhookRead)?;
    let mut tx = p.db.read(cx).await?;
    let rows = store::webhooks(&mut tx, None).await?;
    rows.into_iter().map(|row| shown(&tx, cx, row)).collect()
}

/// Finds one webhook.
///
/// # Errors
/// `Forbidden` without the permission to see webhooks; `NotFound`.
pub async fn webhook(p: &Platform, cx: &OpContext, id: WebhookId) -> Result<Webhook> {
    cx.require(Permission::WebhookRead)?;
    let mut tx = p.db.read(cx).await?;
    let row = store::webhooks(&mut tx, Some(id)).await?.into_iter().next().ok_or_else(unknown)?;
    shown(&tx, cx, row)
}

fn shown<M>(tx: &TenantTx<M>, cx: &OpContext, row: store::WebhookRow) -> Result<Webhook> {
    let id = WebhookId(row.id);
    let url = tx.open_text(url_of(id), &row.url)?;
    Ok(Webhook {
        id,
        name: row.name,
        url: if cx.may(Permission::WebhookManage) { url } else { origin(&url) },
        events: row.events.iter().filter_map(|name| EventType::parse(name)).collect(),
        enabled: row.enabled,
        off_because: row.off_because.as_deref().and_then(OffBecause::parse),
        off_since: row.off_since,
        failing_since: row.failing_since,
        last_success_at: row.last_success_at,
        waiting: row.waiting,
        secret_set_at: row.secret_set_at,
        previous_secret_until: row.previous_until.filter(|until| *until > now()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    let end = url.find("://").map_or(0, |at| at + 3);
    let host = url.get(end..).unwrap_or_default().find(['/', '?', '#']).map_or(url.len(), |at| end + at);
    url.get(..host).unwrap_or_default().to_owned()
}

/// Sets a webhook up and returns its secret, which is never shown again.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field, for an address that is not
/// allowed too; `Conflict` at the most there may be.
pub async fn add_webhook(p: &Platform, cx: &OpContext, new: NewWebhook) -> Result<IssuedWebhook> {
    cx.require(Permission::WebhookManage)?;
    cx.require_step_up()?;
    let (id, name, url) = (WebhookId::new(), new.name.trim().to_owned(), new.url.trim().to_owned());
    let events = checked(p, Some(&name), Some(&url), Some(&new.events))?;
    let secret = Secret::generate()?;
    let mut tx = p.db.write(cx).await?;
    if store::count_webhooks(&mut tx).await? >= limits::WEBHOOKS_MAX {
        let detail =
            format!("An organisation may have {} webhooks. Remove one that is not needed; nothing was stored.", limits::WEBHOOKS_MAX);
        return Err(Error::conflict("webhook.too_many", detail));
    }
    let sealed = (tx.seal(url_of(id), &url)?, tx.seal(secret_of(id), secret.bytes())?);
    store::insert_webhook(&mut tx, id, &name, &sealed.0, &events.unwrap_or_default(), &sealed.1).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookAdded, "webhook", id).fields(&["name", "url", "events", "secret"])).await?;
    Ok(IssuedWebhook { webhook: webhook(p, cx, id).await?, secret: secret.shown() })
}

/// Changes a webhook.
///
/// # Errors
/// `Forbidden` without permission, or for another address or switching on without a recent proof of a second factor; `Invalid` with a pointer
/// per field; `NotFound`.
pub async fn change_webhook(p: &Platform, cx: &OpContext, id: WebhookId, change: WebhookChange) -> Result<Webhook> {
    cx.require(Permission::WebhookManage)?;
    if change.url.is_some() {
        cx.require_step_up()?;
    }
    let (name, url) = (change.name.map(|n| n.trim().to_owned()), change.url.map(|u| u.trim().to_owned()));
    let events = checked(p, name.as_deref(), url.as_deref(), change.events.as_deref())?;
    let mut tx = p.db.write(cx).await?;
    let present = store::lock_webhook(&mut tx, id).await?.ok_or_else(unknown)?;
    let mut fields = Vec::new();
    if let Some(name) = name {
        store::set_name(&mut tx, id, &name).await?;
        fields.push("name");
    }
    if let Some(url) = url {
        let sealed = tx.seal(url_of(id), &url)?;
        store::set_url(&mut tx, id, &sealed).await?;
        fields.push("url");
    }
    if let Some(events) = events {
        store::set_events(&mut tx, id, &events).await?;
        fields.push("events");
    }
    if let Some(enabled) = change.enabled.filter(|enabled| *enabled != present.enabled) {
        if enabled {
            store::switch_on(&mut tx, id, now()).await?;
        } else {
            store::switch_off(&mut tx, id, OffBecause::Person, now()).await?;
        }
        fields.push("enabled");
    }
    tx.commit(AuditEntry::new(AuditAction::WebhookChanged, "webhook", id).fields(&fields)).await?;
    p.webhooks_waiting.notify_one();
    webhook(p, cx, id).await
}

/// Gives a webhook a new secret, which is never shown again. The former one signs beside it for 24 hours, so that a receiver can be changed in
/// between; one that was former already counts no more.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `NotFound`.
pub async fn rotate_secret(p: &Platform, cx: &OpContext, id: WebhookId) -> Result<IssuedWebhook> {
    cx.require(Permission::WebhookManage)?;
    cx.require_step_up()?;
    let secret = Secret::generate()?;
    let mut tx = p.db.write(cx).await?;
    let present = store::lock_webhook(&mut tx, id).await?.ok_or_else(unknown)?;
    let former = zeroize::Zeroizing::new(tx.open(secret_of(id), &present.secret)?);
    let (sealed, former) = (tx.seal(secret_of(id), secret.bytes())?, tx.seal(previous_secret_of(id), former.as_slice())?);
    store::set_secret(&mut tx, id, &sealed, &former, now() + limits::WEBHOOK_SECRET_OVERLAP).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookSecretRotated, "webhook", id).fields(&["secret"])).await?;
    Ok(IssuedWebhook { webhook: webhook(p, cx, id).await?, secret: secret.shown() })
}

/// Removes a webhook with its secret, the messages that wait for it and the log of its deliveries.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `NotFound`.
pub async fn remove_webhook(p: &Platform, cx: &OpContext, id: WebhookId) -> Result<()> {
    cx.require(Permission::WebhookManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::lock_webhook(&mut tx, id).await?.ok_or_else(unknown)?;
    store::delete_webhook(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookRemoved, "webhook", id)).await
}

/// Sends a test to a webhook, as any other message. Returns its delivery, which has not been made yet.
///
/// # Errors
/// `Forbidden` without permission; `Conflict` for one that is switched off; `RateLimited` after too many tests; `NotFound`.
pub async fn test_webhook(p: &Platform, cx: &OpContext, id: WebhookId) -> Result<log::Delivery> {
    cx.require(Permission::WebhookManage)?;
    let mut tx = p.db.write(cx).await?;
    need_enabled(&mut tx, id).await?;
    if store::tests_since(&mut tx, now() - std::time::Duration::from_secs(60)).await? >= limits::WEBHOOK_TESTS_MAX {
        let detail = "Too many tests within a minute. Nothing was sent; wait a minute, then try again.";
        return Err(Error::rate_limited("webhook.too_many_tests", detail).with_retry_after(std::time::Duration::from_secs(60)));
    }
    let message = outbox::enqueue_test(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookTested, "webhook", id)).await?;
    p.webhooks_waiting.notify_one();
    log::of_message(p, cx, id, message).await
}

/// Locks a webhook that is switched on.
pub(super) async fn need_enabled(tx: &mut TenantTx<Write>, id: WebhookId) -> Result<()> {
    if store::lock_webhook(tx, id).await?.ok_or_else(unknown)?.enabled {
        return Ok(());
    }
    Err(Error::conflict("webhook.off", "This webhook is switched off, so nothing is sent to it. Switch it on first; nothing was changed."))
}

/// Checks what was given and returns the names of events in the order of the documentation.
fn checked(p: &Platform, name: Option<&str>, url: Option<&str>, events: Option<&[String]>) -> Result<Option<Vec<String>>> {
    let mut error = Error::invalid("webhook.invalid", "Some fields need another look. Nothing was stored.");
    if name.is_some_and(|name| !(1..=80).contains(&name.chars().count()) || name.contains(char::is_control)) {
        error = error.with_field("/name", "Write a name of 1 to 80 characters.");
    }
    if let Some(fault) = url.and_then(|url| p.webhooks.address(url).err()) {
        let detail = format!(
            "It cannot be used: {fault}. Write an address that begins with `https://` and lies on port 443 of a public host. This server and private networks are refused, unless whoever runs the platform allows them."
        );
        error = error.with_field("/url", detail);
    }
    for (i, name) in events.unwrap_or_default().iter().enumerate().take(EventType::ALL.len() * 2) {
        if EventType::parse(name).is_none_or(|kind| kind == EventType::Test) {
            error = error.with_field(format!("/events/{i}"), "There is no such type of event that can be chosen.");
        }
    }
    if events.is_some_and(|given| given.len() > EventType::ALL.len()) {
        error = error.with_field("/events", "Name each type once.");
    }
    if !error.fields().is_empty() {
        return Err(error);
    }
    let named = |given: &[String]| {
        let chosen = EventType::ALL.into_iter().map(EventType::as_str).filter(|name| given.iter().any(|g| g == name));
        chosen.map(ToOwned::to_owned).collect()
    };
    Ok(events.map(named))
}

pub(super) fn unknown() -> Error {
    Error::not_found("webhook.unknown", "There is no such webhook in your organisation.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_reads_sees_no_path_and_no_query() {
        assert_eq!(origin("https://hooks.example/T0/secret?token=x"), "https://hooks.example");
        assert_eq!(origin("https://hooks.example:8443?token=x"), "https://hooks.example:8443");
        assert_eq!(origin("https://hooks.example"), "https://hooks.example");
    }
}
