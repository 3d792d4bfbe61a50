//! Whether a database's schema is one that this release works with: the rule, without any SQL. The
//! orchestrator and the participants' inbox share it.
//!
//! Migrations are numbered by the minor release that brings them, then in that release: `0301` is 0.3's
//! second. A release works with its own schema and with the next one's, so that its processes go on, and
//! start again, while the next one is rolled out (`docs/compatibility.md`). Formats broke once, with
//! 0.2.0: what was before has numbers below [`FIRST`].

/// The first migration that this product still knows.
pub const FIRST: i64 = 200;

/// The minor version of this release.
const RELEASE: i64 = 2;

/// A migration, as a database or a binary has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// The digest of its text.
    pub checksum: Vec<u8>,
}

/// Why no binary of this release works with a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is of a release before 0.2.0.
    #[error(
        "it is of a release before 0.2.0 (migration {newest}), and formats broke once, with 0.2.0"
    )]
    Older {
        /// The last of its migrations from then.
        newest: i64,
    },
    /// It is of a build between releases.
    #[error(
        "it is of a build between releases (migration {version} has another text there), and formats \
         broke once, with 0.2.0"
    )]
    Altered {
        /// The migration that differs.
        version: i64,
    },
    /// It is of a release that comes two or more after this one.
    #[error(
        "it is of release 0.{} (migration {newest}), and since formats broke once, with 0.2.0, a \
         binary works with the schemas of its own release, here 0.{RELEASE}, and of the next one",
        newest / 100
    )]
    Newer {
        /// Its last migration.
        newest: i64,
    },
}

impl Unfit {
    /// Whether a newer binary works with it.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }
}

/// The migrations that a binary has and a database lacks.
///
/// # Errors
///
/// When the schema is not one that this release works with, however it is migrated.
pub fn missing(in_database: &[Migration], in_binary: &[Migration]) -> Result<Vec<i64>, Unfit> {
    let versions = || in_database.iter().map(|applied| applied.version);
    if let Some(newest) = versions().filter(|version| *version < FIRST).max() {
        return Err(Unfit::Older { newest });
    }
    let too_new = |version: &i64| version / 100 > RELEASE + 1;
    if let Some(newest) = versions().filter(too_new).max() {
        return Err(Unfit::Newer { newest });
    }
    let mut missing = Vec::new();
    for ours in in_binary {
        let same = |applied: &&Migration| applied.version == ours.version;
        match in_database.iter().find(same) {
            None => missing.push(ours.version),
            Some(applied) if applied.checksum == ours.checksum => {}
            Some(_) => {
                let version = ours.version;
                return Err(Unfit::Altered { version });
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Migrations with the text that this binary has.
    fn of(versions: &[i64]) -> Vec<Migration> {
        let one = |version: &i64| Migration {
            version: *version,
            checksum: vec![7],
        };
        versions.iter().map(one).collect()
    }

    #[test]
    fn the_release_is_the_one_of_the_crate() {
        assert_eq!(env!("CARGO_PKG_VERSION_MAJOR"), "0");
        assert_eq!(env!("CARGO_PKG_VERSION_MINOR"), RELEASE.to_string());
    }

    #[test]
    fn the_schema_of_this_release_and_of_the_next_one_fit() {
        let ours = of(&[200, 201]);
        assert_eq!(missing(&[], &ours), Ok(vec![200, 201]));
        assert_eq!(missing(&of(&[200]), &ours), Ok(vec![201]));
        assert_eq!(missing(&of(&[200, 201, 202, 300, 399]), &ours), Ok(vec![]));
    }

    #[test]
    fn no_schema_from_before_the_break_and_none_of_two_releases_later_fits() {
        let ours = of(&[200]);
        let older = Unfit::Older { newest: 8 };
        assert_eq!(missing(&of(&[1, 8, 2]), &ours), Err(older.clone()));
        assert_eq!(missing(&of(&[1, 8, 200, 400]), &ours), Err(older));
        let newer = Unfit::Newer { newest: 401 };
        assert_eq!(missing(&of(&[200, 300, 401, 400]), &ours), Err(newer));
    }

    #[test]
    fn a_migration_with_another_text_is_another_schema() {
        let mut theirs = of(&[200, 201]);
        theirs[1].checksum = vec![8];
        let altered = Unfit::Altered { version: 201 };
        assert_eq!(missing(&theirs, &of(&[200, 201])), Err(altered));
        assert_eq!(missing(&theirs, &of(&[200])), Ok(vec![]));
    }
}
