//! Vectors of texts from a provider, and the checks of what comes back: a vector of the wrong text, length or dimension would not fail
//! later but find the wrong passages.

use crate::{LlmError, TokenUsage, request::refused};

/// Most texts of one request: Google's limit, the smallest of the formats.
pub const EMBED_TEXTS_MAX: usize = 100;
/// Most bytes of the texts of one request.
pub const EMBED_BYTES_MAX: usize = 1024 * 1024;
/// Most dimensions of a vector.
pub const EMBED_DIMENSIONS_MAX: usize = 8_192;

/// What a provider makes of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, in the order of the texts; all of one dimension from 1 to [`EMBED_DIMENSIONS_MAX`], every number finite.
    /// Not necessarily of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens of the texts; zero where the provider does not report them.
    pub usage: TokenUsage,
}

/// Checks the texts before they are sent.
///
/// # Errors
/// [`LlmError::Request`] if there is none or an empty one, or they are over the limits.
pub(crate) fn check(texts: &[String]) -> Result<(), LlmError> {
    if texts.is_empty() || texts.len() > EMBED_TEXTS_MAX {
        return Err(refused(format!("there are no texts to embed or more than {EMBED_TEXTS_MAX}")));
    }
    if texts.iter().any(String::is_empty) {
        return Err(refused("a text to embed is empty"));
    }
    if texts.iter().map(String::len).sum::<usize>() > EMBED_BYTES_MAX {
        return Err(refused(format!("the texts to embed are longer than {EMBED_BYTES_MAX} bytes together")));
    }
    Ok(())
}

/// Puts numbered vectors into the order of the texts.
///
/// # Errors
/// [`LlmError::Garbled`] unless there is exactly one vector for each text, all of one sensible dimension and with finite numbers.
pub(crate) fn in_order(numbered: impl Iterator<Item = (usize, Vec<f32>)>, texts: usize) -> Result<Vec<Vec<f32>>, LlmError> {
    let wrong = |what| Err(LlmError::Garbled { what });
    let mut vectors = vec![Vec::new(); texts];
    for (at, vector) in numbered {
        match vectors.get_mut(at) {
            Some(place) if place.is_empty() => *place = vector,
            _ => return wrong("there is a vector too many or one twice"),
        }
    }
    let dimension = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(Vec::is_empty) {
        return wrong("a vector is missing or empty");
    }
    if dimension > EMBED_DIMENSIONS_MAX || vectors.iter().any(|vector| vector.len() != dimension) {
        return wrong("the vectors have different or too many dimensions");
    }
    if vectors.iter().flatten().any(|number| !number.is_finite()) {
        return wrong("a vector has a number that is not finite");
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_put_in_order_and_every_other_set_is_refused() {
        let one = |x| vec![x, 0.5];
        assert_eq!(in_order([(1, one(1.0)), (0, one(0.0))].into_iter(), 2), Ok(vec![one(0.0), one(1.0)]));
        for bad in [
            vec![(0, one(1.0))],
            vec![(0, one(1.0)), (0, one(1.0))],
            vec![(0, one(1.0)), (2, one(1.0))],
            vec![(0, one(1.0)), (1, one(1.0)), (2, one(1.0))],
            vec![(0, one(1.0)), (1, vec![])],
            vec![(0, one(1.0)), (1, vec![1.0])],
            vec![(0, one(1.0)), (1, one(f32::INFINITY))],
            vec![(0, one(1.0)), (1, one(f32::NAN))],
            vec![(0, vec![0.0; EMBED_DIMENSIONS_MAX + 1]), (1, vec![0.0; EMBED_DIMENSIONS_MAX + 1])],
        ] {
            assert!(matches!(in_order(bad.into_iter(), 2), Err(LlmError::Garbled { .. })));
        }
    }

    #[test]
    fn batches_over_the_limits_are_refused_before_they_are_sent() {
        let texts = |count: usize, bytes: usize| vec!["x".repeat(bytes); count];
        assert_eq!(check(&texts(EMBED_TEXTS_MAX, 10)), Ok(()));
        assert_eq!(check(&texts(1, EMBED_BYTES_MAX)), Ok(()));
        for bad in [texts(0, 1), texts(EMBED_TEXTS_MAX + 1, 1), texts(1, 0), texts(1, EMBED_BYTES_MAX + 1)] {
            assert!(matches!(check(&bad), Err(LlmError::Request { .. })));
        }
    }
}
