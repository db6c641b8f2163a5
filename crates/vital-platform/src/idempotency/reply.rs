//! What is kept of a reply, and as which bytes.

use vital_kernel::{Error, Result};

/// A reply as it is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReply {
    /// HTTP status, of success.
    pub status: u16,
    /// Names and values of the headers that belong to the reply itself.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How a write with a key ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was refused (4xx): nothing took effect, and the key is free again.
    Refused,
    /// It failed (5xx): the key is free again unless something had been committed.
    Failed,
    /// It was done, with this reply.
    Replied(KeptReply),
    /// It was done, and only the head of its reply can be kept.
    TooLarge(KeptReply),
    /// It was done, and its reply is the stream of a turn.
    Streamed {
        /// The turn, whose events are stored.
        turn: vital_kernel::TurnId,
        /// The head of the reply.
        head: KeptReply,
    },
}

impl KeptReply {
    /// A header; none if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The length of the headers in four bytes, the headers as JSON, the body.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let headers = serde_json::to_vec(&self.headers).map_err(Error::internal)?;
        let length = u32::try_from(headers.len()).map_err(Error::internal)?;
        Ok([&length.to_be_bytes(), headers.as_slice(), &self.body].concat())
    }

    pub(super) fn from_bytes(status: u16, bytes: &[u8]) -> Result<Self> {
        let cut = || Error::internal("a kept reply is cut off");
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(Error::internal)?;
        let (headers, body) = rest.split_at_checked(length).ok_or_else(cut)?;
        Ok(Self { status, headers: serde_json::from_slice(headers).map_err(Error::internal)?, body: body.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_back_as_it_was_and_a_cut_one_is_an_error() {
        let reply = KeptReply { status: 201, headers: vec![("location".into(), "/x".into())], body: vec![0, 159, 146, 150] };
        let bytes = reply.bytes().unwrap();
        assert_eq!(KeptReply::from_bytes(201, &bytes).unwrap(), reply);
        let head = bytes.len() - reply.body.len();
        for end in 0..head {
            assert!(KeptReply::from_bytes(201, &bytes[..end]).is_err(), "{end}");
        }
        assert!(KeptReply::from_bytes(201, &[255; 8]).is_err(), "a length beyond the end");
    }
}
