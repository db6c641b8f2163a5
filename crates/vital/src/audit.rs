//! `vital audit …`: verify the trail against its checkpoints, prove what is in it, hand it out.
//!
//! Exit codes follow the table of all commands: 0 sound or done, 1 faults found or failed, 2 wrong usage.

use crate::{
    config::Config,
    failure::{Exit, Failure},
    operate::{tenant_of, with_platform},
    terminal,
};
use indicatif::ProgressBar;
use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;
use vital_platform::{
    Platform,
    audit::trail::{self, Format, Status, Which},
};
use vital_trail::{Hash, LogId, Report, sha256};

/// Faults and notes that are printed one by one.
const PRINTED_MAX: usize = 50;

/// `vital audit …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Hold the entries in the database against the signed checkpoints outside of it
    #[command(
        after_help = "Exit codes: 0 sound, 1 faults found, 2 wrong usage. Without `--tenant` all logs are verified, the installation's own too.

Examples:
  vital audit verify
  vital audit verify --tenant example-pharma --since 2026-11-01T00:00:00Z --json"
    )]
    Verify {
        /// One organisation (slug, or the id of one that is gone), or `installation`
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
        /// Every entry from the first one; the default
        #[arg(long, conflicts_with = "since")]
        full: bool,
        /// Begin behind the newest checkpoint before this moment (RFC 3339) and believe that one
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<OffsetDateTime>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prove that an entry is in the log; `vital-verify` checks the proof with the public key alone
    #[command(after_help = "Example:\n  vital audit prove --tenant example-pharma 0199f3c2-7c1e-7a51-b2a4-6f0d9f6f2c11 > proof.json")]
    Prove {
        /// Organisation, or `installation`
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Id of the entry
        entry: Uuid,
    },
    /// Prove that the log of one checkpoint is the beginning of a later one
    #[command(after_help = "With `--witness` it prints what a witness that knows OLD entries needs, and takes the newest checkpoint.

Examples:
  vital audit consistency --tenant example-pharma 12000 24000 > proof.json
  vital audit consistency --tenant example-pharma 12000 --witness | vital-verify witness --state seen.json --key audit.pub -")]
    Consistency {
        /// Organisation, or `installation`
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Entries in the older checkpoint
        old: u64,
        /// Entries in the newer one; the newest without it
        #[arg(conflicts_with = "witness")]
        new: Option<u64>,
        /// Print a request to a witness (C2SP tlog-witness)
        #[arg(long)]
        witness: bool,
    },
    /// Write the entries of one log
    #[command(after_help = "`jsonl` can be verified offline with `vital-verify`; `fhir` are FHIR R4 AuditEvents, `syslog` RFC 5424 lines.

Examples:
  vital audit export --tenant example-pharma --out trail.jsonl
  vital audit export --tenant example-pharma --format syslog | nc syslog.example.org 601")]
    Export {
        /// Organisation, or `installation`
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// `jsonl`, `fhir` or `syslog`
        #[arg(long, default_value = "jsonl")]
        format: Format,
        /// A new file; standard output without it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Tell what waits, what is signed, and what went wrong
    #[command(after_help = "Example:\n  vital audit status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the key that signs checkpoints; old checkpoints stay valid
    #[command(after_help = "Example:\n  vital audit rotate-key")]
    RotateKey,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write it as 2026-11-01T00:00:00Z".to_owned())
}

/// Runs a verb.
pub(crate) async fn run(config: &Config, verb: Audit) -> anyhow::Result<Exit> {
    with_platform(config, async |p| match verb {
        Audit::Verify { tenant, full: _, since, json } => verify(p, tenant, since, json).await,
        Audit::Prove { tenant, entry } => {
            terminal::json(&trail::prove(p, log_of(p, &tenant).await?, entry).await?)?;
            Ok(Exit::Done)
        }
        Audit::Consistency { tenant, old, new: _, witness: true } => {
            let request = trail::witness_request(p, log_of(p, &tenant).await?, old).await?;
            terminal::data(request.to_string().trim_end_matches('\n'))?;
            Ok(Exit::Done)
        }
        Audit::Consistency { tenant, old, new, witness: false } => {
            terminal::json(&trail::consistency(p, log_of(p, &tenant).await?, old, new).await?)?;
            Ok(Exit::Done)
        }
        Audit::Export { tenant, format, out } => export(p, &tenant, format, out).await,
        Audit::Status { json } => status(p, json).await,
        Audit::RotateKey => {
            terminal::data(&trail::rotate_signing_key(p).await?)?;
            terminal::talk("this is the new public key; give it to whoever verifies, and keep the old ones");
            Ok(Exit::Done)
        }
    })
    .await
}

/// A log by the slug of its organisation, by its id, or the installation's own.
async fn log_of(p: &Platform, name: &str) -> anyhow::Result<LogId> {
    match name.parse() {
        Ok(log) => Ok(log),
        Err(_) => Ok(LogId(tenant_of(p, name).await?.id.0)),
    }
}

async fn verify(p: &Platform, tenant: Option<String>, since: Option<OffsetDateTime>, json: bool) -> anyhow::Result<Exit> {
    let which = match &tenant {
        Some(name) => Which::One(log_of(p, name).await?),
        None => Which::All,
    };
    let erased: HashSet<Hash> = trail::erased(p)?;
    let bar = ProgressBar::no_length().with_message("entries");
    let reports =
        trail::verify(p, which, since, |id| erased.contains(&sha256(&[id.to_string().as_bytes()])), |n| bar.set_position(n)).await?;
    bar.finish_and_clear();
    let sound = reports.iter().all(|report| report.sound);
    for report in &reports {
        // What was found counts, whether it can be recorded or not.
        if let Err(error) = trail::record_verification(p, report, since.is_some()).await {
            terminal::talk(&format!("that this was verified could not be recorded: {error}"));
            break;
        }
    }
    if json {
        terminal::json(&serde_json::json!({ "sound": sound, "logs": reports }))?;
    } else {
        for report in &reports {
            terminal::data(&terminal::plain(words(report).trim_end()))?;
        }
        if reports.is_empty() {
            terminal::talk("there is no entry and no checkpoint yet");
        }
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

fn words(report: &Report) -> String {
    let mut out = String::new();
    let log = report.log.map_or_else(|| "?".to_owned(), |log| log.to_string());
    report.faults.iter().take(PRINTED_MAX).for_each(|fault| out += &format!("FAULT {log}: {}\n", fault.what));
    report.notes.iter().take(PRINTED_MAX).for_each(|note| out += &format!("note  {log}: {}\n", note.what));
    let signed = report.newest.as_ref().map_or_else(|| ", none signed".to_owned(), |n| format!(", signed up to {} at {}", n.size, n.at));
    let verdict = if report.sound { "sound".to_owned() } else { format!("{} faults", report.faults_total) };
    out + &format!("{log}: {} entries{signed}; {verdict}\n", report.entries)
}

async fn export(p: &Platform, tenant: &str, format: Format, out: Option<PathBuf>) -> anyhow::Result<Exit> {
    let log = log_of(p, tenant).await?;
    let bar = ProgressBar::no_length();
    let to: Box<dyn Write> = match &out {
        None => Box::new(io::stdout()),
        Some(path) => {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(made.map_err(|error| Failure::new(format!("`{}` cannot be made: {error}", path.display())).exit(Exit::Usage))?)
        }
    };
    let entries = trail::export(p, log, format, BufWriter::with_capacity(1024 * 1024, to), |n| bar.set_position(n)).await?;
    bar.finish_and_clear();
    terminal::talk(&format!("{entries} entries of {log}"));
    Ok(Exit::Done)
}

async fn status(p: &Platform, json: bool) -> anyhow::Result<Exit> {
    let status: Status = trail::status(p).await?;
    if json {
        terminal::json(&status)?;
        return Ok(Exit::Done);
    }
    for log in &status.logs {
        let signed_at = log.signed_at.map(|at| at.format(&Rfc3339)).transpose()?.unwrap_or_else(|| "never".to_owned());
        terminal::data(&format!("{:<36}  {:>10} entries  {:>10} signed  {signed_at}", log.log, log.entries, log.signed))?;
    }
    terminal::data(&format!("waiting: {}, the oldest for {} s; not signed yet: {}", status.waiting, status.lag_s, status.unsigned))?;
    terminal::data(if status.folder_writable {
        "the folder of checkpoints can be written"
    } else {
        "the folder of checkpoints CANNOT be written"
    })?;
    terminal::data(&match status.verified {
        None => "all logs together were never verified".to_owned(),
        Some(v) => {
            format!("verified at {}: {}", v.at.format(&Rfc3339)?, if v.sound { "sound" } else { "FAULTS, see `vital audit verify`" })
        }
    })?;
    Ok(Exit::Done)
}
