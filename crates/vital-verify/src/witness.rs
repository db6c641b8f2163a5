//! The witness: accepts a checkpoint only if it continues what it has seen, remembers it, and signs it if asked to.

use crate::{End, arguments, read_keys, read_small, read_text, say};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use vital_trail::{Kind, SigningKey, Stamp, TrailError, WitnessRequest, WitnessState};

/// Largest request in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Looks at one checkpoint.
pub(crate) fn run(flags: &arguments::Witness) -> Result<End, String> {
    let keys = read_keys(&flags.key)?;
    let signer = match &flags.cosign {
        None => None,
        Some(path) => {
            let key = SigningKey::parse(&read_text(path)?, Kind::Witness);
            Some(key.map_err(|error| format!("`{}`: {error}", path.display()))?)
        }
    };
    let request = WitnessRequest::parse(&text(&flags.checkpoint)?).map_err(|error| error.to_string())?;
    // Two at a time would each remember their own: one waits for the other.
    let lock = File::create(flags.state.with_extension("lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("the witness's memory cannot be locked: {error}"))?;
    let mut state = remembered(&flags.state)?;
    match state.accept(&request, &keys) {
        Ok(checkpoint) => {
            // Remembered first: a signature for something forgotten could be given twice, for two histories.
            remember(&flags.state, &state).map_err(|error| format!("`{}` cannot be written: {error}", flags.state.display()))?;
            let line = signer.map(|key| request.note.cosign(&key, now()).line());
            say(&line.unwrap_or_else(|| format!("accepted: {} has {} entries\n", checkpoint.origin, checkpoint.size)))?;
            Ok(End::Sound)
        }
        Err(TrailError::Format(why)) => Err(why),
        Err(error) => {
            say(&format!("REFUSED: {error}\n"))?;
            Ok(End::Faulty)
        }
    }
}

/// Makes a key for a witness and prints its public half.
pub(crate) fn make_key(name: &str, path: &Path) -> Result<End, String> {
    let text = SigningKey::generate(name).map_err(|error| error.to_string())?;
    let key = SigningKey::parse(&text, Kind::Witness).map_err(|error| error.to_string())?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| format!("`{}` cannot be made: {error}", path.display()))?;
    say(&format!("{}\n", key.public()))?;
    Ok(End::Sound)
}

fn text(path: &Path) -> Result<String, String> {
    if path != Path::new("-") {
        return read_text(path);
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(REQUEST_BYTES_MAX + 1).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| format!("standard input cannot be read: {error}"))
}

fn remembered(path: &Path) -> Result<WitnessState, String> {
    if !path.exists() {
        return Ok(WitnessState::default());
    }
    serde_json::from_slice(&read_small(path)?).map_err(|_| format!("`{}` is damaged; restore it, or the witness forgets", path.display()))
}

fn remember(path: &Path, state: &WitnessState) -> io::Result<()> {
    let next = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(&serde_json::to_vec(state)?)?;
    file.sync_all()?;
    fs::rename(next, path)
}

fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
