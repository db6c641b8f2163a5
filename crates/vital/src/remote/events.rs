//! Follows the events of a turn over dropped connections and restarts of the server.
//!
//! **Invariant:** each event is handed on once and in order: after a drop the server is asked for what follows the last number that was
//! seen (`Last-Event-ID`), and a number that is not larger is left out. Only `done` ends a turn; the end of a connection never does.

use super::client::{Client, Problem};
use crate::failure::{Exit, Failure};
use reqwest::{Method, StatusCode, header};
use std::time::Duration;
use uuid::Uuid;
use vital_llm::sse::{Decoder, Frame};
use vital_platform::ask::{StoredEvent, TurnEvent};

/// A server sends a comment at least every ten seconds, so a longer silence means a dead connection.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Pauses before each attempt to come back; after the last one the follower gives up. Any new event begins them anew. Together
/// they are longer than a restart of the server takes.
const PAUSES_MS: [u64; 8] = [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 8_000];

/// One event: as it came, and as this version understands it.
pub(crate) struct Event {
    /// The JSON as it came, one line.
    pub(crate) raw: String,
    /// What it says; none where a newer server says something new.
    pub(crate) known: Option<TurnEvent>,
}

/// How far a turn was followed.
#[derive(Debug, Default)]
struct Position {
    last: i32,
    done: bool,
}

/// Why a connection ended before the turn did.
#[derive(Debug)]
enum Drop {
    /// Coming back makes sense.
    Away(String),
    /// It does not.
    Final(anyhow::Error),
}

/// Follows a turn to its end and hands every event on, once.
///
/// # Errors
/// Exit code 5 when the server stays away, 4 when the session ends; and any error of `each`, which ends the following.
pub(crate) async fn follow(client: &Client, turn: Uuid, mut each: impl FnMut(Event) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut position = Position::default();
    let mut attempt = 0;
    loop {
        let before = position.last;
        let dropped = connection(client, turn, &mut position, &mut each).await;
        if position.done {
            return Ok(());
        }
        if position.last > before {
            attempt = 0;
        }
        let why = match dropped {
            Drop::Away(why) => why,
            Drop::Final(error) => return Err(error),
        };
        let Some(pause_ms) = PAUSES_MS.get(attempt) else {
            let failure = Failure::new(format!("the connection to `{}` was lost ({why}) and could not be made again", client.address()));
            return Err(failure
                .hint("the question is kept: the answer stands in the conversation once the server is back")
                .exit(Exit::Server)
                .into());
        };
        tracing::debug!(why, attempt, last = position.last, "the event stream ended early; coming back");
        tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
        attempt += 1;
    }
}

/// Reads one connection to its end.
async fn connection(client: &Client, turn: Uuid, position: &mut Position, each: &mut impl FnMut(Event) -> anyhow::Result<()>) -> Drop {
    let request = client.request(Method::GET, &format!("/api/v1/turns/{turn}/events")).header(header::ACCEPT, "text/event-stream");
    let request = if position.last > 0 { request.header("last-event-id", position.last) } else { request };
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Drop::Away(client.unreachable(&error).to_string()),
    };
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Drop::Away(client.problem_of(response).await.to_string());
    }
    if !status.is_success() {
        return Drop::Final(client.problem_of(response).await);
    }
    let mut decoder = Decoder::new();
    loop {
        let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Drop::Away("the server ended the stream".to_owned()),
            Ok(Err(_)) => return Drop::Away("the connection broke".to_owned()),
            Err(_) => return Drop::Away(format!("nothing came for {} s", SILENCE_MAX.as_secs())),
        };
        for frame in decoder.push(&chunk) {
            let read = frame.map_err(|error| Drop::Final(error.into())).and_then(|frame| position.accept(&frame));
            match read {
                Ok(Some(event)) => {
                    if let Err(error) = each(event) {
                        return Drop::Final(error);
                    }
                }
                Ok(None) => {}
                Err(dropped) => return dropped,
            }
            if position.done {
                return Drop::Away("the turn is done".to_owned());
            }
        }
    }
}

impl Position {
    /// Takes a frame: an event that is new, nothing for one that is not, or why the stream cannot go on.
    fn accept(&mut self, frame: &Frame) -> Result<Option<Event>, Drop> {
        let unreadable = || Drop::Final(Failure::new("the server sent an event that cannot be read").exit(Exit::Server).into());
        let value: serde_json::Value = serde_json::from_str(&frame.data).map_err(|_| unreadable())?;
        let Some(seq) = value.get("seq").and_then(serde_json::Value::as_i64) else {
            // A problem of the stream itself has no number; the turn goes on without it.
            let problem = serde_json::from_value::<Problem>(value).map_err(|_| unreadable())?;
            return Err(Drop::Away(format!("{} ({})", problem.detail.trim_end_matches('.'), problem.code)));
        };
        let seq = i32::try_from(seq).map_err(|_| unreadable())?;
        if seq <= self.last {
            return Ok(None);
        }
        self.last = seq;
        self.done = value.get("kind").is_some_and(|kind| kind == "done");
        let known = serde_json::from_value::<StoredEvent>(value).ok().map(|stored| stored.event);
        Ok(Some(Event { raw: frame.data.replace(['\n', '\r'], " "), known }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

    /// A real server that plays one script for each connection and notes the `Last-Event-ID` of each.
    async fn play(scripts: Vec<String>) -> (Client, Arc<Mutex<Vec<Option<i32>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::with_token(&format!("http://{}", listener.local_addr().unwrap()), "t0ken");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (read, mut write) = stream.split();
                let mut lines = BufReader::new(read).lines();
                let (mut after, mut token) = (None, false);
                while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
                    after = line.strip_prefix("last-event-id: ").map(|n| n.parse().unwrap()).or(after);
                    token |= line == "authorization: Bearer t0ken";
                }
                assert!(token);
                noted.lock().unwrap().push(after);
                write.write_all(script.as_bytes()).await.unwrap();
                write.shutdown().await.unwrap();
            }
        });
        (client, seen)
    }

    fn usage(seq: i32) -> String {
        format!(
            "id: {seq}\nevent: usage\ndata: {{\"seq\":{seq},\"kind\":\"usage\",\"composer\":\"x\",\"input_tokens\":0,\"output_tokens\":0,\"elapsed_ms\":1}}\n\n"
        )
    }

    fn done(seq: i32) -> String {
        format!(
            "id: {seq}\nevent: done\ndata: {{\"seq\":{seq},\"kind\":\"done\",\"state\":\"answered\",\"confidence\":null,\"trust\":null}}\n\n"
        )
    }

    async fn numbers(client: &Client) -> anyhow::Result<Vec<i64>> {
        let mut seen = Vec::new();
        follow(client, Uuid::nil(), |event| {
            seen.push(serde_json::from_str::<serde_json::Value>(&event.raw)?["seq"].as_i64().unwrap());
            assert!(event.known.is_some());
            Ok(())
        })
        .await?;
        Ok(seen)
    }

    #[tokio::test]
    async fn a_dropped_connection_is_resumed_without_loss_or_duplicate() {
        let cut = "id: 4\nevent: usage\ndata: {\"seq\":4,\"ki";
        let first = format!("{OK}retry: 1000\n\n{}{}: keep-alive\n\n{}{cut}", usage(1), usage(2), usage(3));
        let second = format!("{OK}{}{}{}", usage(3), usage(4), done(5));
        let (client, asked) = play(vec![first, second]).await;
        assert_eq!(numbers(&client).await.unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(*asked.lock().unwrap(), [None, Some(3)]);
    }

    #[tokio::test]
    async fn a_problem_of_the_stream_and_an_unavailable_server_are_waited_out() {
        let problem = "event: problem\ndata: {\"code\":\"db.away\",\"detail\":\"The database does not answer.\"}\n\n";
        let unavailable = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
        let (client, asked) = play(vec![format!("{OK}{}{problem}", usage(1)), unavailable, format!("{OK}{}", done(2))]).await;
        assert_eq!(numbers(&client).await.unwrap(), [1, 2]);
        assert_eq!(*asked.lock().unwrap(), [None, Some(1), Some(1)]);
    }

    #[tokio::test]
    async fn an_ended_session_is_not_tried_again() {
        let refused = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
        let (client, asked) = play(vec![format!("{OK}{}", usage(1)), refused]).await;
        let error = numbers(&client).await.unwrap_err();
        assert_eq!(crate::failure::exit_of(&error), Exit::NotSignedIn);
        assert_eq!(asked.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn nothing_follows_done_and_a_new_kind_of_event_is_handed_on_as_it_came() {
        let new = "data: {\"seq\":1,\"kind\":\"artifact\",\"x\":1}\n\n";
        let (client, _) = play(vec![format!("{OK}{new}{}{}", done(2), usage(3))]).await;
        let mut seen = Vec::new();
        follow(&client, Uuid::nil(), |event| {
            seen.push((event.raw, event.known.is_some()));
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], ("{\"seq\":1,\"kind\":\"artifact\",\"x\":1}".to_owned(), false));
        assert!(seen[1].1);
    }

    #[tokio::test]
    async fn a_reader_that_fails_ends_the_following() {
        let (client, asked) = play(vec![format!("{OK}{}{}", usage(1), done(2))]).await;
        let error = follow(&client, Uuid::nil(), |_| anyhow::bail!("full")).await.unwrap_err();
        assert_eq!(error.to_string(), "full");
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}
