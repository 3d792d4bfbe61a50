//! Where a service's database is: a URL, or a file that holds one, as secret managers mount it.
//!
//! Invariant: neither the URL nor what the file holds is in an error or a debug output.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use sagas_program::config::database_url;
use sqlx::postgres::PgConnectOptions;

/// The service's own database.
#[derive(Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DatabaseArguments {
    /// The service's own database: postgres://user:password@host:port/database
    #[arg(
        long,
        env = "SHOP_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// A file whose content is the database URL, as secret managers mount it
    #[arg(long, env = "SHOP_DATABASE_URL_FILE", value_name = "PATH")]
    database_url_file: Option<PathBuf>,
}

impl DatabaseArguments {
    /// How to connect.
    pub(super) fn connect_options(&self) -> anyhow::Result<PgConnectOptions> {
        let url = match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("read --database-url-file {}", path.display()))?,
            (None, None) => unreachable!("clap asks for one of the two"),
        };
        let url = database_url(&url).context("the database's address cannot be used")?;
        // Without its source: a parse error may quote a piece of the URL.
        let parsed = url.expose().parse();
        parsed.map_err(|_| anyhow::anyhow!("the database's address is no URL"))
    }
}

/// URLs carry passwords.
impl std::fmt::Debug for DatabaseArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseArguments")
            .field("database_url_file", &self.database_url_file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use sagas_local::folder::Temporary;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        database: DatabaseArguments,
    }

    fn options(words: &[&str]) -> Result<PgConnectOptions, String> {
        let line = Line::try_parse_from([&["shop"], words].concat());
        let line = line.map_err(|error| error.to_string())?;
        let options = line.database.connect_options();
        options.map_err(|error| format!("{error:#}"))
    }

    /// The same with the URL in a file.
    fn options_of_file(content: &str) -> Result<PgConnectOptions, String> {
        let folder = Temporary::new("shop-secret").unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, content).unwrap();
        options(&[&format!("--database-url-file={}", path.display())])
    }

    #[test]
    fn a_url_comes_from_its_flag_or_from_a_file_with_a_line_end() {
        let url = "postgres://orders:hunter2@db/orders";
        for found in [
            options(&["--database-url", url]),
            options_of_file(&format!("{url}\n")),
        ] {
            let found = found.unwrap();
            assert_eq!((found.get_host(), found.get_username()), ("db", "orders"));
        }
    }

    #[test]
    fn both_or_neither_are_refused() {
        let both = options(&["--database-url=postgres://a/b", "--database-url-file=/c"]);
        assert!(both.unwrap_err().contains("cannot be used with"));
        let neither = options(&[]).unwrap_err();
        assert!(neither.contains("--database-url-file"), "{neither}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = options(&["--database-url-file=/nowhere/url"]).unwrap_err();
        assert!(
            error.starts_with("read --database-url-file /nowhere/url: "),
            "{error}"
        );
    }

    #[test]
    fn no_secret_is_in_an_error_or_a_debug_output() {
        let error = options_of_file("postgres://orders:hunter2@db:port/orders").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        let error = options_of_file("postgres://db/orders\nhunter2\n").unwrap_err();
        assert!(
            error.contains("more than one line") && !error.contains("hunter2"),
            "{error}"
        );
        let line = Line::parse_from(["shop", "--database-url=postgres://a:hunter2@db/b"]);
        assert!(!format!("{line:?}").contains("hunter2"));
    }
}
