//! `migrate`: brings the schema up to date, for deployments in which the service may not.

use super::startup::prepare;
use super::{Failure, places, say};
use crate::config::Postgres;

pub(super) async fn run(settings: &Postgres) -> Result<(), Failure> {
    let store = places::store(settings, 1)?;
    let name = places::postgres_name(settings);
    let result = prepare(&store, settings, true).await;
    store.close().await;
    result?;
    let shards = settings.shards;
    say(&format!("{name} is up to date, with {shards} shards"));
    Ok(())
}
