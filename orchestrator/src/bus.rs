//! Kafka.
#![allow(
    missing_docs,
    clippy::todo,
    clippy::unused_async,
    unused,
    reason = "temporary"
)]
use sagas::{Json, SagaId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
#[derive(Debug, Clone)]
pub struct Settings {
    pub brokers: String,
    pub prefix: String,
    pub reply_partitions: i32,
    pub command_partitions: i32,
    pub event_partitions: i32,
    pub replication: i32,
    pub retention: Duration,
    pub extra: BTreeMap<String, String>,
}
pub mod topics;
#[derive(Debug, thiserror::Error)]
#[error("bus")]
pub struct Error;
#[derive(Debug)]
pub struct OutgoingRecord {
    pub topic: Arc<str>,
    pub key: SagaId,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Json,
}
#[derive(Debug)]
pub struct ReplyRecord {
    pub cluster: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Option<Vec<u8>>,
}
#[derive(Debug, Clone)]
pub struct Producer;
impl Producer {
    pub fn new(_: &Settings) -> Result<Self, Error> {
        todo!()
    }
    pub fn publish(
        &self,
        _: Vec<OutgoingRecord>,
        _: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        todo!()
    }
    pub fn health(&self) -> Result<(), String> {
        todo!()
    }
    pub async fn flush(&self, _: Duration) {
        todo!()
    }
}
#[derive(Debug)]
pub struct ReplyConsumer;
impl ReplyConsumer {
    pub fn start(
        _: &Settings,
        _: impl Fn(ReplyRecord) -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        todo!()
    }
    pub fn assign(&self, _: &BTreeSet<i32>) {}
    pub fn commit(&self, _: &[(i32, i64)]) {}
    pub async fn stop(&self) {}
}
