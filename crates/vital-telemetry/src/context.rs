//! Which span something happens in: carried along a task, and read from `traceparent` (W3C Trace Context, level 1).
//!
//! A task that is spawned does not inherit it: whoever spawns one takes [`current`] along with [`within`]. No request that leaves the
//! platform is given one.

use crate::span::active;
use rand::RngCore as _;
use std::future::Future;

tokio::task_local! {
    static CURRENT: Option<Context>;
}

/// A span that others can be children of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    /// Whether spans of this trace are kept.
    pub(crate) sampled: bool,
    pub(crate) conversation: Option<u128>,
}

/// The span that this task is in; none where none is or tracing is off.
#[must_use]
pub fn current() -> Option<Context> {
    CURRENT.try_with(|context| *context).unwrap_or_default()
}

/// Does something as part of a span.
pub async fn within<F: Future>(context: Option<Context>, work: F) -> F::Output {
    CURRENT.scope(context, work).await
}

impl Context {
    /// The first span of a trace. Whether it is kept follows from the trace's number alone.
    pub(crate) fn root() -> Self {
        let mut trace = [0; 16];
        rand::rng().fill_bytes(&mut trace);
        Self { trace, span: span_id(), sampled: sampled(&trace), conversation: None }
    }

    /// A span within this one.
    pub(crate) fn child(self) -> Self {
        Self { span: span_id(), ..self }
    }

    /// Reads `traceparent`. The sender's sampling flag is not followed: what is kept is decided here, from the trace's number.
    pub(crate) fn from_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex::<1>(version)?[0];
        // Later versions may have more parts; this one has four, and 255 is none.
        if version == u8::MAX || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace, span) = (hex::<16>(trace)?, hex::<8>(span)?);
        hex::<1>(flags)?;
        let named = trace.iter().any(|b| *b != 0) && span.iter().any(|b| *b != 0);
        named.then(|| Self { trace, span, sampled: sampled(&trace), conversation: None })
    }

    /// The notation of `traceparent`.
    pub(crate) fn traceparent(self) -> String {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// Tells whether a trace is kept: the last seven bytes of its number, which are random by the standard, below the configured share.
fn sampled(trace: &[u8; 16]) -> bool {
    let tail = u64::from_be_bytes([0, trace[9], trace[10], trace[11], trace[12], trace[13], trace[14], trace[15]]);
    active().is_some_and(|shared| tail < shared.sampled_below)
}

fn span_id() -> [u8; 8] {
    let mut id = [0; 8];
    while id == [0; 8] {
        rand::rng().fill_bytes(&mut id);
    }
    id
}

/// Reads lower-case hexadecimal digits, as the standard wants them.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: &[u8] = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let mut read = [0; N];
    for (at, pair) in read.iter_mut().zip(bytes.chunks_exact(2)) {
        *at = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_writes_it_and_nothing_else_is() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = Context::from_traceparent(good).unwrap();
        assert_eq!((read.trace[0], read.span[7]), (0x4b, 0xb7));
        assert!(!read.sampled, "the flag of the sender is not followed, and here nothing is kept");
        assert_eq!(read.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        assert!(Context::from_traceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é",
        ] {
            assert_eq!(Context::from_traceparent(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_task_knows_its_span_and_one_that_it_spawns_does_not() {
        assert_eq!(current(), None);
        let context = Context::root();
        let (inside, spawned) = within(Some(context), async { (current(), tokio::spawn(async { current() }).await.unwrap()) }).await;
        assert_eq!((inside, spawned), (Some(context), None));
        let child = context.child();
        assert!(child.trace == context.trace && child.span != context.span);
    }
}
