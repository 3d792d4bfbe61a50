//! `shop audit`.

use std::process::ExitCode;

use super::arguments::AuditArguments;
use super::say;
use crate::audit::{self, Report};

pub(super) async fn run(arguments: &AuditArguments) -> anyhow::Result<ExitCode> {
    let audit = audit::run(&arguments.urls()).await?;
    if arguments.json {
        say(serde_json::to_string_pretty(&audit)?);
    } else {
        say(Report(&audit));
    }
    Ok(ExitCode::from(audit.exit_code()))
}
