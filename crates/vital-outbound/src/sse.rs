//! Server-sent events: bytes to frames, by the rules of the WHATWG HTML standard, section 9.2.6
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! **Invariant:** the frames do not depend on how the bytes are split, not even inside a character or between CR and LF.
//! **Invariant:** no input makes it panic, and it holds at most about four times the frame limit.
//!
//! Not here: reconnection. A model's answer comes in reply to a POST and cannot be resumed, so `retry` is ignored.

/// Largest frame, in bytes of one line or of the joined data.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The `event` field; `None` stands for the standard's default, `message`.
    pub event: Option<String>,
    /// The `data` lines joined by line feeds; bytes that are not UTF-8 are replaced by U+FFFD, as the standard asks.
    pub data: String,
    /// The last event id seen so far in the stream, not only in this frame.
    pub id: Option<String>,
}

/// A line or the data of one frame is larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of the event stream is larger than {limit_bytes} bytes")]
pub struct FrameTooLarge {
    /// The limit, in bytes.
    pub limit_bytes: usize,
}

/// An incremental decoder of one event stream.
#[derive(Debug)]
pub struct Decoder {
    limit_bytes: usize,
    /// The line that is not complete yet.
    line: Vec<u8>,
    data: String,
    /// Tells a frame with one empty `data` line from one without any.
    has_data: bool,
    event: Option<String>,
    id: Option<String>,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    /// The first line may still begin with a byte order mark.
    at_start: bool,
    failed: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Makes a decoder with the limit [`FRAME_BYTES_MAX`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(FRAME_BYTES_MAX)
    }

    /// Makes a decoder with its own frame limit, in bytes.
    #[must_use]
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            line: Vec::new(),
            data: String::new(),
            has_data: false,
            event: None,
            id: None,
            after_cr: false,
            at_start: true,
            failed: false,
        }
    }

    /// Takes the next bytes and returns the frames they complete.
    ///
    /// # Errors
    /// [`FrameTooLarge`] is the last item that a decoder ever returns: what follows cannot be aligned again and is ignored.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Result<Frame, FrameTooLarge>> {
        let mut frames = Vec::new();
        while !self.failed && !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.limit_bytes {
                self.fail(&mut frames);
                break;
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_of_line(&mut frames);
        }
        frames
    }

    /// Ends the stream and tells whether the bytes ended between two frames.
    ///
    /// The standard discards a frame without its closing empty line, so nothing is returned for it.
    #[must_use]
    pub fn finish(self) -> bool {
        !self.failed && self.line.is_empty() && !self.has_data
    }

    fn end_of_line(&mut self, frames: &mut Vec<Result<Frame, FrameTooLarge>>) {
        let mut buffer = std::mem::take(&mut self.line);
        let mut line = buffer.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(frames);
        } else {
            let (name, value) = split_field(line);
            match name {
                b"data" if self.data.len() + value.len() >= self.limit_bytes => self.fail(frames),
                b"data" => self.append(value),
                b"event" => self.event = Some(text(value)).filter(|e| !e.is_empty()),
                b"id" if !value.contains(&0) => self.id = Some(text(value)).filter(|id| !id.is_empty()),
                // Comments have an empty name; `retry` and unknown fields are ignored.
                _ => {}
            }
        }
        buffer.clear();
        self.line = buffer;
    }

    fn append(&mut self, value: &[u8]) {
        if self.has_data {
            self.data.push('\n');
        }
        self.has_data = true;
        self.data.push_str(&String::from_utf8_lossy(value));
    }

    fn dispatch(&mut self, frames: &mut Vec<Result<Frame, FrameTooLarge>>) {
        let event = self.event.take();
        if std::mem::take(&mut self.has_data) {
            frames.push(Ok(Frame { event, data: std::mem::take(&mut self.data), id: self.id.clone() }));
        }
    }

    fn fail(&mut self, frames: &mut Vec<Result<Frame, FrameTooLarge>>) {
        self.failed = true;
        self.line = Vec::new();
        self.data = String::new();
        frames.push(Err(FrameTooLarge { limit_bytes: self.limit_bytes }));
    }
}

/// Splits a line at its first colon; one space after it belongs to neither part.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|b| *b == b':') {
        None => (line, b""),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        Decoder::new().push(bytes).into_iter().map(Result::unwrap).collect()
    }

    fn data(bytes: &[u8]) -> Vec<String> {
        frames(bytes).into_iter().map(|f| f.data).collect()
    }

    #[test]
    fn the_three_line_ends_mean_the_same() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = ["event: e", "data: a", "data: b", "", "data: c", "", ""].join(end);
            let all = frames(stream.as_bytes());
            assert_eq!(all[0], Frame { event: Some("e".into()), data: "a\nb".into(), id: None }, "{end:?}");
            assert_eq!(all[1], Frame { event: None, data: "c".into(), id: None }, "{end:?}");
            assert_eq!(all.len(), 2, "{end:?}");
        }
    }

    /// The three example streams of the standard's section 9.2.6.
    #[test]
    fn the_examples_of_the_standard_decode_as_it_says() {
        assert_eq!(data(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        let ids: Vec<_> = frames(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n")
            .into_iter()
            .map(|f| (f.data, f.id))
            .collect();
        assert_eq!(ids, [("first event".into(), Some("1".into())), ("second event".into(), None), (" third event".into(), None)]);
        assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn one_byte_order_mark_is_dropped_and_only_at_the_start() {
        assert_eq!(data("\u{feff}data: a\n\n\u{feff}data: b\n\ndata: \u{feff}c\n\n".as_bytes()), ["a", "\u{feff}c"]);
    }

    #[test]
    fn an_id_stays_until_the_next_and_one_with_a_nul_is_ignored() {
        let ids: Vec<_> =
            frames(b"id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid: 1\ndata: d\n\n").into_iter().map(|f| f.id.unwrap()).collect();
        assert_eq!(ids, ["1", "1", "1", "1"]);
    }

    #[test]
    fn an_event_without_data_is_not_dispatched_and_leaves_no_name_behind() {
        assert_eq!(frames(b"event: ping\n\nretry: 10\n\ndata: a\n\n"), [Frame { event: None, data: "a".into(), id: None }]);
    }

    #[test]
    fn an_unfinished_frame_is_discarded_and_reported() {
        let mut decoder = Decoder::new();
        assert!(decoder.push(b"data: a\n").is_empty());
        assert!(!decoder.finish());
        let mut whole = Decoder::new();
        assert_eq!(whole.push(b"data: a\n\n").len(), 1);
        assert!(whole.finish());
    }

    #[test]
    fn lines_data_and_comments_over_the_limit_end_the_decoder() {
        let long_line = [b"data: ".as_slice(), &[b'x'; 64]].concat();
        let many_lines = b"data: 0123456789\n".repeat(7);
        let comment = [b": ".as_slice(), &[b'x'; 64]].concat();
        for bytes in [long_line, many_lines, comment] {
            let mut decoder = Decoder::with_limit(64);
            let mut all = decoder.push(b"data: before\n\n");
            all.extend(decoder.push(&bytes));
            all.extend(decoder.push(b"\n\ndata: after\n\n"));
            assert_eq!(all.len(), 2);
            assert_eq!(all[1], Err(FrameTooLarge { limit_bytes: 64 }));
        }
    }

    /// Streams that are mostly well formed, with line ends, marks and characters of several bytes at every place.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data:".to_vec()),
            Just(b"event: e".to_vec()),
            Just(b"id: 1".to_vec()),
            Just(b": comment".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just("\u{feff}".as_bytes().to_vec()),
            Just("µg ≥ 0,5 🧪".as_bytes().to_vec()),
            vec(any::<u8>(), 0..12),
        ];
        vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn frames_are_the_same_under_any_split(stream in streams(), cuts in vec(any::<prop::sample::Index>(), 0..20), limit in 8_usize..80) {
            let mut cuts: Vec<_> = cuts.iter().map(|c| c.index(stream.len() + 1)).collect();
            cuts.push(stream.len());
            cuts.sort_unstable();
            let mut whole = Decoder::with_limit(limit);
            let expected = whole.push(&stream);
            let mut split = Decoder::with_limit(limit);
            let mut got = Vec::new();
            let mut from = 0;
            for to in cuts {
                got.extend(split.push(&stream[from..to]));
                from = to;
            }
            prop_assert_eq!(&got, &expected);
            let mut single = Decoder::with_limit(limit);
            let bytewise: Vec<_> = stream.iter().flat_map(|b| single.push(&[*b])).collect();
            prop_assert_eq!(&bytewise, &expected);
            prop_assert_eq!(whole.finish(), split.finish());
        }

        #[test]
        fn random_bytes_never_panic_and_never_exceed_the_limit(bytes in vec(any::<u8>(), 0..2_000), limit in 0_usize..64) {
            let mut decoder = Decoder::with_limit(limit);
            for chunk in bytes.chunks(7) {
                for frame in decoder.push(chunk).into_iter().flatten() {
                    // A replaced byte takes three.
                    prop_assert!(frame.data.len() <= 3 * limit);
                }
            }
            let _ = decoder.finish();
        }
    }
}
