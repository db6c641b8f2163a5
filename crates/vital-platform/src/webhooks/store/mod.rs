//! SQL of webhooks: what is set up in `endpoints.rs`, what is sent in `deliveries.rs`.

mod deliveries;
mod endpoints;

pub(super) use deliveries::{
    Wanted, begin_again, count_attempt, delete_messages_before, deliveries, due, insert_attempt, recover, set_delivered, set_next,
    webhook_of,
};
pub(super) use endpoints::{
    WebhookRow, count_webhooks, delete_webhook, insert_webhook, lock_webhook, set_events, set_failing, set_name, set_secret, set_url,
    switch_off, switch_on, tests_since, webhooks,
};
