//! Uses a tool server on this machine that was made with the official Python package, as `script/tool-servers` starts one.
//!
//! The argument is its address. Ends with an error at the first thing that is not as it should be.

#![expect(clippy::print_stdout, reason = "a program for a script")]

use serde_json::json;
use std::{error::Error, time::Duration};
use tokio::time::Instant;
use vital_mcp_client::{Auth, Client, ClientError, Session};
use vital_outbound::{Egress, Outbound, Purpose};

fn expect(fine: bool, what: &str) -> Result<(), Box<dyn Error>> {
    println!("{} {what}", if fine { "ok  " } else { "FAIL" });
    if fine { Ok(()) } else { Err(what.into()) }
}

async fn text(session: &mut Session, tool: &str, arguments: serde_json::Value) -> Result<(String, bool), ClientError> {
    session.call(tool, &arguments).await.map(|result| (result.text, result.is_error))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("give the address of the server")?;
    let egress = Egress::default().loopback_issuers(true);
    let outbound = Outbound::builder(Purpose::Tool).egress(egress).plain_http().build()?;
    let client = Client::new(outbound, &address, &Auth::None)?;
    let mut session = client.connect(Instant::now() + Duration::from_secs(30)).await?;
    expect(session.server == "Official tools 1", "a session is agreed on")?;
    let listing = session.tools().await?;
    let names: Vec<&str> = listing.tools.iter().map(|tool| tool.name.as_str()).collect();
    expect(names == ["add", "entry", "fails", "talks"] && listing.refused.is_empty(), "all its tools can be used")?;
    let hints: Vec<bool> = listing.tools.iter().map(|tool| tool.hints.read_only).collect();
    expect(hints == [true, false, false, false], "what it says of effects is read")?;
    let again: Vec<_> = session.tools().await?.tools.iter().map(vital_mcp_client::Definition::digest).collect();
    expect(again == listing.tools.iter().map(vital_mcp_client::Definition::digest).collect::<Vec<_>>(), "definitions keep their numbers")?;
    expect(text(&mut session, "add", json!({"a": 19, "b": 23})).await? == ("42".to_owned(), false), "a call has a result")?;
    let entry = session.call("entry", &json!({"title": "Grüße"})).await?;
    expect(entry.structured == Some(json!({"title": "Grüße", "pages": 2})), "data comes as data")?;
    let (said, failed) = text(&mut session, "fails", json!({})).await?;
    expect(failed && said.contains("the notebook is closed"), "a tool that fails says so")?;
    expect(text(&mut session, "talks", json!({})).await? == ("done".to_owned(), false), "progress is passed over")?;
    let unknown = text(&mut session, "nothing", json!({})).await;
    let refused = matches!(&unknown, Ok((_, true)) | Err(ClientError::Refused { .. }));
    expect(refused, "a tool that is not there is refused")?;
    session.end().await;
    Ok(())
}
