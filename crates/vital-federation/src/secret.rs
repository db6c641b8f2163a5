//! A secret shared with a provider, which neither prints itself nor stays in memory after use.

use std::fmt;
use zeroize::Zeroizing;

/// A client secret or signing secret; `Debug` shows no part of it and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over the text of a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let shown = format!("{:?}", Secret::new("correct horse".to_owned()));
        assert!(!shown.contains("horse"), "{shown}");
    }
}
