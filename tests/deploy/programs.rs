//! What our programs read from their environment, by their own `--help`.
//!
//! The programs are those that cargo built beside this test, so a variable that was renamed in the
//! code is a variable that this module no longer finds. It builds nothing itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// The variables that a command line reads; of all its subcommands, if it ends before one.
///
/// # Errors
///
/// When the program is not built, or refuses the command line.
pub(crate) fn variables(line: &[&str]) -> Result<BTreeSet<String>, String> {
    let help = help(line)?;
    let subcommands = subcommands(&help);
    let mut variables = environment(&help);
    for subcommand in subcommands {
        let mut line = line.to_vec();
        line.push(&subcommand);
        variables.extend(environment(&self::help(&line)?));
    }
    Ok(variables)
}

/// What `--help` prints with an empty environment.
fn help(line: &[&str]) -> Result<String, String> {
    let (program, arguments) = line.split_first().ok_or("no command")?;
    let file = built(program)?;
    let output = Command::new(&file)
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{}` is refused: {text}", line.join(" ")))
    }
}

/// The program as cargo built it: this test lies in `deps`, beside it.
fn built(program: &str) -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = test.ancestors().nth(2).ok_or("this test is in no folder")?;
    let file = folder.join(program);
    if file.is_file() {
        return Ok(file);
    }
    let file = file.display();
    Err(format!(
        "{file} is not built; run: cargo build --workspace --bins"
    ))
}

/// The names after `[env: `. A line may break anywhere between words.
fn environment(help: &str) -> BTreeSet<String> {
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let places = help.split("[env: ").skip(1);
    places
        .filter_map(|place| place.split(['=', ']']).next())
        .map(str::to_owned)
        .collect()
}

/// The names below `Commands:`, without `help`.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        // A name is indented by two spaces, a further line of its description by more.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn variables_are_found_whether_their_values_are_shown_or_not() {
    let help =
        "  --url <URL>  Where [env: SAGA_URL]\n  --max  Most [env:\n   SAGA_MAX=] [default: 8]";
    let expected = ["SAGA_MAX", "SAGA_URL"].map(str::to_owned);
    assert_eq!(environment(help), BTreeSet::from(expected));
}

#[test]
fn the_variables_of_a_program_are_those_of_all_its_subcommands() {
    let shop = variables(&["shop"]).unwrap();
    for subcommand in ["service", "submit", "audit"] {
        let one = variables(&["shop", subcommand]).unwrap();
        assert!(
            !one.is_empty() && one.is_subset(&shop),
            "{subcommand}: {one:?}, {shop:?}"
        );
    }
}

#[test]
fn a_program_that_is_not_built_is_named_with_the_command_that_builds_it() {
    let problem = variables(&["shop-orchestra", "serve"]).unwrap_err();
    assert!(
        problem.contains("shop-orchestra is not built; run: cargo build"),
        "{problem}"
    );
}
