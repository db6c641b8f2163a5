//! What one request comes to: tokens by kind, their cost, and how far the figures can be trusted.

use super::{
    estimate::{Size, tokens_of, written},
    rates::Rates,
};
use serde::Serialize;
use time::Date;
use utoipa::ToSchema;
use vital_llm::{Delta, LlmError, TokenUsage};

/// Where the figures of a row of the ledger come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The provider reported them.
    Reported,
    /// The provider reported more than can be; they were cut to the most that can.
    Bounded,
    /// The answer was cut, or the provider reported nothing: they follow from what was sent and written, by rule.
    Estimated,
    /// Nobody settled the request, as after a crash: the most that it could be.
    Overdue,
    /// The answer was kept from before; no provider was asked.
    Cached,
}

impl Basis {
    const ALL: [Self; 5] = [Self::Reported, Self::Bounded, Self::Estimated, Self::Overdue, Self::Cached];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Bounded => "bounded",
            Self::Estimated => "estimated",
            Self::Overdue => "overdue",
            Self::Cached => "cached",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == name)
    }
}

/// One row of the ledger to be.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub provider: String,
    pub model: String,
    pub usage: TokenUsage,
    /// Millionths of a millionth of a US dollar; none where the model has no price.
    pub pico: Option<i64>,
    pub basis: Basis,
}

/// A model that was asked, as the ledger names it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub provider: String,
    pub model: String,
    pub rates: Rates,
    /// Most tokens that it was to write.
    pub output_max: u32,
}

impl Asked {
    /// What a request to it came to, by what was seen of the answer; none where nothing came and nothing was reported.
    pub fn charge(&self, seen: &Seen, size: Size, day: Date) -> Option<Charge> {
        if seen.told.is_none() && seen.written == 0 && !seen.whole {
            return None;
        }
        let (usage, basis) = seen.counted(size, self.output_max);
        Some(self.charge_of(usage, basis, day))
    }

    pub(super) fn charge_of(&self, usage: TokenUsage, basis: Basis, day: Date) -> Charge {
        Charge { provider: self.provider.clone(), model: self.model.clone(), usage, pico: self.rates.cost(&usage, day), basis }
    }
}

/// How an answer ended, as far as it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The last report of the provider.
    pub told: Option<TokenUsage>,
    /// Bytes of text and arguments that came.
    pub written: u64,
    /// Whether the format's own end came.
    pub whole: bool,
}

impl Seen {
    /// Looks at the next item of an answer. Returns whether it is the last.
    pub fn item(&mut self, item: Option<&Result<Delta, LlmError>>) -> bool {
        match item {
            Some(Ok(Delta::Usage(told))) => self.told = Some(*told),
            Some(Ok(Delta::Stop(_))) => self.whole = true,
            Some(Ok(delta)) => self.written += written(delta),
            Some(Err(_)) | None => {}
        }
        matches!(item, Some(Ok(Delta::Stop(_)) | Err(_)) | None)
    }

    /// The tokens to be counted: the provider's own figures where the answer came to its end, within what can be. Where it was cut, or the figures
    /// leave out what was seen to come, at least what follows from the bytes by rule.
    pub fn counted(&self, size: Size, output_max: u32) -> (TokenUsage, Basis) {
        let by_rule = tokens_of(self.written);
        let Some(told) = self.told else {
            let output = by_rule.min(u64::from(output_max));
            return (TokenUsage { input: size.input, output, ..TokenUsage::default() }, Basis::Estimated);
        };
        let (mut usage, cut) = size.bounded(told, output_max);
        let mut basis = if cut { Basis::Bounded } else { Basis::Reported };
        if usage.input == 0 {
            (usage.input, basis) = (size.input, Basis::Estimated);
        }
        if self.written > 0 && usage.output == 0 || !self.whole && usage.output < by_rule {
            (usage.output, basis) = (by_rule.min(u64::from(output_max)).max(usage.output), Basis::Estimated);
        } else if !self.whole {
            basis = Basis::Estimated;
        }
        (usage, basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { bytes: 100, input: 114 };

    fn told(input: u64, output: u64) -> Option<TokenUsage> {
        Some(TokenUsage { input, output, ..TokenUsage::default() })
    }

    #[test]
    fn figures_of_the_provider_count_and_what_it_leaves_out_is_estimated() {
        let counted = |told, written, whole| {
            let (usage, basis) = Seen { told, written, whole }.counted(SIZE, 50);
            (usage.input, usage.output, basis)
        };
        assert_eq!(counted(told(30, 7), 21, true), (30, 7, Basis::Reported));
        assert_eq!(counted(None, 21, true), (114, 7, Basis::Estimated));
        assert_eq!(counted(None, 9_000, false), (114, 50, Basis::Estimated));
        // A cut answer of a format that reports the prompt first.
        assert_eq!(counted(told(30, 1), 21, false), (30, 7, Basis::Estimated));
        assert_eq!(counted(told(30, 0), 0, false), (30, 0, Basis::Estimated));
        // A report that everything was free, and one that everything was dear.
        assert_eq!(counted(told(0, 0), 21, true), (114, 7, Basis::Estimated));
        assert_eq!(counted(told(u64::MAX, u64::MAX), 21, true), (16_484, 4_196, Basis::Bounded));
    }
}
