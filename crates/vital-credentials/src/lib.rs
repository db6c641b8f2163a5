//! What a person or a program proves itself with: passwords, one-time codes, recovery codes, passkeys, tokens and API keys.
//!
//! **Invariants:** pure – no database, no network, no clock of its own: callers pass the time. Secrets come from a generator that the system
//! seeds, are never printed by `Debug`, and what is stored of them is a hash (passkeys: the public key; one-time codes: a secret that
//! the caller seals). Nothing here panics, whatever comes in.
//!
//! Not here: who may do what, how often one may try, where credentials are stored.

pub mod passkey;
pub mod password;
pub mod recovery;
pub mod token;
pub mod totp;

mod alphabet;
