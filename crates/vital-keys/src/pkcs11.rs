//! The root key in a PKCS#11 token: a hardware module, a smart card or, in tests, SoftHSM.
//!
//! **Invariants:** the key never leaves the token, and one that could is refused; wrapping is AES-256-GCM (CKM_AES_GCM) inside of the
//! token. A PIN that was refused is tried once and never again by the same root, because tokens lock themselves. A wrapped key is
//! 61 bytes, as a root key in memory writes them: version (1) | nonce (12, random) | ciphertext (32) | tag (16). With random nonces one
//! root key is good for 2^32 wraps (NIST SP 800-38D, section 8.3).
//!
//! Calls block for as long as the token takes, one at a time: from async code call them where blocking is allowed. Deliberately not here:
//! initialising a token, which its maker's tool does. For SoftHSM, with the key made by [`Pkcs11Root::make_key`] or by OpenSC:
//!
//! ```console
//! $ softhsm2-util --init-token --free --label vital --so-pin … --pin …
//! $ pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label vital --login \
//!       --keygen --key-type aes:32 --label vital-root --sensitive
//! ```

mod error;
#[cfg(test)]
mod tests;

use crate::{Secret, private_file};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as CryptokiError, RvError},
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};
pub use error::Pkcs11Error;
use error::at;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use zeroize::{Zeroize as _, Zeroizing};

/// Result of an operation on a token.
pub type Result<T> = std::result::Result<T, Pkcs11Error>;

/// Length of a wrapped key, in bytes.
pub const WRAPPED_BYTES: usize = 1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;
/// The only format.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// Longest PIN, in bytes; tokens allow far less.
const PIN_BYTES_MAX: usize = 256;
/// What the key's id is made from, under a nonce that a random one meets once in 2^96.
const CHECK: (&[u8], [u8; NONCE_BYTES]) = (b"vital root key check", [0; NONCE_BYTES]);

/// Where the root key stands.
#[derive(Clone, Debug)]
pub struct Pkcs11Config {
    /// The library of the token.
    pub module: PathBuf,
    /// The token's label.
    pub token_label: String,
    /// The key's label within the token.
    pub key_label: String,
    /// File that holds the user PIN, readable by its owner alone.
    pub pin_file: PathBuf,
}

/// The root key in a token. Threads share it; the token is asked by one at a time.
pub struct Pkcs11Root {
    config: Pkcs11Config,
    module: Pkcs11,
    pin: AuthPin,
    key_id: String,
    state: Mutex<State>,
}

enum State {
    Open(Opened),
    /// The session is gone; the next call opens another.
    Lost,
    /// The PIN was refused when a session was opened again.
    Refused,
}

/// A session that is logged in, and the key as it knows it.
struct Opened {
    session: Session,
    key: ObjectHandle,
}

impl std::fmt::Debug for Pkcs11Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs11Root").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Pkcs11Root {
    /// Logs in to the token and finds the key.
    ///
    /// # Errors
    /// Each message of [`Pkcs11Error`] says what is wrong and what to do. After `WrongPin` do not call again with the same PIN.
    pub fn open(config: Pkcs11Config) -> Result<Self> {
        let pin = read_pin(&config.pin_file)?;
        let module = module(&config.module)?;
        let session = log_in(&module, &config.token_label, &pin, Access::Read)?;
        let key = find_key(&session, &config)?;
        let opened = Opened { session, key };
        let key_id = opened.check_value(&config.key_label)?;
        Ok(Self { config, module, pin, key_id, state: Mutex::new(State::Open(opened)) })
    }

    /// Makes a root key within the token: AES-256, never extractable, for encryption and decryption alone.
    ///
    /// # Errors
    /// Those of `open`; `KeyAmbiguous` when the label is taken, for then nothing is made.
    pub fn make_key(config: &Pkcs11Config) -> Result<()> {
        let pin = read_pin(&config.pin_file)?;
        let session = log_in(&module(&config.module)?, &config.token_label, &pin, Access::Write)?;
        let count = labelled(&session, &config.key_label)?.len();
        if count > 0 {
            return Err(Pkcs11Error::KeyAmbiguous { token: config.token_label.clone(), label: config.key_label.clone(), count });
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen((KEY_BYTES as u64).into()),
            Attribute::Label(config.key_label.clone().into_bytes()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).map(|_| ()).map_err(at("making the key"))
    }

    /// The key's stable id, 16 hexadecimal digits of a check value: copies of one key in several tokens have one id.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Wraps a key; `aad` says where it belongs and has to be the same at unwrapping.
    ///
    /// # Errors
    /// `Token` when the token does not answer, `WrongPin` when it no longer accepts the PIN.
    pub fn wrap(&self, aad: &[u8], key: &[u8; KEY_BYTES]) -> Result<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Pkcs11Error::Random)?;
        let sealed = self.with_session(|opened| opened.encrypt(nonce, aad, key))?;
        let mut wrapped = Vec::with_capacity(WRAPPED_BYTES);
        wrapped.push(VERSION);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(&sealed);
        Ok(wrapped)
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// `Rejected` when it was wrapped by another key, for another `aad` or was changed; else as [`Self::wrap`].
    pub fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<Secret> {
        let rejected = || Pkcs11Error::Rejected { key_id: self.key_id.clone() };
        let versioned = wrapped.strip_prefix(&[VERSION]).filter(|_| wrapped.len() == WRAPPED_BYTES);
        let (nonce, sealed) = versioned.and_then(|rest| rest.split_first_chunk::<NONCE_BYTES>()).ok_or_else(rejected)?;
        let key = self.with_session(|opened| match opened.decrypt(*nonce, aad, sealed) {
            // Tokens have no one word for a tag that does not match. Where it may as well be a failure, another use of the key tells.
            Err(error) if error.may_be_rejection() && opened.check_value(&self.config.key_label).is_ok() => Err(rejected()),
            done => done.map(Zeroizing::new),
        })?;
        key.as_slice().try_into().map(Secret::new).map_err(|_| rejected())
    }

    /// Does one thing in the session; where that turns out to be lost, once more in a new one.
    fn with_session<T>(&self, act: impl Fn(&Opened) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(opened) = &*state {
            match act(opened) {
                Err(error) if error.session_is_lost() => tracing::warn!(%error, "the session with the token is lost; opening another"),
                done => return done,
            }
        }
        let opened = self.reopen(&mut state)?;
        let done = act(&opened);
        if !matches!(&done, Err(error) if error.session_is_lost()) {
            *state = State::Open(opened);
        }
        done
    }

    /// A new session with the same key. A refused PIN is remembered.
    fn reopen(&self, state: &mut MutexGuard<'_, State>) -> Result<Opened> {
        if matches!(**state, State::Refused) {
            return Err(Pkcs11Error::WrongPin { label: self.config.token_label.clone() });
        }
        // The old session is closed first: a token may have room for one alone.
        **state = State::Lost;
        let session = log_in(&self.module, &self.config.token_label, &self.pin, Access::Read);
        if matches!(session, Err(Pkcs11Error::WrongPin { .. } | Pkcs11Error::PinLocked { .. })) {
            **state = State::Refused;
        }
        let session = session?;
        let key = find_key(&session, &self.config)?;
        let opened = Opened { session, key };
        // Somebody may have put another token or key in its place meanwhile.
        if opened.check_value(&self.config.key_label)? != self.key_id {
            return Err(Pkcs11Error::KeyUnfit { label: self.config.key_label.clone(), reason: "it is another key than at the start" });
        }
        Ok(opened)
    }
}

impl Opened {
    fn encrypt(&self, mut nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let params = GcmParams::new(&mut nonce, aad, (TAG_BYTES as u64 * 8).into()).map_err(at("wrapping"))?;
        self.session.encrypt(&Mechanism::AesGcm(params), self.key, plain).map_err(at("wrapping"))
    }

    fn decrypt(&self, mut nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let params = GcmParams::new(&mut nonce, aad, (TAG_BYTES as u64 * 8).into()).map_err(at("unwrapping"))?;
        self.session.decrypt(&Mechanism::AesGcm(params), self.key, sealed).map_err(at("unwrapping"))
    }

    /// Eight bytes of a hash over a fixed encryption. It is tried twice: a token that chooses nonces by itself cannot be used, because
    /// what it wraps could not be opened again.
    fn check_value(&self, label: &str) -> Result<String> {
        let (text, nonce) = CHECK;
        let first = self.encrypt(nonce, text, text)?;
        if first.len() != text.len() + TAG_BYTES || first != self.encrypt(nonce, text, text)? {
            return Err(Pkcs11Error::KeyUnfit { label: label.to_owned(), reason: "its token does not use the nonce that it is given" });
        }
        Ok(hex::encode(&digest::digest(&digest::SHA256, &first).as_ref()[..8]))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// The module, loaded and initialised once in a process: PKCS#11 allows no second time.
fn module(path: &Path) -> Result<Pkcs11> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let fault = |reason: String| Pkcs11Error::Module { path: path.to_owned(), reason };
    let real = path.canonicalize().map_err(|error| fault(error.to_string()))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(&real) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&real).map_err(|error| fault(error.to_string()))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(fault(error.to_string())),
    }
    loaded.insert(real, module.clone());
    Ok(module)
}

/// Opens a session and logs in, with one try.
fn log_in(module: &Pkcs11, label: &str, pin: &AuthPin, access: Access) -> Result<Session> {
    let (slot, token) = find_token(module, label)?;
    if let Some(state) = locked(token.user_pin_locked(), token.user_pin_final_try()) {
        return Err(Pkcs11Error::PinLocked { label: label.to_owned(), state });
    }
    let open = if access == Access::Write { module.open_rw_session(slot) } else { module.open_ro_session(slot) };
    let session = open.map_err(at("opening a session"))?;
    match session.login(UserType::User, Some(pin)) {
        // A login holds for all sessions of a process.
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(CryptokiError::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            Err(Pkcs11Error::WrongPin { label: label.to_owned() })
        }
        Err(CryptokiError::Pkcs11(RvError::PinLocked, _)) => {
            Err(Pkcs11Error::PinLocked { label: label.to_owned(), state: "has locked itself after wrong PINs" })
        }
        Err(CryptokiError::Pkcs11(RvError::PinExpired, _)) => {
            Err(Pkcs11Error::PinLocked { label: label.to_owned(), state: "wants a new PIN" })
        }
        Err(error) => Err(at("logging in")(error)),
    }
}

/// Why the PIN is not to be tried, if so. The last try is left to a person: a server that is started over and over would use it up.
fn locked(is_locked: bool, is_final_try: bool) -> Option<&'static str> {
    match (is_locked, is_final_try) {
        (true, _) => Some("has locked itself after wrong PINs"),
        (_, true) => Some("would lock itself at one more wrong PIN"),
        _ => None,
    }
}

fn find_token(module: &Pkcs11, label: &str) -> Result<(Slot, TokenInfo)> {
    let slots = module.get_slots_with_initialized_token().map_err(at("listing tokens"))?;
    let tokens = slots.into_iter().map(|slot| module.get_token_info(slot).map(|info| (slot, info)));
    let tokens = tokens.collect::<std::result::Result<Vec<_>, _>>().map_err(at("reading a token's label"))?;
    let count = tokens.iter().filter(|(_, info)| info.label() == label).count();
    if count > 1 {
        return Err(Pkcs11Error::TokenAmbiguous { label: label.to_owned(), count });
    }
    let found = tokens.iter().map(|(_, info)| info.label().to_owned()).collect();
    let named = tokens.into_iter().find(|(_, info)| info.label() == label);
    named.ok_or_else(|| Pkcs11Error::TokenMissing { label: label.to_owned(), found })
}

fn labelled(session: &Session, label: &str) -> Result<Vec<ObjectHandle>> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    session.find_objects(&template).map_err(at("looking for the key"))
}

fn find_key(session: &Session, config: &Pkcs11Config) -> Result<ObjectHandle> {
    let (token, label) = (config.token_label.clone(), config.key_label.clone());
    let key = match labelled(session, &label)?.as_slice() {
        [key] => *key,
        [] => return Err(Pkcs11Error::KeyMissing { token, label, found: key_labels(session)? }),
        several => return Err(Pkcs11Error::KeyAmbiguous { token, label, count: several.len() }),
    };
    let asked =
        [AttributeType::Extractable, AttributeType::Sensitive, AttributeType::ValueLen, AttributeType::Encrypt, AttributeType::Decrypt];
    let has = session.get_attributes(key, &asked).map_err(at("reading the key's attributes"))?;
    let unfit = [
        (Attribute::Extractable(false), "it can be taken out of the token; make one with CKA_EXTRACTABLE false"),
        (Attribute::Sensitive(true), "its value can be read; make one with CKA_SENSITIVE true"),
        (Attribute::ValueLen((KEY_BYTES as u64).into()), "it is not an AES key of 256 bits"),
        (Attribute::Encrypt(true), "it may not encrypt; make one with CKA_ENCRYPT true"),
        (Attribute::Decrypt(true), "it may not decrypt; make one with CKA_DECRYPT true"),
    ];
    match unfit.into_iter().find(|(needed, _)| !has.contains(needed)) {
        Some((_, reason)) => Err(Pkcs11Error::KeyUnfit { label, reason }),
        None => Ok(key),
    }
}

fn key_labels(session: &Session) -> Result<Vec<String>> {
    let keys = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).map_err(at("listing keys"))?;
    let mut labels = Vec::new();
    for key in keys {
        for attribute in session.get_attributes(key, &[AttributeType::Label]).map_err(at("listing keys"))? {
            if let Attribute::Label(label) = attribute {
                labels.push(String::from_utf8_lossy(&label).into_owned());
            }
        }
    }
    Ok(labels)
}

fn read_pin(path: &Path) -> Result<AuthPin> {
    let fault = |reason: String| Pkcs11Error::PinFile { path: path.to_owned(), reason };
    let text = private_file::read(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    let pin = text.trim_end_matches(['\r', '\n']);
    if pin.is_empty() || pin.len() > PIN_BYTES_MAX {
        return Err(fault(format!("has to hold a PIN of 1 to {PIN_BYTES_MAX} bytes on one line")));
    }
    let mut owned = pin.to_owned();
    let pin = AuthPin::from(owned.as_str());
    owned.zeroize();
    Ok(pin)
}
