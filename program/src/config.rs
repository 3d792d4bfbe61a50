//! Settings of the service: flags > environment (`SAGA_…`) > file (`--config`) > defaults.
//!
//! Every setting is declared once, in `config/settings.rs`, and has its flag, variable, default and
//! help from there; its key in the file is the flag's name with underscores. Invariants: a key
//! that nobody reads is an error, and no secret is ever printed, by `--help` and by errors neither.
//! Nothing here connects to anything.

mod database_url;
mod file;
mod hidden;
mod kept;
mod layers;
mod options;
mod secret;
mod settings;
mod span;

pub use database_url::{NotAUrl, database_url};
pub use file::FileError;
pub use hidden::without_secrets;
pub use kept::KeptByDefinition;
pub use layers::{Error, Layers};
pub use options::KafkaOptions;
pub use secret::Secret;
pub use settings::{
    Common, EngineSettings, Http, Kafka, LogFormat, Postgres, Retention, ServeOnly,
};
pub use span::Span;

/// Every environment variable that this binary reads, in alphabetical order.
///
/// What a deployment sets beside these is a mistake, and a test can say so.
#[must_use]
pub fn variables() -> Vec<String> {
    let mut variables: Vec<_> = settings::every_argument()
        .iter()
        .filter_map(|argument| argument.get_env())
        .map(|variable| variable.to_string_lossy().into_owned())
        .collect();
    variables.sort_unstable();
    variables
}
