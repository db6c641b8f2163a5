//! The command line: what can be said, in one place. What a verb does is in the module it names.

use crate::{
    api_key::Key,
    audit::Audit,
    break_glass::BreakGlass,
    config::Overrides,
    domains::{DomainVerb, TlsVerb},
    evaluate,
    keys::Keys,
    operate::{Tenant, User},
    remote::{
        ask::Ask,
        client::Server,
        experts::{Experts, Route},
        ingest::Ingest,
        mcp::Mcp,
        replay::Replay,
        session::Login,
        usage::Usage,
    },
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Name of the verb that reads one document in a process of its own.
pub(crate) const PARSE_DOCUMENT: &str = "parse-document";

/// Ask life-science experts and get answers in which every factual sentence is bound to the passage that supports it
#[derive(Debug, Parser)]
#[command(
    name = "vital",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage; `vital ask --help` has those of answers.

Examples:
  vital serve
  vital login --email me@example.org
  vital ask \"When is a Type II variation needed?\""
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the configuration comes from.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    /// Configuration file [env: VITAL_CONFIG] [default: vital.toml in the data folder, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [env: VITAL_DATA] [default: data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// PostgreSQL to use instead of the private one [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
}

impl Settings {
    /// The settings as overrides of the file.
    pub(crate) fn overrides(self, listen: Option<String>) -> Overrides {
        Overrides { config: self.config, data: self.data, listen, database_url: self.database_url }
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the server: web, API and background work
    #[command(after_help = "Ctrl-C or SIGTERM stops it after running requests and answers have ended; a second one stops at once.

Example:
  vital serve --data /var/lib/vital-path --listen 127.0.0.1:8080")]
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// Address and port [env: VITAL_LISTEN] [default: 127.0.0.1:8080]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Ask a question and read the answer with its sources
    Ask(Ask),
    /// Add documents: files and folders
    Ingest(Ingest),
    /// List the experts
    Experts(Experts),
    /// Show which experts would take a question, and why
    Route(Route),
    /// Play an answer again from its record: the same passages, the same order
    Replay(Replay),
    /// What requests to models came to
    #[command(subcommand)]
    Usage(Usage),
    /// Speak the Model Context Protocol on standard input and output, for a running server
    Mcp(Mcp),
    /// Sign in to a server and keep the session
    Login(Login),
    /// End the session and forget it
    #[command(after_help = "Example:\n  vital logout")]
    Logout {
        #[command(flatten)]
        server: Server,
    },
    /// Check, show or write the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Organisations, directly on the database
    Tenant {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: Tenant,
    },
    /// People, directly on the database
    User {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: User,
    },
    /// Open an organisation to read its data, with a reason, for at most an hour
    BreakGlass {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: BreakGlass,
    },
    /// The audit trail: verify, prove and export it, directly on the database
    Audit {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: Audit,
    },
    /// Custom domains of organisations, directly on the database
    Domain {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: DomainVerb,
    },
    /// Certificates of https
    #[command(subcommand)]
    Tls(TlsVerb),
    /// The keys that protect stored data: what there is, and new ones in place of old ones
    Keys {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: Keys,
    },
    /// API keys of programs, directly on the database
    Key {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        verb: Key,
    },
    /// Bring the database up to date; `vital serve` does it by itself
    #[command(after_help = "Example:\n  DATABASE_URL=postgres://… vital migrate --data /var/lib/vital-path")]
    Migrate {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a new one-time link for first-run set-up
    #[command(after_help = "Example:\n  vital setup-link")]
    SetupLink {
        #[command(flatten)]
        settings: Settings,
    },
    /// Measure retrieval and routing on judged sets
    #[command(subcommand)]
    Eval(evaluate::Verb),
    /// Print the API description (OpenAPI 3.1)
    #[command(after_help = "Example:\n  vital openapi > openapi.json")]
    Openapi,
    /// Read one document from standard input, confined; the server starts this itself
    #[command(name = PARSE_DOCUMENT, hide = true)]
    ParseDocument,
}

/// `vital config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Tell whether the configuration can be used, key file and all
    #[command(after_help = "Example:\n  vital config check --config /etc/vital-path/vital.toml")]
    Check {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the configuration in force, without secrets
    #[command(after_help = "Example:\n  vital config show --data /var/lib/vital-path")]
    Show {
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a commented configuration with every key and its default
    #[command(after_help = "Example:\n  vital config template > data/vital.toml")]
    Template,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Every verb that a person uses shows an example.
    #[test]
    fn every_verb_has_help_with_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
                let path = format!("{path} {}", verb.get_name());
                assert!(verb.get_about().is_some(), "{path} says nothing");
                let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                let shown = help.contains("Example") || verb.has_subcommands() || path.ends_with("list");
                assert!(shown, "{path} shows no example");
                visit(verb, &path);
            }
        }
        visit(&Cli::command(), "vital");
    }
}
