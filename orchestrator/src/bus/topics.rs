//! Temporary.
#![allow(
    missing_docs,
    clippy::unused_async,
    clippy::missing_errors_doc,
    reason = "temporary"
)]
use super::{Error, Settings};
pub type Warning = String;
#[derive(Debug, Clone)]
pub struct Topic {
    pub name: String,
    pub partitions_wanted: i32,
    pub partitions_found: Option<i32>,
}
pub async fn ensure(_: &Settings, _: &[&str]) -> Result<Vec<Warning>, Error> {
    Err(Error)
}
pub async fn describe(_: &Settings, _: &[&str]) -> Result<Vec<Topic>, Error> {
    Err(Error)
}
