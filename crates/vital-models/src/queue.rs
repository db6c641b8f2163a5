//! The work that waits for the model, in two lanes.
//!
//! **Invariants:** a batch never mixes lanes; while a query waits no bulk batch is begun, so that a query waits for at most one
//! bulk batch, whose size is bounded in tokens; queries are served in order of arrival, bulk requests one after the other; work
//! whose asker has gone is dropped unseen.

use std::{collections::VecDeque, ops::Range};
use tokio::sync::oneshot;
use vital_kernel::{EmbedError, EmbedLane};

/// Most texts of one batch.
pub(crate) const BATCH_TEXTS_MAX: usize = 16;
/// Most tokens of one batch, padding included: about a tenth of a second on two cores.
pub(crate) const BATCH_TOKENS_MAX: usize = 512;
/// Tokens counted for a text at most.
const TEXT_TOKENS_MAX: usize = 256;
/// Bytes of English text for each word piece, rounded down, to judge lengths without reading the text.
const BYTES_PER_TOKEN: usize = 4;

pub(crate) type Answer = Result<Vec<Vec<f32>>, EmbedError>;

/// Texts that somebody asked to embed, and those done so far.
pub(crate) struct Request {
    texts: Vec<String>,
    /// Positions of the texts, short ones first, so that texts of a batch are alike in length.
    order: Vec<usize>,
    done: usize,
    vectors: Vec<Vec<f32>>,
    answer: oneshot::Sender<Answer>,
}

impl Request {
    /// Makes a request and the end that its answer comes out of.
    pub(crate) fn new(texts: Vec<String>) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|n| texts[*n].len());
        (Self { vectors: vec![Vec::new(); texts.len()], order, done: 0, texts, answer }, receiver)
    }

    /// The texts of this request that fit into a batch which holds some already.
    fn fitting(&self, taken: usize, widest: usize) -> Range<usize> {
        let (mut end, mut widest) = (self.done, widest);
        while end < self.order.len() {
            widest = widest.max(tokens(&self.texts[self.order[end]]));
            let count = taken + end - self.done + 1;
            if count > 1 && (count > BATCH_TEXTS_MAX || count * widest > BATCH_TOKENS_MAX) {
                break;
            }
            end += 1;
        }
        self.done..end
    }

    fn widest(&self, part: &Range<usize>) -> usize {
        self.order[part.clone()].last().map_or(0, |n| tokens(&self.texts[*n]))
    }
}

fn tokens(text: &str) -> usize {
    (text.len() / BYTES_PER_TOKEN + 2).min(TEXT_TOKENS_MAX)
}

/// Requests taken out for one run of the model, each with the part of its texts that is in it.
pub(crate) struct Batch {
    lane: EmbedLane,
    parts: Vec<(Request, Range<usize>)>,
}

impl Batch {
    /// The texts to embed, in the order in which vectors are expected.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.parts.iter().flat_map(|(request, part)| request.order[part.clone()].iter().map(|n| request.texts[*n].as_str())).collect()
    }
}

/// What waits.
#[derive(Default)]
pub(crate) struct Queue {
    queries: VecDeque<Request>,
    bulk: VecDeque<Request>,
}

impl Queue {
    /// Number of query requests that wait.
    pub(crate) fn queries_waiting(&self) -> usize {
        self.queries.len()
    }

    /// Lets a request wait in its lane.
    pub(crate) fn push(&mut self, lane: EmbedLane, request: Request) {
        self.lane(lane).push_back(request);
    }

    /// Takes the next batch out, or nothing if nothing waits.
    pub(crate) fn next(&mut self) -> Option<Batch> {
        self.queries.retain(|r| !r.answer.is_closed());
        self.bulk.retain(|r| !r.answer.is_closed());
        let lane = if self.queries.is_empty() { EmbedLane::Bulk } else { EmbedLane::Query };
        let waiting = self.lane(lane);
        let mut batch = Batch { lane, parts: Vec::new() };
        let (mut taken, mut widest) = (0, 0);
        while let Some(request) = waiting.pop_front() {
            let part = request.fitting(taken, widest);
            if part.is_empty() && !request.order.is_empty() {
                waiting.push_front(request);
                break;
            }
            taken += part.len();
            widest = widest.max(request.widest(&part));
            let whole = part.end == request.order.len();
            batch.parts.push((request, part));
            if !whole {
                break;
            }
        }
        (!batch.parts.is_empty()).then_some(batch)
    }

    /// Hands the vectors of a batch out; what is not finished waits on, ahead of its lane.
    pub(crate) fn finish(&mut self, batch: Batch, vectors: Result<Vec<Vec<f32>>, String>) {
        let lane = batch.lane;
        match vectors {
            Err(cause) => {
                for (request, _) in batch.parts {
                    request.reply(Err(EmbedError::Failed(cause.clone())));
                }
            }
            Ok(vectors) => {
                let mut vectors = vectors.into_iter();
                for (mut request, part) in batch.parts {
                    for (n, vector) in request.order[part.clone()].iter().zip(vectors.by_ref()) {
                        request.vectors[*n] = vector;
                    }
                    request.done = part.end;
                    if request.done == request.order.len() {
                        let vectors = std::mem::take(&mut request.vectors);
                        request.reply(Ok(vectors));
                    } else {
                        self.lane(lane).push_front(request);
                    }
                }
            }
        }
    }

    /// Refuses everything that waits.
    pub(crate) fn refuse_all(&mut self, cause: &str) {
        for request in self.queries.drain(..).chain(self.bulk.drain(..)) {
            request.reply(Err(EmbedError::Unavailable(cause.to_owned())));
        }
    }

    fn lane(&mut self, lane: EmbedLane) -> &mut VecDeque<Request> {
        match lane {
            EmbedLane::Query => &mut self.queries,
            EmbedLane::Bulk => &mut self.bulk,
        }
    }
}

impl Request {
    /// Answers; an asker that has gone needs none.
    fn reply(self, answer: Answer) {
        drop(self.answer.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(queue: &mut Queue, lane: EmbedLane, texts: &[&str]) -> oneshot::Receiver<Answer> {
        let (request, receiver) = Request::new(texts.iter().map(|t| (*t).to_owned()).collect());
        queue.push(lane, request);
        receiver
    }

    /// Runs the next batch with a model whose vectors are the lengths of the texts.
    fn step(queue: &mut Queue) -> Option<Vec<String>> {
        let batch = queue.next()?;
        let texts: Vec<String> = batch.texts().into_iter().map(str::to_owned).collect();
        let vectors = texts.iter().map(|t| vec![t.len() as f32]).collect();
        queue.finish(batch, Ok(vectors));
        Some(texts)
    }

    #[test]
    fn a_query_goes_before_the_rest_of_a_bulk_request() {
        let mut queue = Queue::default();
        let long = "x".repeat(2_000);
        let bulk = request(&mut queue, EmbedLane::Bulk, &[long.as_str(); 5]);
        assert_eq!(step(&mut queue).unwrap().len(), 2);
        let mut query = request(&mut queue, EmbedLane::Query, &["q"]);
        assert_eq!(step(&mut queue).unwrap(), ["q"]);
        assert_eq!(query.try_recv().unwrap().unwrap(), [[1.0]]);
        assert_eq!((step(&mut queue).unwrap().len(), step(&mut queue).unwrap().len(), step(&mut queue)), (2, 1, None));
        assert_eq!(bulk.blocking_recv().unwrap().unwrap().len(), 5);
    }

    #[test]
    fn queries_that_wait_together_share_a_batch() {
        let mut queue = Queue::default();
        let mut receivers = [(); 20].map(|()| request(&mut queue, EmbedLane::Query, &["short one"]));
        assert_eq!((step(&mut queue).unwrap().len(), step(&mut queue).unwrap().len()), (16, 4));
        assert!(receivers.iter_mut().all(|r| r.try_recv().is_ok()));
    }

    #[test]
    fn work_of_an_asker_that_has_gone_is_dropped() {
        let mut queue = Queue::default();
        drop(request(&mut queue, EmbedLane::Bulk, &["a"]));
        drop(request(&mut queue, EmbedLane::Query, &["b"]));
        assert!(step(&mut queue).is_none());
    }

    #[test]
    fn a_failure_reaches_all_askers_of_the_batch_and_no_other() {
        let mut queue = Queue::default();
        let (mut a, mut b) = (request(&mut queue, EmbedLane::Query, &["a"]), request(&mut queue, EmbedLane::Query, &[]));
        let mut bulk = request(&mut queue, EmbedLane::Bulk, &["c"]);
        let batch = queue.next().unwrap();
        queue.finish(batch, Err("broken".into()));
        assert!(matches!((a.try_recv(), b.try_recv()), (Ok(Err(EmbedError::Failed(_))), Ok(Err(EmbedError::Failed(_))))));
        assert!(bulk.try_recv().is_err() && step(&mut queue).is_some());
    }

    proptest! {
        #[test]
        fn every_asker_gets_the_vectors_of_their_texts_in_their_order(
            requests in prop::collection::vec((any::<bool>(), prop::collection::vec("x{0,1500}", 0..25)), 0..8),
        ) {
            let mut queue = Queue::default();
            let mut receivers = Vec::new();
            for (query, texts) in &requests {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                receivers.push(request(&mut queue, if *query { EmbedLane::Query } else { EmbedLane::Bulk }, &texts));
            }
            while let Some(texts) = step(&mut queue) {
                let widest = texts.iter().map(|t| tokens(t)).max().unwrap_or(0);
                prop_assert!(texts.len() <= 1 || (texts.len() <= BATCH_TEXTS_MAX && texts.len() * widest <= BATCH_TOKENS_MAX));
            }
            for ((_, texts), mut receiver) in requests.iter().zip(receivers) {
                let expected: Vec<Vec<f32>> = texts.iter().map(|t| vec![t.len() as f32]).collect();
                prop_assert_eq!(receiver.try_recv().unwrap().unwrap(), expected);
            }
        }
    }
}
