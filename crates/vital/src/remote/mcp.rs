//! `vital mcp`: the Model Context Protocol over standard input and output, for clients that start their servers themselves. Each line is
//! a message; it goes to the `/mcp` of a running server, and what comes back is written line by line.
//!
//! **Invariants:** nothing but messages goes to standard output; a line is bounded; every request gets a reply, also where the server
//! cannot be reached. A session that the server has forgotten is opened again with the client's own `initialize`.

mod lines;
mod wire;

use super::client::{Client, Server};
use crate::failure::Exit;
use lines::{Input, Output};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{Door, Message};

/// Requests in work at once; further lines wait.
const AT_ONCE: usize = 24;
/// How long requests in work may still take once the client has closed our input.
const DRAIN: Duration = Duration::from_millis(1_500);

/// Flags of `vital mcp`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A client of the Model Context Protocol starts this and talks to it over standard input and output. It acts as who signed in
with `vital login`, or with the API key in VITAL_TOKEN. docs/MCP.md has the settings of common clients.

Examples:
  vital login --email me@example.org && vital mcp
  VITAL_TOKEN=… vital mcp --url https://vital.example.org"
)]
pub(crate) struct Mcp {
    #[command(flatten)]
    server: Server,
}

/// Carries messages until the input ends.
///
/// # Errors
/// When nobody is signed in, or the output is closed.
pub(crate) async fn run(flags: Mcp) -> anyhow::Result<Exit> {
    let door = Door::new(Client::with_key_or_signed_in(&flags.server)?);
    let (mut input, output) = (Input::open(), Output::open());
    let bridge = Arc::new(Bridge { door, output, calls: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) });
    let (tasks, over) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let line = tokio::select! {
            line = input.next() => line,
            () = bridge.output.closed() => break,
        };
        match line {
            None => break,
            Some(Err(refusal)) => bridge.output.write(&refusal),
            Some(Ok(line)) => bridge.take(&tasks, &over, Message::read(line)).await,
        }
    }
    tasks.close();
    let _ = tokio::time::timeout(DRAIN, async {
        bridge.finish(&tasks, &over).await;
    })
    .await;
    bridge.door.leave().await;
    bridge.output.finish();
    Ok(Exit::Done)
}

struct Bridge {
    door: Door,
    output: Output,
    /// The requests in work that leaving cancels.
    calls: Mutex<HashMap<String, CancellationToken>>,
    places: Arc<Semaphore>,
}

impl Bridge {
    /// Takes a line. What opens the session and what needs no reply is done in order; requests are then carried side by side.
    async fn take(self: &Arc<Self>, tasks: &TaskTracker, over: &CancellationToken, message: Message) {
        if self.cancels(&message) {
            return;
        }
        if message.opens() || message.id.is_none() {
            let opened = message.opens();
            self.carry(message).await;
            if opened {
                let (bridge, over) = (Arc::clone(self), over.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = bridge.door.listen(|line| bridge.output.write(&line)) => {}
                        () = over.cancelled() => {}
                    }
                });
            }
            return;
        }
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
        let stop = self.begin(&message);
        let bridge = Arc::clone(self);
        tasks.spawn(async move {
            let key = message.key();
            tokio::select! {
                () = bridge.carry(message) => {}
                () = stop.cancelled() => {}
            }
            bridge.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            drop(place);
        });
    }

    /// Sends a message and writes what comes back; where nothing does, a failure in its place.
    async fn carry(&self, message: Message) {
        let (id, mut replied) = (message.id.clone(), false);
        let carried = self
            .door
            .send(&message, |line| {
                replied |= wire::is_reply_to(&line, id.as_ref());
                self.output.write(&line);
            })
            .await;
        let why = match carried {
            Ok(()) if replied || id.is_none() => return,
            Ok(()) => "The server's reply broke off before its end. What was asked is kept in the product.".to_owned(),
            Err(error) => {
                crate::terminal::talk(&format!("error: {error}"));
                error.to_string()
            }
        };
        if let Some(id) = id.filter(|_| !replied) {
            self.output.write(&wire::failure(&id, &why));
        }
    }

    /// Leaves the request that a message cancels, where leaving is how that is said to the server.
    fn cancels(&self, message: &Message) -> bool {
        let Some(id) = message.cancelled() else { return false };
        let call = self.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.to_string());
        call.inspect(CancellationToken::cancel).is_some()
    }

    fn begin(&self, message: &Message) -> CancellationToken {
        let stop = CancellationToken::new();
        if message.revision.is_some() {
            self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(message.key(), stop.clone());
        }
        stop
    }

    /// Waits for the requests in work, then ends the stream that never ends by itself.
    async fn finish(&self, tasks: &TaskTracker, over: &CancellationToken) {
        let places = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(places).await;
        over.cancel();
        tasks.wait().await;
    }
}

/// The id of a message as it stands in JSON, so that `1` and `"1"` are two.
fn key(id: &Value) -> String {
    id.to_string()
}
