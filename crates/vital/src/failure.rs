//! How the command line tells what went wrong: one `error:` line, a `hint:` line where there is a remedy, an exit code.
//!
//! Messages have no trailing period and set literals in back-ticks. Libraries keep their own typed errors; `anyhow` is used in this
//! binary alone, and what it carries is printed in one place, [`report`].

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

/// How a command ended, as the shell sees it. `docs/CLI.md` states the numbers for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or answered.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The command line itself is wrong; clap uses the same number.
    Usage = 2,
    /// The platform found too little evidence and said so.
    NoEvidence = 3,
    /// Nobody is signed in, or the session has ended.
    NotSignedIn = 4,
    /// The server could not be reached, or it or a provider behind it failed.
    Server = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    exit: Exit,
}

impl Failure {
    /// Makes a failure that exits with 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::Failed }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit code.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code that an error asks for; 1 where it asks for none.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit)
}

/// Tells whether the reader of standard output went away, which is no failure: `vital … | head`.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error with its causes and its hint to standard error.
pub(crate) fn report(error: &anyhow::Error) {
    let stderr = io::stderr();
    let coloured = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    // There is nowhere left to complain when standard error is gone.
    let _ = stderr.lock().write_all(render(error, coloured).as_bytes());
}

fn render(error: &anyhow::Error, coloured: bool) -> String {
    let (red, cyan, plain) = if coloured { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
    let mut out = format!("{red}error{plain}: {}\n", words(error));
    if let Some(hint) = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.as_deref()) {
        out.push_str(&format!("{cyan}hint{plain}: {}\n", trim(hint)));
    }
    out
}

/// The error and its causes, joined by colons. A cause that its parent has quoted already is left out.
fn words(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        if let Some(domain) = cause.downcast_ref::<vital_kernel::Error>() {
            // The cause of a domain error is for the log; fields say what to change.
            let fields: String =
                domain.fields().iter().map(|f| format!("\n  {}: {}", f.pointer.trim_start_matches('/'), trim(&f.detail))).collect();
            return join(&out, &format!("{}{fields}", trim(domain.detail())));
        }
        let text = cause.to_string();
        if !out.contains(trim(&text)) {
            out = join(&out, trim(&text));
        }
    }
    out
}

fn join(before: &str, next: &str) -> String {
    if before.is_empty() { next.to_owned() } else { format!("{before}: {next}") }
}

fn trim(text: &str) -> &str {
    let text = text.trim_end();
    text.strip_suffix('.').filter(|rest| !rest.ends_with('.')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_has_no_trailing_period_and_its_hint_stands_on_a_line_of_its_own() {
        let error = anyhow::Error::from(Failure::new("port `8080` is taken.").hint("choose another with `--listen`.").exit(Exit::Server));
        assert_eq!(render(&error, false), "error: port `8080` is taken\nhint: choose another with `--listen`\n");
        assert_eq!(exit_of(&error), Exit::Server);
        assert!(render(&error, true).contains("\x1b[1;31merror\x1b[0m:"));
    }

    #[test]
    fn a_hint_and_an_exit_code_survive_added_context() {
        let error = Err::<(), _>(Failure::new("inner").hint("do this").exit(Exit::NotSignedIn)).context("outer").unwrap_err();
        assert_eq!(render(&error, false), "error: outer: inner\nhint: do this\n");
        assert_eq!(exit_of(&error), Exit::NotSignedIn);
    }

    #[test]
    fn a_domain_error_shows_its_fields_and_never_its_cause() {
        let error = vital_kernel::Error::invalid("user.invalid", "Some fields need another look.")
            .with_field("/email", "Write an e-mail address.")
            .with_source(io::Error::other("secret"));
        assert_eq!(render(&error.into(), false), "error: Some fields need another look\n  email: Write an e-mail address\n");
    }
}
