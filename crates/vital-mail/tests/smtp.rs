//! Delivery against a server that plays a script on the loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not see as tests")]

use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use vital_mail::{MailError, Mailer, Message, Security, SmtpConfig};

/// What the server says at the steps that differ between tests. An empty reply means that it falls silent.
#[derive(Clone, Copy)]
struct Script {
    greeting: &'static str,
    capabilities: &'static str,
    recipient: &'static str,
    end_of_data: &'static str,
}

const FRIENDLY: Script = Script {
    greeting: "220 ready",
    capabilities: "250-mail.example.org\r\n250-8BITMIME\r\n250 AUTH PLAIN",
    recipient: "250 ok",
    end_of_data: "250 queued",
};

/// An SMTP server on the loopback that plays a script and records every line it reads.
struct ScriptedSmtp {
    port: u16,
    lines: mpsc::UnboundedReceiver<String>,
}

impl ScriptedSmtp {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::converse(stream, script, seen.clone()));
            }
        });
        Self { port, lines }
    }

    async fn converse(stream: TcpStream, script: Script, seen: mpsc::UnboundedSender<String>) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut reply = script.greeting;
        let mut in_data = false;
        loop {
            if !reply.is_empty() && write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
                return;
            }
            let Ok(Some(line)) = lines.next_line().await else { return };
            let _ = seen.send(line.clone());
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            reply = match verb.as_str() {
                "." if in_data => {
                    in_data = false;
                    script.end_of_data
                }
                _ if in_data => "",
                "EHLO" => script.capabilities,
                "AUTH" => "235 welcome",
                "RCPT" => script.recipient,
                "DATA" => {
                    in_data = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
        }
    }

    fn config(&self) -> SmtpConfig {
        SmtpConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            security: Security::PlainLoopbackOnly,
            username: None,
            password: None,
            from: "VITAL Path <no-reply@example.org>".into(),
            timeout: Duration::from_secs(20),
        }
    }

    fn read(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }
}

const SECRET: &str = "secret-link-4711";

fn message() -> Message {
    Message { to: "ada@example.net".into(), subject: "Your invitation".into(), text: format!("Open {SECRET}\n.\nQUIT\n") }
}

async fn outcome(script: Script) -> MailError {
    let server = ScriptedSmtp::start(script).await;
    let error = Mailer::smtp(server.config()).unwrap().send(&message()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("ada@"), "{shown}");
    error
}

#[tokio::test]
async fn a_message_arrives_whole_even_with_a_lonely_dot() {
    let mut server = ScriptedSmtp::start(FRIENDLY).await;
    let mut config = server.config();
    config.username = Some("platform".into());
    config.password = Some(vital_keys::SecretText::given("pass phrase"));
    Mailer::smtp(config).unwrap().send(&message()).await.unwrap();
    let lines = server.read();
    assert!(lines.iter().any(|l| l.starts_with("AUTH PLAIN ")), "{lines:?}");
    assert!(lines.contains(&"RCPT TO:<ada@example.net>".to_owned()), "{lines:?}");
    assert!(lines.contains(&format!("Open {SECRET}")) && lines.contains(&"..".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_4xx_reply_is_temporary() {
    let error = outcome(Script { recipient: "451 ada@example.net try later", ..FRIENDLY }).await;
    assert!(matches!(error, MailError::RejectedForNow { code: 451 }) && error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn a_5xx_reply_is_permanent_at_every_step() {
    let error = outcome(Script { recipient: "550 no such user ada@example.net", ..FRIENDLY }).await;
    assert!(matches!(error, MailError::Rejected { code: 550 }) && !error.is_temporary(), "{error:?}");
    let error = outcome(Script { end_of_data: "554 spam", ..FRIENDLY }).await;
    assert!(matches!(error, MailError::Rejected { code: 554 }), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    for script in [Script { greeting: "", ..FRIENDLY }, Script { end_of_data: "", ..FRIENDLY }] {
        let server = ScriptedSmtp::start(script).await;
        let mut config = server.config();
        config.timeout = Duration::from_millis(150);
        let error = Mailer::smtp(config).unwrap().send(&message()).await.unwrap_err();
        assert!(matches!(error, MailError::TooSlow(_)) && error.is_temporary(), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_message() {
    let mut server = ScriptedSmtp::start(FRIENDLY).await;
    let mut config = server.config();
    config.security = Security::StartTls;
    config.username = Some("platform".into());
    config.password = Some(vital_keys::SecretText::given("pass phrase"));
    let error = Mailer::smtp(config).unwrap().send(&message()).await.unwrap_err();
    assert!(matches!(error, MailError::NotOffered), "{error:?}");
    let lines = server.read();
    assert!(lines.iter().all(|l| l.starts_with("EHLO") || l.starts_with("QUIT")), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_speaks_plain_text_where_tls_is_due_is_refused() {
    let server = ScriptedSmtp::start(FRIENDLY).await;
    let mut config = server.config();
    config.security = Security::Tls;
    let error = Mailer::smtp(config).unwrap().send(&message()).await.unwrap_err();
    assert!(matches!(error, MailError::Encryption | MailError::Unreachable), "{error:?}");
}

#[tokio::test]
async fn nonsense_and_a_closed_port_are_told_apart() {
    let error = outcome(Script { greeting: "HTTP/1.1 200 OK", ..FRIENDLY }).await;
    assert!(matches!(error, MailError::Protocol), "{error:?}");
    let server = ScriptedSmtp::start(FRIENDLY).await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = SmtpConfig { port: closed, ..server.config() };
    let error = Mailer::smtp(config).unwrap().send(&message()).await.unwrap_err();
    assert!(matches!(error, MailError::Unreachable) && error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn unsafe_settings_are_refused_before_anything_is_sent() {
    let server = ScriptedSmtp::start(FRIENDLY).await;
    let good = server.config();
    let bad = [
        SmtpConfig { host: "mail.example.org".into(), ..good.clone() },
        SmtpConfig { host: "192.0.2.7".into(), ..good.clone() },
        SmtpConfig { username: Some("only".into()), ..good.clone() },
        SmtpConfig { timeout: Duration::ZERO, ..good.clone() },
        SmtpConfig { from: "nobody\r\nBcc: eve@evil.example".into(), ..good.clone() },
    ];
    for config in bad {
        assert!(matches!(Mailer::smtp(config), Err(MailError::Configuration(_))));
    }
}

#[tokio::test]
async fn a_password_that_was_exchanged_in_its_file_is_used_for_the_next_message() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.password");
    let put = |text: &str| {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    put("first\n");
    let mut server = ScriptedSmtp::start(FRIENDLY).await;
    let mut config = server.config();
    config.username = Some("platform".into());
    config.password = Some(vital_keys::SecretText::in_file(&path, |_| Ok(())).unwrap());
    let mailer = Mailer::smtp(config).unwrap();
    let mut logins = Vec::new();
    for text in ["first\n", "other\n", ""] {
        put(text);
        mailer.send(&message()).await.unwrap();
        logins.extend(server.read().into_iter().filter(|line| line.starts_with("AUTH PLAIN ")));
    }
    // "\0platform\0first" and "\0platform\0other"; an empty file changes nothing.
    let expected = ["AHBsYXRmb3JtAGZpcnN0", "AHBsYXRmb3JtAG90aGVy", "AHBsYXRmb3JtAG90aGVy"].map(|text| format!("AUTH PLAIN {text}"));
    assert_eq!(logins, expected);
}
