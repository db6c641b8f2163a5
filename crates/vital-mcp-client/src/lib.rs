//! A client of tool servers that speak the Model Context Protocol over streamable HTTP.
//!
//! Data enters as an address that an organisation gave and as arguments that a model wrote; it leaves as [`Definition`]s and
//! [`CallResult`]s that are bounded and readable, or as a [`ClientError`] that says what happened. A server is a stranger: it may hang,
//! drip, flood, lie about its tools and write for the eyes of a model.
//!
//! **Invariant:** everything that comes is bounded while it is read: bytes, pages, tools, messages, depth and time.
//! **Invariant:** a [`Definition`] is what a person sees and what a model is given, byte for byte: signs that cannot be seen are taken out of
//! its texts before it is hashed, and a tool that needs them in its name or schema is not usable.
//! **Invariant:** what a server asks of us (to sample, to elicit, for roots) is refused; nothing of ours goes to it but arguments and its own key.
//!
//! Written for this use on `vital-outbound`: the client of `rmcp` 3 keeps a stream open for what servers send by themselves, starts tasks of
//! its own and reads answers of any size.
//!
//! Not here: which tools an organisation approved, who may call them, and the check of arguments against a schema (`vital-platform`);
//! standard input and output as a way to a server; the transport of 2024 with two addresses; resources, prompts, tasks and resumption.

mod client;
mod definition;
mod error;
mod exchange;
mod listing;
mod message;
mod result;
mod schema;
mod session;
#[cfg(test)]
mod tests;
mod text;

pub use client::{Auth, Client, HEADER_BYTES_MAX, SECRET_BYTES_MAX, may_be_named};
pub use definition::{DESCRIPTION_CHARS_MAX, Definition, Hints, NAME_BYTES_MAX, TITLE_CHARS_MAX, ToolFault};
pub use error::ClientError;
pub use exchange::{ARGUMENT_BYTES_MAX, BETWEEN, FIRST_BYTE, NOTICES_MAX, REPLY_BYTES_MAX, REQUESTS_MAX};
pub use listing::{Listing, PAGES_MAX, RefusedTool, TOOLS_MAX};
pub use result::{CallResult, RESULT_BYTES_MAX};
pub use schema::{SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, SchemaFault};
pub use session::{SERVER_NAME_CHARS_MAX, Session, VERSION, VERSIONS};
pub use text::{is_hidden, readable};
