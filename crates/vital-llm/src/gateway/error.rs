//! What can go wrong before an answer begins, and what each try before it came to.
//!
//! Once the first item of an answer is out, errors are the provider's own ([`LlmError`]), for nothing is tried again then.

use crate::{LlmError, TokenUsage};
use std::{sync::Arc, time::Duration};
use vital_kernel::{Error, Kind};

/// Too many requests are under way and waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The platform is answering as many questions as it can, so this one was not begun. Try again in {} s.", .retry_after.as_secs())]
pub struct Overloaded {
    /// When a place is probably free: 1 to 60 s.
    pub retry_after: Duration,
}

/// Why one target gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The provider failed before the first item.
    Provider(LlmError),
    /// Its circuit breaker was open, so nothing was sent.
    BreakerOpen {
        /// Until a request is let through; zero while a probe is under way.
        retry_in: Duration,
    },
    /// Its queue was full, so nothing was sent.
    Overloaded(Overloaded),
    /// The caller's deadline passed while the request waited or before the first item.
    Deadline,
}

impl Fault {
    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Provider(error) => error.code(),
            Self::BreakerOpen { .. } => "gateway.breaker_open",
            Self::Overloaded(_) => "gateway.overloaded",
            Self::Deadline => "gateway.deadline",
        }
    }
}

/// One try that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The target's name.
    pub target: Arc<str>,
    /// Why it gave no answer.
    pub fault: Fault,
    /// The tokens that the provider reported before it failed; they may be charged.
    pub usage: Option<TokenUsage>,
    /// From entering the queue to the fault.
    pub took: Duration,
}

/// A request to which no target began an answer. Nothing was shown, so it can be sent again as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// There is no target to send it to.
    #[error("No model is set up to answer this. An administrator should add one.")]
    NoTarget,
    /// Every target failed or was passed over.
    #[error("{}", telling(.attempts))]
    NoAnswer {
        /// What was tried, in order; at least one.
        attempts: Vec<Attempt>,
    },
}

impl GatewayError {
    /// The tries before the error, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::NoTarget => &[],
            Self::NoAnswer { attempts } => attempts,
        }
    }

    /// The fault that says most to the person who asked: a provider's own rather than a target that was passed over.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        most_telling(self.attempts())
    }
}

fn most_telling(attempts: &[Attempt]) -> Option<&Fault> {
    let rank = |fault: &Fault| match fault {
        Fault::BreakerOpen { .. } => 0,
        Fault::Overloaded(_) => 1,
        Fault::Provider(_) => 2,
        Fault::Deadline => 3,
    };
    // The last of the highest rank: a later provider's error is as good as an earlier one's, and fresher.
    attempts.iter().map(|attempt| &attempt.fault).max_by_key(|fault| rank(fault))
}

fn telling(attempts: &[Attempt]) -> String {
    match most_telling(attempts) {
        Some(Fault::Provider(error)) => error.to_string(),
        Some(Fault::Overloaded(overloaded)) => overloaded.to_string(),
        Some(Fault::Deadline) => "No model began to answer in the time allowed, so nothing was generated. Try again.".to_owned(),
        Some(Fault::BreakerOpen { .. }) | None => {
            "The model provider has failed repeatedly and is being left alone for a moment, so nothing was sent. Try again in a minute."
                .to_owned()
        }
    }
}

impl From<Overloaded> for Error {
    #[track_caller]
    fn from(overloaded: Overloaded) -> Self {
        Self::new(Kind::Unavailable, "gateway.overloaded", overloaded.to_string()).with_retry_after(overloaded.retry_after)
    }
}

/// The domain's error: the words and the code of the most telling fault.
impl From<GatewayError> for Error {
    #[track_caller]
    fn from(error: GatewayError) -> Self {
        let mapped = match error.fault() {
            Some(Fault::Provider(provider)) => return provider.clone().into(),
            Some(Fault::Overloaded(overloaded)) => Self::from(*overloaded),
            Some(fault @ Fault::BreakerOpen { retry_in }) => {
                Self::new(Kind::Unavailable, fault.code(), error.to_string()).with_retry_after((*retry_in).max(Duration::from_secs(1)))
            }
            Some(fault @ Fault::Deadline) => Self::new(Kind::UpstreamTimeout, fault.code(), error.to_string()),
            None => Self::new(Kind::Unavailable, "gateway.no_target", error.to_string()),
        };
        mapped.with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(fault: Fault) -> Attempt {
        Attempt { target: "a".into(), fault, usage: None, took: Duration::ZERO }
    }

    #[test]
    fn a_person_reads_what_the_provider_said_rather_than_who_was_passed_over() {
        let attempts = vec![attempt(Fault::Provider(LlmError::Unauthorized)), attempt(Fault::BreakerOpen { retry_in: Duration::ZERO })];
        let error = GatewayError::NoAnswer { attempts };
        assert_eq!(error.to_string(), LlmError::Unauthorized.to_string());
        assert_eq!(Error::from(error).code(), "provider.unauthorized");
    }

    #[test]
    fn an_overload_says_when_to_come_back() {
        let retry_after = Duration::from_secs(7);
        let error = Error::from(GatewayError::NoAnswer { attempts: vec![attempt(Fault::Overloaded(Overloaded { retry_after }))] });
        assert_eq!((error.code(), error.retry_after()), ("gateway.overloaded", Some(retry_after)));
    }
}
