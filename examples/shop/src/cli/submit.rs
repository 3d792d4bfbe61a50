//! `shop submit`.

use std::process::ExitCode;

use super::arguments::SubmitArguments;
use crate::client::Client;
use crate::demo::show;

pub(super) async fn run(arguments: &SubmitArguments) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.url)?;
    let tally = show::orders(&client, &arguments.orders).await?;
    tally.print();
    Ok(if tally.is_as_planned() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
