//! `vital-verify`: verifies exports and proofs of an audit trail, and acts as a witness, with nothing but files and public keys.
//!
//! It is small and on its own on purpose: whoever does not trust the installation runs this on a machine of their own. No network, no
//! database, no configuration. Data goes to standard output, talk to standard error.

mod arguments;
mod witness;

use arguments::{Command, HELP};
use std::{
    fs::File,
    io::{self, BufReader, Read as _, Write as _},
    num::NonZero,
    path::Path,
    process::ExitCode,
    thread::available_parallelism,
};
use vital_trail::{Erasure, Keys, Proof, Report, TrailError, verify};

/// Largest file of keys, and largest proof, in bytes.
const SMALL_FILE_MAX: u64 = 2 * 1024 * 1024;
/// Faults and notes that are printed one by one.
const PRINTED_MAX: usize = 50;

/// How it ended: 0 sound, 1 faults found, 2 wrong usage or unreadable file.
enum End {
    Sound,
    Faulty,
}

fn main() -> ExitCode {
    let told = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => say(HELP).map(|()| End::Sound),
        Ok(Command::Version) => say(concat!("vital-verify ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| End::Sound),
        Ok(Command::Verify { file, key, json }) => run(&file, &key, json),
        Ok(Command::Witness(flags)) => witness::run(&flags),
        Ok(Command::Key { name, file }) => witness::make_key(&name, &file),
        Err(why) => Err(format!("{why}\nhint: `vital-verify --help` shows examples")),
    };
    match told {
        Ok(End::Sound) => ExitCode::SUCCESS,
        Ok(End::Faulty) => ExitCode::from(1),
        Err(why) => {
            // There is nowhere left to complain when standard error is gone.
            let _ = writeln!(io::stderr().lock(), "error: {why}");
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) -> Result<(), String> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output cannot be written: {error}")),
        _ => Ok(()),
    }
}

fn read_small(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SMALL_FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 <= SMALL_FILE_MAX => Ok(bytes),
        Ok(_) => Err(format!("`{}` is too large", path.display())),
        Err(error) => Err(format!("`{}` cannot be read: {error}", path.display())),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_small(path)?).map_err(|_| format!("`{}` is not text", path.display()))
}

fn read_keys(path: &Path) -> Result<Keys, String> {
    Keys::parse(&read_text(path)?).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn run(file: &Path, key: &Path, json: bool) -> Result<End, String> {
    let keys = read_keys(key)?;
    let opened = File::open(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
    let small = opened.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= SMALL_FILE_MAX);
    if small {
        let bytes = read_small(file)?;
        if let Some(proof) = Proof::parse(&bytes) {
            return check(proof, &keys, json);
        }
        if let Some(erasure) = Erasure::open(&bytes, &keys) {
            return certified(erasure, json);
        }
    }
    let threads = available_parallelism().map_or(1, NonZero::get);
    let report = verify(BufReader::with_capacity(1024 * 1024, opened), &keys, threads);
    let report = report.map_err(|error| format!("`{}`: {error}", file.display()))?;
    say(&if json { serde_json::to_string(&report).map_err(|e| e.to_string())? + "\n" } else { words(&report) })?;
    Ok(if report.sound { End::Sound } else { End::Faulty })
}

fn check(proof: Result<Proof, TrailError>, keys: &Keys, json: bool) -> Result<End, String> {
    let shown = proof.and_then(|proof| match proof {
        Proof::Inclusion(proof) => proof
            .verify(keys)
            .map(|(seq, at)| format!("entry {seq} of log {} is in the log of {} entries that was signed at {}", proof.log, at.size, at.at)),
        Proof::Consistency(proof) => proof.verify(keys).map(|(older, newer)| {
            format!("log {} has only grown: from {} entries at {} to {} at {}", proof.log, older.size, older.at, newer.size, newer.at)
        }),
    });
    let (sound, text) = shown.map_or_else(|error| (false, error.to_string()), |text| (true, text));
    let line = if json { serde_json::json!({ "sound": sound, "proof": text }).to_string() } else { text };
    say(&(line + "\n"))?;
    Ok(if sound { End::Sound } else { End::Faulty })
}

/// A certificate of an erasure.
fn certified(erasure: Result<Erasure, TrailError>, json: bool) -> Result<End, String> {
    let sound = erasure.is_ok();
    let line = match (erasure, json) {
        (Ok(erasure), true) => serde_json::json!({ "sound": true, "erasure": erasure }).to_string(),
        (Err(error), true) => serde_json::json!({ "sound": false, "erasure": error.to_string() }).to_string(),
        (Err(error), false) => error.to_string(),
        (Ok(erasure), false) => format!(
            "organisation {} was erased at {} by {}: {} keys destroyed, {} rows of {} tables deleted; entry {} of its log",
            erasure.tenant,
            erasure.erased_at,
            erasure.operator,
            erasure.keys.len(),
            erasure.rows.values().sum::<u64>(),
            erasure.rows.len(),
            erasure.entry
        ),
    };
    say(&(line + "\n"))?;
    Ok(if sound { End::Sound } else { End::Faulty })
}

fn words(report: &Report) -> String {
    let mut out = String::new();
    let place = |line: u64| if line == 0 { String::new() } else { format!("line {line}: ") };
    for fault in report.faults.iter().take(PRINTED_MAX) {
        out += &format!("FAULT {}{}\n", place(fault.line), fault.what);
    }
    for note in report.notes.iter().take(PRINTED_MAX) {
        out += &format!("note  {}{}\n", place(note.line), note.what);
    }
    let log = report.log.map_or_else(|| "unknown".to_owned(), |log| log.to_string());
    out += &format!("log {log}: {} entries, {} checkpoints", report.entries, report.checkpoints);
    if let Some(newest) = &report.newest {
        out += &format!(", signed up to entry {} at {}", newest.size, newest.at);
    }
    out += &match report.faults_total {
        0 => "; sound\n".to_owned(),
        n => format!("; {n} faults\n"),
    };
    out
}
