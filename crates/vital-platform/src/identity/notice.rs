//! Telling the administrators of an organisation what happened to it.

use super::store;
use crate::Platform;
use futures_util::{StreamExt as _, stream};
use vital_kernel::{OpContext, Result};
use vital_mail::Message;

/// Messages that are sent at once.
const AT_ONCE: usize = 4;

/// Sends a notice to every active administrator of the context's organisation. Returns how many left and how many did not.
pub(crate) async fn tell_admins(p: &Platform, cx: &OpContext, subject: &'static str, text: &str) -> Result<(usize, usize)> {
    let admins = store::admin_emails(&mut p.db.read(cx).await?).await?;
    Ok(tell(p, &admins, subject, text).await)
}

/// Sends a notice to each address. Returns how many left and how many did not; what it is about has happened, whether it leaves or not.
pub(super) async fn tell(p: &Platform, emails: &[String], subject: &'static str, text: &str) -> (usize, usize) {
    let sent = stream::iter(emails.iter().cloned().map(|to| async move {
        let message = Message { to, subject: subject.to_owned(), text: text.to_owned() };
        p.mailer.send(&message).await.map_err(|why| tracing::warn!(%why, subject, "a notice could not be sent")).is_ok()
    }));
    let sent: Vec<bool> = sent.buffer_unordered(AT_ONCE).collect().await;
    let told = sent.iter().filter(|sent| **sent).count();
    (told, sent.len() - told)
}
