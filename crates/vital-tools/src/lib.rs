//! Built-in tools that an expert's model may call: calculators that run here, and searches of public sources.
//!
//! A call enters as a name and JSON arguments; it leaves as a [`ToolOutput`] with a typed value and citable [`SourceText`]s, or as a
//! [`ToolError`] that says how to call it rightly. [`catalogue`] is the closed list; docs/TOOLS.md tells it to people.
//!
//! **Invariant:** arguments are checked against the tool's schema before anything runs or leaves. **Invariant:** of a public search the
//! query alone goes out, through `vital-outbound`, within the source's rate. **Invariant:** no output is larger than
//! [`RESULT_BYTES_MAX`]; what was cut is said in it.
//!
//! Not here: who may call which tool, the loop of model and tool, the search of an organisation's own documents, and tools that an
//! organisation connects; [`schema`] is for those as well.

mod catalogue;
mod endpoints;
mod error;
mod local;
mod output;
mod public;
pub mod schema;
mod toolbox;

pub use catalogue::{Family, Reach, ToolInfo, catalogue};
pub use endpoints::Endpoints;
pub use error::ToolError;
pub use output::{Provenance, RESULT_BYTES_MAX, SourceText, ToolOutput};
pub use public::BODY_BYTES_MAX;
pub use toolbox::{ARGUMENT_BYTES_MAX, Toolbox};
