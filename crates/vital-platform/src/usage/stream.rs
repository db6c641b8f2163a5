//! An answer that settles by itself: at its end, at its failure, or when it is dropped.

use super::{
    charge::{Asked, Basis, Charge, Seen},
    reserve::Reservation,
};
use futures_util::{Stream, StreamExt as _};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use vital_llm::{
    Delta, LlmError, TokenUsage,
    gateway::{Answering, GatewayStream},
};

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Its tokens, those of tries before it included.
    pub usage: TokenUsage,
    /// Its cost in millionths of a millionth of a US dollar; none where the model has no price.
    pub pico: Option<i64>,
    /// Where the figures come from.
    pub basis: Basis,
}

/// An answer that has begun, and is counted. Its items are those of [`GatewayStream`].
#[derive(Debug)]
pub struct Metered {
    inner: GatewayStream,
    open: Option<Open>,
    spent: Option<Spent>,
}

#[derive(Debug)]
struct Open {
    reservation: Reservation,
    asked: Asked,
    seen: Seen,
    /// What tries before cost that reported something.
    earlier: Vec<Charge>,
}

impl Metered {
    pub(crate) fn new(inner: GatewayStream, reservation: Reservation, asked: Asked, earlier: Vec<Charge>) -> Self {
        let open = Open { reservation, asked, seen: Seen::default(), earlier };
        Self { inner, open: Some(open), spent: None }
    }

    /// Who answers, and what was tried before.
    #[must_use]
    pub const fn answering(&self) -> &Answering {
        self.inner.answering()
    }

    /// What the answer came to; none before its last item was taken.
    #[must_use]
    pub const fn spent(&self) -> Option<Spent> {
        self.spent
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (spent, charges) = open.counted(self.inner.answering().is_replayed());
        self.spent = Some(spent);
        open.reservation.settle(charges);
    }
}

impl Open {
    fn counted(&self, replayed: bool) -> (Spent, Vec<Charge>) {
        let (day, size) = (self.reservation.at().date(), self.reservation.size);
        let (usage, basis) = self.seen.counted(size, self.asked.output_max);
        let charge = if replayed {
            // Nothing was used, so nothing is owed, whether the model has a price or not.
            Charge { pico: Some(0), ..self.asked.charge_of(TokenUsage::default(), Basis::Cached, day) }
        } else {
            self.asked.charge_of(usage, basis, day)
        };
        let basis = charge.basis;
        let mut charges = vec![charge];
        charges.extend(self.earlier.iter().cloned());
        let spent = Spent {
            usage: charges.iter().fold(TokenUsage::default(), |sum, charge| add(sum, charge.usage)),
            pico: charges.iter().map(|charge| charge.pico).sum(),
            basis,
        };
        (spent, charges)
    }
}

fn add(a: TokenUsage, b: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: a.input + b.input,
        output: a.output + b.output,
        cached_input: a.cached_input + b.cached_input,
        cache_write_input: a.cache_write_input + b.cache_write_input,
        reasoning: a.reasoning + b.reasoning,
    }
}

impl Stream for Metered {
    type Item = Result<Delta, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.inner.poll_next_unpin(cx));
        let last = self.open.as_mut().is_some_and(|open| open.seen.item(item.as_ref()));
        if last {
            self.close();
        }
        Poll::Ready(item)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.close();
    }
}
