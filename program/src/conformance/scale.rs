//! The effects that stand, weighed by a program that the scenario names.
//!
//! Invariant: the model says how many effects have to stand; the first of them shows how much one
//! weighs, and from then on the program has to print exactly that. Without a program, nothing is
//! weighed.
//!
//! Not here: which database that is. `psql`, `sqlite3` or `curl` know.

use std::process::{Command, Output};

use super::talk::Stop;

pub(super) struct Scale {
    program: Option<Vec<String>>,
    /// What the program printed when the case began.
    empty: Option<i64>,
    /// What one effect adds to it.
    one: Option<i64>,
    /// How many effects of this case have to stand.
    standing: i64,
}

impl Scale {
    pub(super) fn new(program: Option<Vec<String>>) -> Self {
        Self {
            program,
            empty: None,
            one: None,
            standing: 0,
        }
    }

    /// Weighs what stands before a case. Whatever the case before it left is none of this one's.
    pub(super) fn begin(&mut self) -> Result<(), Stop> {
        self.standing = 0;
        self.empty = self.program.as_deref().map(number).transpose()?;
        Ok(())
    }

    /// A step had an effect before, or has one now.
    pub(super) fn expect(&mut self, before: bool, now: bool) {
        self.standing += i64::from(now) - i64::from(before);
    }

    pub(super) fn weigh(&mut self) -> Result<(), Stop> {
        let (Some(program), Some(empty)) = (&self.program, self.empty) else {
            return Ok(());
        };
        let now = number(program)?;
        if self.one.is_none() && self.standing == 1 {
            self.one = Some(now - empty).filter(|one| *one != 0);
        }
        let Some(one) = self.one else {
            let expected = "a number from `effects` that changes with the forward command";
            return Err(Stop::wrong(expected, format!("unchanged: {now}")));
        };
        let expected = empty + one * self.standing;
        if now == expected {
            return Ok(());
        }
        let count = self.standing;
        let text =
            format!("{expected} by `effects`: of this case, the effects of {count} commands");
        Err(Stop::wrong(text, now.to_string()))
    }
}

/// Runs a program of the scenario to its end. `wrong` says what was expected of it.
pub(super) fn run(program: &[String], wrong: impl Fn(String) -> Stop) -> Result<Output, Stop> {
    let (first, arguments) = program.split_first().expect("a scenario with a program");
    let output = Command::new(first).args(arguments).output();
    output.map_err(|error| wrong(error.to_string()))
}

fn number(program: &[String]) -> Result<i64, Stop> {
    let name = program.join(" ");
    let wrong = |came: String| Stop::wrong(format!("one number from `{name}`"), came);
    let output = run(program, wrong)?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        wrong(format!("{}: {}{}", output.status, text.trim(), said.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(script: &str) -> Scale {
        let program = ["sh", "-c", script].map(str::to_owned);
        let mut scale = Scale::new(Some(program.to_vec()));
        scale.empty = Some(10);
        scale
    }

    fn came(result: Result<(), Stop>) -> String {
        match result {
            Ok(()) => "as expected".to_owned(),
            Err(Stop::Wrong { expected, came }) => format!("{came}, not {expected}"),
            Err(Stop::Broken(error)) => error.to_string(),
        }
    }

    #[test]
    fn the_first_effect_says_what_one_weighs_and_a_second_one_shows() {
        let mut scale = scale("echo 13");
        scale.expect(false, true);
        assert_eq!(came(scale.weigh()), "as expected");
        scale.expect(true, false);
        let text = "13, not 10 by `effects`: of this case, the effects of 0 commands";
        assert_eq!(came(scale.weigh()), text);
        scale.begin().unwrap();
        assert_eq!(came(scale.weigh()), "as expected");
    }

    #[test]
    fn a_number_that_never_changes_or_is_none_is_refused() {
        let mut blind = scale("echo 10");
        blind.expect(false, true);
        assert!(came(blind.weigh()).starts_with("unchanged: 10, not a number"));
        let mut mute = scale("echo oh no >&2; exit 3");
        let text = came(mute.weigh());
        assert!(
            text.starts_with("exit status: 3: oh no, not one number"),
            "{text}"
        );
    }
}
