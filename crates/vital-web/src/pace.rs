//! How slowly a request's body may come: neither with long pauses nor in drops.
//!
//! A body that pauses too long or falls behind the slowest allowed rate breaks off with an error, which ends the request. The clock runs
//! only while somebody waits for the body: what the server does with what it has read is not the client's fault.

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::{
    fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Longest pause within a body.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// Time that a body has whatever its length.
pub(crate) const GRACE: Duration = Duration::from_secs(20);
/// Slowest average rate after that, in bytes a second: half of what a modem of 1998 reached.
pub(crate) const BYTES_PER_S_MIN: u64 = 4 * 1024;

/// A body with a pace.
pub(crate) struct Paced<B> {
    body: B,
    received: u64,
    /// Time spent waiting for the client.
    waited: Duration,
    /// Since when the client is waited for, and the end of its patience.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// The body came too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body came too slowly")
    }
}

impl std::error::Error for TooSlow {}

impl<B> Paced<B> {
    /// Bounds a body.
    pub(crate) const fn new(body: B) -> Self {
        Self { body, received: 0, waited: Duration::ZERO, waiting: None }
    }

    /// How long the client may be waited for from now on.
    fn patience(&self) -> Duration {
        let earned = GRACE + Duration::from_secs_f64(self.received as f64 / BYTES_PER_S_MIN as f64);
        earned.saturating_sub(self.waited).min(IDLE)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Paced<B>
where
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let patience = this.patience();
                let (_, end) = this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(patience))));
                ready!(end.as_mut().poll(cx));
                Poll::Ready(Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;

    /// A body that sends pieces of `bytes` with a pause before each, `pieces` times.
    async fn sent(bytes: usize, pause: Duration, pieces: usize) -> Result<usize, String> {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes]))
        });
        let body = Paced::new(Body::from_stream(Box::pin(pieces)));
        body.collect().await.map(|all| all.to_bytes().len()).map_err(|e| e.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn drops_and_pauses_are_cut_off_and_a_slow_line_is_not() {
        let second = Duration::from_secs(1);
        assert_eq!(sent(8 * 1024, second, 300).await, Ok(8 * 1024 * 300), "8 KiB/s for five minutes");
        let begun = Instant::now();
        assert!(sent(1, second, 10_000).await.is_err(), "a byte a second");
        assert!(begun.elapsed() < GRACE + second * 2, "{:?}", begun.elapsed());
        assert!(sent(1024 * 1024, IDLE + second, 2).await.is_err(), "one long pause");
    }
}
