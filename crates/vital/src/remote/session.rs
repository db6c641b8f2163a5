//! `vital login` and `vital logout`.

use super::{
    client::{Client, Reply, Server},
    credentials::{Credentials, Session, path},
};
use crate::{
    failure::{Exit, Failure},
    terminal,
};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

/// Flags of `vital login`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  vital login --url http://127.0.0.1:8080 --email me@example.org")]
pub(crate) struct Login {
    #[command(flatten)]
    server: Server,
    /// E-mail address; asked for unless given
    #[arg(long)]
    email: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Code of the authenticator app, or a recovery code; asked for when the account needs one
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Keep an API key instead of signing in: the key is read from the first line of standard input
    #[arg(long, conflicts_with_all = ["email", "password_stdin", "code"])]
    key_stdin: bool,
}

/// What signing in brought: a session, or the ticket for the second step.
#[derive(Deserialize)]
#[serde(untagged)]
enum Begun {
    Done(Token),
    SecondFactor { ticket: String },
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// Signs in and keeps the session for later commands.
pub(crate) async fn login(flags: Login) -> anyhow::Result<Exit> {
    let client = Client::anonymous(&flags.server)?;
    let path = path()?;
    // Read first: a file that cannot be used is told before a password is asked for.
    let mut credentials = Credentials::read(&path)?;
    if flags.key_stdin {
        let token = terminal::password("API key: ", true)?;
        credentials.servers.insert(client.address(), Session { email: "API key".to_owned(), token });
        credentials.latest = Some(client.address());
        credentials.write(&path)?;
        let me: Me = Client::signed_in(&flags.server)?.get("/api/v1/me").await?;
        terminal::talk(&format!("this key acts on {} as {}", client.address(), terminal::plain(&me.email)));
        return Ok(Exit::Done);
    }
    let email = match flags.email {
        Some(email) => email,
        None => terminal::ask_line("E-mail: ", "--email")?,
    };
    let password = terminal::password("Password: ", flags.password_stdin)?;
    let body = serde_json::json!({ "email": email, "password": password });
    let token = match client.post("/api/v1/session", &body).await? {
        Begun::Done(Token { token }) => token,
        Begun::SecondFactor { ticket } => second_step(&client, &ticket, flags.code).await?,
    };
    credentials.servers.insert(client.address(), Session { email: email.clone(), token });
    credentials.latest = Some(client.address());
    credentials.write(&path)?;
    terminal::talk(&format!("signed in to {} as {}", client.address(), terminal::plain(&email)));
    Ok(Exit::Done)
}

#[derive(Deserialize)]
struct Me {
    email: String,
}

/// Gives the second factor, as a code: passkeys need a browser.
async fn second_step(client: &Client, ticket: &str, code: Option<String>) -> anyhow::Result<String> {
    let code = match code {
        Some(code) => code,
        None => terminal::ask_line("Code of your authenticator app, or a recovery code: ", "--code")?,
    };
    let code = code.trim();
    let kind = if code.len() <= 8 && code.chars().all(|c| c.is_ascii_digit() || c == ' ') { "totp" } else { "recovery_code" };
    let body = serde_json::json!({ "ticket": ticket, "proof": { kind: code } });
    let Token { token } = client.post("/api/v1/session/second-factor", &body).await?;
    Ok(token)
}

/// Ends the session on the server and forgets it.
pub(crate) async fn logout(server: Server) -> anyhow::Result<Exit> {
    let client = Client::signed_in(&server)?;
    let ended = client.reply::<serde_json::Value>(client.request(Method::DELETE, "/api/v1/session")).await;
    let path = path()?;
    let mut credentials = Credentials::read(&path)?;
    credentials.servers.remove(&client.address());
    credentials.latest = credentials.latest.filter(|latest| *latest != client.address());
    credentials.write(&path)?;
    match ended {
        Ok(Reply::Value(_) | Reply::Refused(StatusCode::UNAUTHORIZED, _)) => {
            terminal::talk(&format!("signed out of {}", client.address()));
            Ok(Exit::Done)
        }
        Ok(Reply::Refused(status, problem)) => {
            Err(client.refused(status, &problem).context("the session is forgotten here, but was not ended on the server"))
        }
        Err(_) => {
            let failure = Failure::new(format!("the session is forgotten here, but `{}` could not be told to end it", client.address()));
            Err(failure.hint("it ends by itself when it has rested long enough").exit(Exit::Server).into())
        }
    }
}
