//! Why a token cannot be used, in words for the operator.

use crate::KeyError;
use cryptoki::error::{Error as CryptokiError, RvError};
use std::path::PathBuf;

/// Why the root key in a token cannot be used. No variant holds a PIN or a key.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11Error {
    /// The library of the token cannot be loaded.
    #[error(
        "the PKCS#11 module `{}` cannot be loaded: {reason}; name the library that came with the token, for SoftHSM on Debian `/usr/lib/softhsm/libsofthsm2.so`",
        path.display()
    )]
    Module {
        /// The file that was tried.
        path: PathBuf,
        /// What the loader or the module said.
        reason: String,
    },
    /// The module sees no token of this name.
    #[error("no token is labelled `{label}`; the module sees {}", listed(.found))]
    TokenMissing {
        /// The label that was looked for.
        label: String,
        /// The labels that are there.
        found: Vec<String>,
    },
    /// Several tokens have this name.
    #[error("{count} tokens are labelled `{label}`, and the key could be in any of them; give the right one a label of its own")]
    TokenAmbiguous {
        /// The label that was looked for.
        label: String,
        /// How many have it.
        count: usize,
    },
    /// The file of the PIN cannot be used.
    #[error("the PIN file `{}` {reason}", path.display())]
    PinFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The token refused the PIN. It was tried once and is not tried again by this process.
    #[error(
        "the token `{label}` refused the PIN; it was tried once and will not be tried again, because tokens lock themselves: correct the PIN file, then start again"
    )]
    WrongPin {
        /// The label of the token.
        label: String,
    },
    /// The token has locked itself; or its next failure would, so that the PIN was not tried.
    #[error("the token `{label}` {state}, so the PIN was not tried; unlock it with the tool of its maker, then start again")]
    PinLocked {
        /// The label of the token.
        label: String,
        /// How it stands with the PIN.
        state: &'static str,
    },
    /// The token holds no AES key of this name.
    #[error("the token `{token}` holds no AES key labelled `{label}`; it holds {}", listed(.found))]
    KeyMissing {
        /// The label of the token.
        token: String,
        /// The label that was looked for.
        label: String,
        /// The labels of the secret keys that are there.
        found: Vec<String>,
    },
    /// Several keys have this name, or a new key was to get the name of one that is there.
    #[error("the token `{token}` already holds {count} key(s) labelled `{label}`; each root key needs a label of its own")]
    KeyAmbiguous {
        /// The label of the token.
        token: String,
        /// The label.
        label: String,
        /// How many have it.
        count: usize,
    },
    /// The key can leave the token, is of the wrong length or may not encrypt and decrypt.
    #[error("the key `{label}` cannot be the root key: {reason}")]
    KeyUnfit {
        /// The label.
        label: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// What was to be unwrapped was wrapped by another key, for another place, or has been changed.
    #[error("a wrapped key cannot be opened by the root key `{key_id}`: it was wrapped by another key, belongs elsewhere, or was changed")]
    Rejected {
        /// The id of the key that was asked.
        key_id: String,
    },
    /// The token failed or is gone. Nothing was changed; the next call tries again.
    #[error("the token failed at {at}: {source}; see that it is connected and its service runs")]
    Token {
        /// What was asked of it.
        at: &'static str,
        /// What the module said.
        source: CryptokiError,
    },
    /// The machine has no random numbers.
    #[error("the machine gives no random numbers, so nothing was wrapped")]
    Random,
}

impl Pkcs11Error {
    /// Tells whether the session, not the token or the key, is what failed: a new one may help.
    pub(super) fn session_is_lost(&self) -> bool {
        use RvError::{
            DeviceRemoved, KeyHandleInvalid, ObjectHandleInvalid, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn,
        };
        matches!(
            self,
            Self::Token {
                source: CryptokiError::Pkcs11(
                    DeviceRemoved
                        | KeyHandleInvalid
                        | ObjectHandleInvalid
                        | SessionClosed
                        | SessionHandleInvalid
                        | TokenNotPresent
                        | UserNotLoggedIn,
                    _
                ),
                ..
            }
        )
    }

    /// Tells whether the token may mean that a tag does not match.
    pub(super) fn may_be_rejection(&self) -> bool {
        use RvError::{DataInvalid, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError, SignatureInvalid};
        matches!(
            self,
            Self::Token {
                source: CryptokiError::Pkcs11(
                    DataInvalid | EncryptedDataInvalid | EncryptedDataLenRange | FunctionFailed | GeneralError | SignatureInvalid,
                    _
                ),
                ..
            }
        )
    }
}

impl From<Pkcs11Error> for KeyError {
    fn from(error: Pkcs11Error) -> Self {
        match error {
            Pkcs11Error::Rejected { .. } => Self::Broken,
            Pkcs11Error::Token { .. } | Pkcs11Error::Random => Self::System(error.to_string()),
            _ => Self::Source(error.to_string()),
        }
    }
}

/// The failure of a call to the module.
pub(super) fn at(at: &'static str) -> impl Fn(CryptokiError) -> Pkcs11Error {
    move |source| Pkcs11Error::Token { at, source }
}

fn listed(labels: &[String]) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}
