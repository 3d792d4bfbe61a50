//! Which version of a crate was built: what the lock file says.

/// The lock file of this workspace.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The version of a crate that this workspace is built with; `unknown` if it is not.
#[must_use]
pub fn version(name: &str) -> &'static str {
    let wanted = format!("name = \"{name}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != wanted);
    let version = lines
        .nth(1)
        .and_then(|line| line.strip_prefix("version = "));
    version.map_or("unknown", |version| version.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_the_lock_file_has_a_version_and_another_has_none() {
        assert_eq!(version("load"), env!("CARGO_PKG_VERSION"));
        assert!(version("restate-sdk").starts_with("0."));
        assert_eq!(version("no-such-crate"), "unknown");
    }
}
