//! `vital break-glass …`: how an operator comes to see an organisation's data, for a reason, for at most an hour, and not in secret.

use crate::{
    config::Config,
    failure::Exit,
    operate::{tenant_of, with_platform},
    terminal,
};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use vital_kernel::{BreakGlassId, limits};
use vital_platform::identity::{
    self,
    break_glass::{self, Opening},
};

/// `vital break-glass …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BreakGlass {
    /// Open an organisation to read its data; its administrators are told, and review it afterwards
    #[command(after_help = "The token is for `Authorization: Bearer`. It reads and changes nothing, and ends by itself.

Example:
  vital break-glass open --tenant example-pharma --operator \"Ada Operator\" \\
    --reason \"Search finds nothing since the restore, ticket 4711\" --minutes 20")]
    Open(Open),
    /// End an opening before its time
    #[command(after_help = "Example:\n  vital break-glass close --tenant example-pharma 0199f3c2-7c1e-7a51-b2a4-6f0d9f6f2c11")]
    Close {
        /// Organisation
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Id of the opening
        id: BreakGlassId,
    },
    /// List the openings of an organisation and their reviews, newest first
    #[command(after_help = "Example:\n  vital break-glass list --tenant example-pharma --json")]
    List {
        /// Organisation
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Flags of `vital break-glass open`.
#[derive(Debug, clap::Args)]
pub(crate) struct Open {
    /// Organisation (`vital tenant list` shows the slugs)
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// Your name, as the organisation will read it
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// Why, in 20 to 1,000 characters; the organisation reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For how long, 1 to 60
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Opens, closes and lists.
pub(crate) async fn run(config: &Config, verb: BreakGlass) -> anyhow::Result<Exit> {
    match verb {
        BreakGlass::Open(flags) => open(config, flags).await,
        BreakGlass::Close { tenant, id } => {
            with_platform(config, async |p| {
                let tenant = tenant_of(p, &tenant).await?;
                break_glass::close(p, tenant.id, id).await?;
                terminal::talk(&format!("closed; `{}` can review it now", tenant.slug));
                Ok(Exit::Done)
            })
            .await
        }
        BreakGlass::List { tenant, json } => {
            with_platform(config, async |p| {
                let tenant = tenant_of(p, &tenant).await?;
                let cx = identity::operator_context(tenant.id);
                let openings = break_glass::openings(p, &cx, None, limits::PAGE_SIZE_MAX).await?;
                if json {
                    terminal::json(&openings)?;
                    return Ok(Exit::Done);
                }
                for opening in openings {
                    terminal::data(&terminal::plain(&line(&opening)?))?;
                }
                Ok(Exit::Done)
            })
            .await
        }
    }
}

async fn open(config: &Config, flags: Open) -> anyhow::Result<Exit> {
    with_platform(config, async |p| {
        let tenant = tenant_of(p, &flags.tenant).await?;
        let opened = break_glass::open(p, tenant.id, &flags.operator, &flags.reason, flags.minutes).await?;
        let ends_at = opened.ends_at.format(&Rfc3339)?;
        if flags.json {
            let told = json!({ "told": opened.told, "not_told": opened.not_told });
            terminal::json(&json!({ "id": opened.id, "token": opened.token.reveal(), "ends_at": ends_at, "administrators": told }))?;
        } else {
            terminal::data(opened.token.reveal())?;
        }
        terminal::talk(&format!("opened `{}` as {} until {ends_at}, to read", tenant.slug, opened.id));
        terminal::talk(&format!("{} administrators were told by e-mail", opened.told));
        if opened.not_told > 0 {
            terminal::talk(&format!("{} could not be told: tell them yourself, and see to the mail settings", opened.not_told));
        }
        Ok(Exit::Done)
    })
    .await
}

fn line(opening: &Opening) -> anyhow::Result<String> {
    let state = match (opening.closed_at, opening.reviewed_at) {
        (None, _) => "open",
        (Some(_), Some(_)) => "reviewed",
        (Some(_), None) if opening.overdue => "overdue",
        (Some(_), None) => "to review",
    };
    let reason = opening.reason.replace('\n', " ");
    Ok(format!("{}  {:<9}  {}  {}: {reason}", opening.id, state, opening.opened_at.format(&Rfc3339)?, opening.operator))
}
