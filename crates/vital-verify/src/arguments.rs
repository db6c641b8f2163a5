//! The command line. It is simple enough to be read by hand, which keeps the program small.

use std::{ffi::OsString, path::PathBuf};

pub(crate) const HELP: &str = "\
Verifies exports and proofs of a VITAL Path audit trail, and certificates of erasures. Needs the file and a public key, and nothing else.

Usage:
  vital-verify FILE --key KEYS [--json]
  vital-verify witness --state FILE --key KEYS CHECKPOINT [--cosign KEYFILE]
  vital-verify make-key NAME KEYFILE

FILE        an export (`vital audit export --format jsonl`), a proof (`vital audit prove`, `vital audit consistency`),
            or the certificate of an erasure (`vital tenant erase`)
KEYS        public keys, one a line: the installation's `audit.pub`; ask for it on another way than for the export
CHECKPOINT  a signed checkpoint, alone or behind `old SIZE` and a consistency proof (C2SP tlog-witness); `-` reads standard input
--cosign    signs what was accepted with this private key and prints the signature line
--state     where the witness remembers what it has seen; made at the first use
--json      prints JSON

Exit codes: 0 sound, 1 faults were found or the checkpoint is refused, 2 wrong usage or a file that cannot be read.

Examples:
  vital-verify trail.jsonl --key audit.pub
  vital-verify proof.json --key audit.pub --json
  vital-verify make-key witness.example.org witness.key
  vital-verify witness --state seen.json --key audit.pub - --cosign witness.key < request
";

/// What to do.
pub(crate) enum Command {
    Help,
    Version,
    Verify { file: PathBuf, key: PathBuf, json: bool },
    Witness(Witness),
    Key { name: String, file: PathBuf },
}

/// Flags of the witness.
pub(crate) struct Witness {
    pub(crate) state: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) checkpoint: PathBuf,
    pub(crate) cosign: Option<PathBuf>,
}

#[derive(Default)]
struct Given {
    plain: Vec<OsString>,
    key: Option<PathBuf>,
    state: Option<PathBuf>,
    cosign: Option<PathBuf>,
    json: bool,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut given = Given::default();
    while let Some(argument) = arguments.next() {
        let mut value = |flag: &str| arguments.next().map(PathBuf::from).ok_or_else(|| format!("`{flag}` needs a file"));
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--version" | "-V") => return Ok(Command::Version),
            Some("--json") => given.json = true,
            Some("--key") => given.key = Some(value("--key")?),
            Some("--state") => given.state = Some(value("--state")?),
            Some("--cosign") => given.cosign = Some(value("--cosign")?),
            Some(flag) if flag.starts_with('-') && flag != "-" => return Err(format!("`{flag}` is not known")),
            _ => given.plain.push(argument),
        }
    }
    let verb = given.plain.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    let key = given.key.ok_or_else(|| "name the public keys with `--key`".to_owned());
    match (verb.as_str(), given.plain.as_slice()) {
        ("witness", [_, checkpoint]) => Ok(Command::Witness(Witness {
            state: given.state.ok_or("name the witness's memory with `--state`")?,
            key: key?,
            checkpoint: checkpoint.into(),
            cosign: given.cosign,
        })),
        ("witness", _) => Err("name one checkpoint; `-` reads standard input".to_owned()),
        ("make-key", [_, name, file]) => {
            Ok(Command::Key { name: name.to_str().ok_or("the name is not text")?.to_owned(), file: file.into() })
        }
        ("make-key", _) => Err("`make-key` wants a name and a file".to_owned()),
        (_, [file]) => Ok(Command::Verify { file: file.into(), key: key?, json: given.json }),
        (_, []) => Err("name the export or proof to verify".to_owned()),
        _ => Err("name one file".to_owned()),
    }
}
