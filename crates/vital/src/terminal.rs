//! Standard output for data, standard error for talk, and what must be asked of a person.
//!
//! **Invariant:** a password is never echoed, never an argument, and the terminal's settings are put back however the question ends.

use crate::failure::{Exit, Failure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, IsTerminal, Write},
};
use vital_kernel::limits::PASSWORD_BYTES_MAX;

/// Longest line that is read from a person.
const LINE_BYTES_MAX: u64 = 4096;

/// Writes one line of data.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn data(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes data as it is.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes one line of JSON.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(data(&serde_json::to_string(value)?)?)
}

/// Writes one line of talk. Losing it changes nothing.
pub(crate) fn talk(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Tells whether standard output is a terminal that may be coloured.
pub(crate) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Replaces the control characters of text from elsewhere: it must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Asks for a line on the terminal.
///
/// # Errors
/// When there is no terminal, or the person ends the input.
pub(crate) fn ask_line(prompt: &str, flag: &str) -> anyhow::Result<String> {
    let mut terminal = open_terminal(flag)?;
    read_answer(&mut terminal, prompt)
}

/// Reads a password: the first line of standard input if asked to, else from the terminal without echo.
///
/// # Errors
/// When there is no terminal or no input, or the password is empty or longer than any that is accepted.
pub(crate) fn password(prompt: &str, from_stdin: bool) -> anyhow::Result<String> {
    let password = if from_stdin {
        first_line(io::stdin().lock())?
    } else {
        let mut terminal = open_terminal("--password-stdin")?;
        let _silence = Silence::on(&terminal)?;
        let answer = read_answer(&mut terminal, prompt);
        // The line feed that the person typed was not echoed either.
        let _ = terminal.write_all(b"\n");
        answer?
    };
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(Failure::new(format!("the password is empty or longer than {PASSWORD_BYTES_MAX} bytes")).exit(Exit::Usage).into());
    }
    Ok(password)
}

fn open_terminal(flag: &str) -> anyhow::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| {
        let failure = Failure::new("there is no terminal to ask on");
        failure.hint(format!("give the answer with `{flag}`")).exit(Exit::Usage).into()
    })
}

fn read_answer(terminal: &mut File, prompt: &str) -> anyhow::Result<String> {
    terminal.write_all(prompt.as_bytes())?;
    terminal.flush()?;
    first_line(BufReader::new(terminal))
}

fn first_line(input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    let read = input.take(LINE_BYTES_MAX).read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::new("the input ended before a line was read").exit(Exit::Usage).into()),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(anyhow::Error::from(error).context("the input cannot be read")),
    }
}

/// Keeps the terminal from echoing until it is dropped.
struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    fn on(terminal: &File) -> anyhow::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_taken_without_its_ending_and_keeps_its_blanks() {
        assert_eq!(first_line(" two words \r\nmore".as_bytes()).unwrap(), " two words ");
        assert_eq!(first_line("\n".as_bytes()).unwrap(), "");
        assert!(first_line("".as_bytes()).is_err());
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\n\tc"), "a\u{fffd}[2Jb\u{fffd}\n\tc");
    }
}
