//! Tool servers: programs of other people that an organisation connects, whose tools its experts may call.
//!
//! **Invariants:** a tool is offered only in the definition, byte for byte, that an administrator approved: whatever a server tells later is shown
//! beside it, and until it is approved the tool is neither offered nor called. Before every call the server is asked for its tools again, and
//! one that tells another definition is not called. A secret goes in, is sealed and never comes out; it goes to the address it was given for and
//! to no other, and so do approvals. A tool needs a person for every call unless its server says that it changes nothing *and* an
//! administrator has confirmed that. No transaction is open while a server is awaited.
//!
//! Not here: the protocol and its bounds (`vital-mcp-client`), who grants an expert a tool, whether a call may be made, the check of arguments, and the
//! record of a call (`tools`, `ask/tools`).

mod approval;
mod call;
mod reading;
mod server;
mod store;
mod tool;

pub use approval::{ToolApproval, approve_tool, withdraw_tool};
pub use call::{ServerResult, ServerTool, call, offered};
pub use reading::{CheckState, RefusedTool, ToolServerTest, test_tool_server};
pub use server::{
    NewToolServer, ToolServer, ToolServerAuth, ToolServerChange, add_tool_server, change_tool_server, remove_tool_server, tool_server,
    tool_servers,
};
pub use tool::{SeenTool, ToolState, ToolVersion};

use moka::sync::Cache;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use uuid::Uuid;
use vital_kernel::{Error, Result, TenantId, ToolServerId};
use vital_keys::Place;
use vital_llm::gateway::Breaker;
use vital_mcp_client::{Auth, Client, ClientError};
use vital_outbound::{Egress, Outbound, Purpose};

/// Servers whose failures are held in memory at once.
const HELD_MAX: u64 = 10_000;
/// How long the failures of a server are held that nobody asks.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// How long tests of an organisation are counted.
const TESTS_WITHIN: Duration = Duration::from_secs(60);

/// What a node knows of tool servers between calls: nothing of what they said.
pub(crate) struct Remembered {
    /// Made when it is first needed: most installations have no tool server.
    outbound: OnceLock<Outbound>,
    egress: Egress,
    breakers: Cache<(TenantId, ToolServerId), Arc<Breaker>>,
    tests: Cache<TenantId, u32>,
}

impl Remembered {
    /// Begins with nothing; nothing is sent.
    pub(crate) fn new(egress: Egress) -> Self {
        Self {
            outbound: OnceLock::new(),
            egress,
            breakers: Cache::builder().max_capacity(HELD_MAX).time_to_idle(IDLE).build(),
            tests: Cache::builder().max_capacity(HELD_MAX).time_to_live(TESTS_WITHIN).build(),
        }
    }

    fn client(&self, address: &str, auth: &Auth) -> Result<Client, ClientError> {
        let outbound = match self.outbound.get() {
            Some(made) => made.clone(),
            None => {
                let made = Outbound::builder(Purpose::Tool).egress(self.egress.clone()).build()?;
                self.outbound.get_or_init(|| made).clone()
            }
        };
        Client::new(outbound, address, auth)
    }

    fn breaker(&self, tenant: TenantId, server: ToolServerId) -> Arc<Breaker> {
        self.breakers.get_with((tenant, server), || Arc::new(Breaker::new()))
    }
}

/// Where the secret of a server is sealed.
fn secret_of(id: ToolServerId) -> Place {
    Place::of("tool_servers.secret", id.0)
}

/// Where what a server tells of a tool is sealed.
fn told_of(tool: Uuid) -> Place {
    Place::of("tool_server_tools.definition", tool)
}

/// Where the approved definition of a tool is sealed.
fn approved_of(tool: Uuid) -> Place {
    Place::of("tool_server_tools.approved_definition", tool)
}

/// What is wrong with the fields of a request, gathered.
struct Faults(Error);

impl Faults {
    fn new() -> Self {
        Self(Error::invalid("tool_server.invalid", "Some fields need another look. Nothing was stored."))
    }

    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let error = std::mem::replace(&mut self.0, Error::invalid("tool_server.invalid", ""));
        self.0 = error.with_field(pointer, detail);
    }

    fn outcome(self) -> Result<()> {
        if self.0.fields().is_empty() { Ok(()) } else { Err(self.0) }
    }
}

fn unknown() -> Error {
    Error::not_found("tool_server.unknown", "There is no such tool server in your organisation. It may have been removed.")
}

fn unknown_tool() -> Error {
    Error::not_found("tool_server.tool_unknown", "The tool server has no such tool any more. Test it to read its tools again.")
}
