//! `vital-secrets [FOLDER]`: looks for secrets in a git repository and its history; `script/secrets` runs it.
//!
//! Exit code 0: nothing; 1: secrets, or entries of the list that meet nothing; 2: the repository could not be judged.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use vital_secrets::{Report, check};

/// The list of what is allowed, from the top of the repository.
const LIST: &str = "script/secrets.allowed.toml";

fn main() -> ExitCode {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let start = Instant::now();
    let outcome = check(&folder, &folder.join(LIST));
    let told = match &outcome {
        Ok(report) => tell(&mut io::stdout().lock(), report, start),
        Err(e) => writeln!(io::stderr(), "error: {e}"),
    };
    match (outcome, told) {
        (Ok(report), Ok(())) if report.is_clean() => ExitCode::SUCCESS,
        (Ok(_), Ok(())) => ExitCode::from(1),
        _ => ExitCode::from(2),
    }
}

fn tell(out: &mut impl Write, report: &Report, start: Instant) -> io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    for name in &report.too_large {
        writeln!(out, "{name}: too large to be looked at")?;
    }
    for entry in &report.stale {
        writeln!(
            out,
            "{LIST}: {} of {} meets nothing{}",
            entry.fingerprint,
            entry.path,
            if report.shallow { " in this shallow clone" } else { "; take it out" }
        )?;
    }
    let Report { files, blobs, messages, allowed, .. } = report;
    let seconds = start.elapsed().as_secs_f64();
    let depth = if report.shallow { "the last commits (this clone is shallow)" } else { "the whole history" };
    writeln!(
        out,
        "{files} files, and {blobs} blobs and {messages} messages of {depth}, in {seconds:.1} s: {} secrets, {allowed} allowed",
        report.findings.len()
    )?;
    if !report.findings.is_empty() {
        let list = Path::new(LIST).display();
        writeln!(
            out,
            "A secret that was committed is known: replace it at its issuer first. What is none goes into {list} with the reason."
        )?;
    }
    Ok(())
}
