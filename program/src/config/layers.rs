//! Which layer a setting comes from: flag, environment, file or default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::database_url::{NotAUrl, database_url};
use super::file::{self, FileError};
use super::hidden::without_secrets;
use super::{Kafka, KafkaOptions, Postgres};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or a variable; also what `--help` and `--version` print.
    #[error(transparent)]
    Flags(#[from] clap::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A secret comes from two places of the same rank.
    #[error("both --{name} and --{name}-file are set (or their variables or keys); give one")]
    Twice {
        /// The flag without dashes.
        name: &'static str,
    },
    /// The file of a secret.
    #[error("cannot read --{name}-file {}: {problem}", path.display())]
    SecretFile {
        /// The flag without dashes and without `-file`.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why, without its content.
        problem: String,
    },
    /// The driver would misread the database's URL.
    #[error("the URL of --{name} cannot be used: {problem}")]
    DatabaseUrl {
        /// The flag without dashes that it comes from.
        name: &'static str,
        /// Why, without its content.
        problem: NotAUrl,
    },
}

/// Parsed arguments, and the keys that the file set.
#[derive(Debug)]
pub struct Layers {
    /// All layers merged.
    pub matches: ArgMatches,
    file: BTreeMap<String, String>,
}

impl Layers {
    /// Parses `arguments` (the program's name first) with `command`, over the environment, over
    /// the file that they name.
    ///
    /// # Errors
    ///
    /// [`Error::Flags`] also for `--help`: print it, and exit as it says.
    pub fn parse(
        command: &Command,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let refused = |error| without_secrets(error, command);
        let first = command.clone().try_get_matches_from(&arguments);
        let first = first.map_err(refused)?;
        let Some(path) = first.get_one::<PathBuf>("config") else {
            let file = BTreeMap::new();
            return Ok(Self {
                matches: first,
                file,
            });
        };
        let file = file::read(path)?;
        let merged = with_defaults(command.clone(), &file);
        let matches = merged.try_get_matches_from(&arguments);
        let matches = matches.map_err(refused)?;
        Ok(Self { matches, file })
    }

    /// Replaces the database URL by the content of its file, if that is what was given last, and checks
    /// it.
    ///
    /// # Errors
    ///
    /// When both are given side by side, the file cannot be read, or the driver would misread the URL.
    pub fn resolve_postgres(&self, settings: &mut Postgres) -> Result<(), Error> {
        let path = settings.database_url_file.as_deref();
        let (name, read) = match self.secret_file("database-url", path)? {
            Some(text) => ("database-url-file", database_url(&text)),
            None => ("database-url", database_url(settings.database_url.expose())),
        };
        settings.database_url = read.map_err(|problem| Error::DatabaseUrl { name, problem })?;
        Ok(())
    }

    /// Replaces the Kafka options by those of their file, if that is what was given last.
    ///
    /// # Errors
    ///
    /// When both are given side by side, or the file cannot be read.
    pub fn resolve_kafka(&self, settings: &mut Kafka) -> Result<(), Error> {
        let name = "kafka-options";
        let Some(path) = settings.kafka_options_file.as_deref() else {
            return Ok(());
        };
        if let Some(text) = self.secret_file(name, Some(path))? {
            let options = format!("{text}\n").parse::<KafkaOptions>();
            settings.kafka_options = options.map_err(|problem| Error::SecretFile {
                name,
                path: path.to_owned(),
                problem: problem.to_string(),
            })?;
        }
        Ok(())
    }

    fn secret_file(
        &self,
        name: &'static str,
        path: Option<&Path>,
    ) -> Result<Option<String>, Error> {
        let Some(path) = path else { return Ok(None) };
        let id = name.replace('-', "_");
        let (plain, file) = (self.rank(&id), self.rank(&format!("{id}_file")));
        if plain == file {
            return Err(Error::Twice { name });
        }
        if plain > file {
            return Ok(None);
        }
        let read = std::fs::read_to_string(path).map_err(|error| Error::SecretFile {
            name,
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Some(read))
    }

    /// 3 flag, 2 variable, 1 file, 0 default.
    fn rank(&self, id: &str) -> u8 {
        let mut matches = &self.matches;
        while let Some((_, inner)) = matches.subcommand() {
            matches = inner;
        }
        match matches.value_source(id) {
            Some(ValueSource::CommandLine) => 3,
            Some(ValueSource::EnvVariable) => 2,
            _ => u8::from(self.file.contains_key(id)),
        }
    }
}

/// The file's values become the defaults of every command that knows them.
fn with_defaults(mut command: Command, file: &BTreeMap<String, String>) -> Command {
    for (key, text) in file {
        let knows = |command: &Command| command.get_arguments().any(|known| known.get_id() == key);
        if knows(&command) {
            let text = text.clone();
            command = command.mut_arg(key, |argument| argument.default_value(text));
        }
    }
    command.mut_subcommands(|inner| with_defaults(inner, file))
}
