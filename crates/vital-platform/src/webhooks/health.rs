//! When a webhook is switched off by itself, and who is told.

use super::{endpoint::OffBecause, send};
use crate::{Platform, identity};
use time::{Duration, OffsetDateTime};
use vital_kernel::{OpContext, WebhookId, limits};

/// After so long without a failure an earlier one counts no more: nothing was sent in between that could have succeeded.
const FORGOTTEN: Duration = Duration::days(2);

/// What a failure makes of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Since when it fails.
    pub failing_since: OffsetDateTime,
    /// Whether that is enough to switch it off.
    pub off: Option<OffBecause>,
}

/// Judges a failure at a time, from when the failures before it began and the last of them was.
pub(super) fn judge(since: Option<OffsetDateTime>, last: Option<OffsetDateTime>, at: OffsetDateTime, result: send::Result) -> Judged {
    let failing_since = since.filter(|_| last.is_some_and(|last| at - last <= FORGOTTEN)).unwrap_or(at);
    let off = match () {
        () if result.is_gone() => Some(OffBecause::Gone),
        () if at - failing_since >= limits::WEBHOOK_FAILING_MAX => Some(OffBecause::Failing),
        () => None,
    };
    Judged { failing_since, off }
}

/// Tells the administrators that a webhook was switched off.
pub(super) async fn tell(p: &Platform, cx: &OpContext, id: WebhookId, name: &str, because: OffBecause) {
    let why = match because {
        OffBecause::Gone => "Its address answered that nothing is there any more (410)",
        OffBecause::Failing | OffBecause::Person => "Every delivery to it failed for five days",
    };
    let text = format!(
        "The webhook \"{name}\" of your organisation on VITAL Path was switched off. {why}, so nothing is sent to it any more.\n\n\
         Nothing is lost: what happens meanwhile is kept for 30 days. Put the receiver right, switch the webhook on again and have what was missed sent:\n\n\
         {}/settings/webhooks/{id}\n",
        p.site
    );
    if let Err(error) = identity::tell_admins(p, cx, "A webhook of your organisation on VITAL Path was switched off", &text).await {
        tracing::warn!(%error, webhook = %id, "who is to be told that a webhook was switched off cannot be read");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-03-10 12:00 UTC);

    fn failed(status: u16) -> send::Result {
        send::Result { outcome: send::Outcome::Answered, status: Some(status), asked: None }
    }

    #[test]
    fn five_days_of_failures_are_enough_and_one_after_a_long_silence_is_not() {
        let (days, hour) = (|d| Some(AT - Duration::days(d)), Some(AT - Duration::hours(1)));
        assert_eq!(judge(None, None, AT, failed(500)), Judged { failing_since: AT, off: None });
        assert_eq!(judge(days(4), hour, AT, failed(500)).off, None);
        assert_eq!(judge(days(5), hour, AT, failed(500)).off, Some(OffBecause::Failing));
        assert_eq!(judge(days(40), days(30), AT, failed(500)), Judged { failing_since: AT, off: None });
        assert_eq!(judge(None, None, AT, failed(410)).off, Some(OffBecause::Gone));
    }
}
