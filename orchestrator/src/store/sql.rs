//! Statements whose arguments have names.
//!
//! A text says `:limit`, and the table of its statement says what is bound there. Names become numbers
//! when the text is assembled, in the order in which they first stand in it; what the text does not
//! name is not bound. So one more argument changes no number, and no argument can take the place of
//! another.
//!
//! A text that names what its table lacks panics when it is assembled, and names it. Tests assemble
//! them all. No value ever becomes part of a text.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

/// A statement with its arguments.
pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// A name, and the function that binds its value.
pub(super) type Argument<B> = (&'static str, B);

/// A statement's text, and what is bound to its numbers.
#[derive(Debug)]
pub(super) struct Numbered<B> {
    text: Arc<str>,
    arguments: Vec<Argument<B>>,
}

impl<B: Copy> Numbered<B> {
    /// The text with a number for each name.
    pub(super) fn new(named: &str, table: &[Argument<B>]) -> Self {
        let mut text = String::with_capacity(named.len());
        let mut arguments: Vec<Argument<B>> = Vec::new();
        let mut rest = named;
        while let Some(place) = next_name(rest) {
            let (before, name) = (&rest[..place.start], &rest[place.clone()]);
            text.push_str(before.strip_suffix(':').unwrap_or(before));
            let is_it = |argument: &Argument<B>| argument.0 == name;
            let known = arguments.iter().position(is_it);
            let number = known.unwrap_or_else(|| {
                let argument = table.iter().copied().find(is_it);
                arguments.push(argument.unwrap_or_else(|| {
                    panic!("the statement has an argument :{name}, and its table has none")
                }));
                arguments.len() - 1
            });
            write!(text, "${}", number + 1).expect("a string takes everything");
            rest = &rest[place.end..];
        }
        text.push_str(rest);
        let text = text.into();
        Self { text, arguments }
    }

    /// The text as it reaches Postgres.
    pub(super) fn text(&self) -> Arc<str> {
        self.text.clone()
    }

    /// The statement, with its arguments taken from `values`.
    pub(super) fn bind<'v, V>(&self, values: &'v V) -> Statement
    where
        B: Fn(&'v V, Statement) -> Statement,
    {
        let statement = sqlx::query(AssertSqlSafe(self.text()));
        let arguments = self.arguments.iter();
        arguments.fold(statement, |statement, (_, bind)| bind(values, statement))
    }
}

/// The first name after a colon, outside of comments, literals and casts.
fn next_name(sql: &str) -> Option<Range<usize>> {
    let bytes = sql.as_bytes();
    let is_of_name = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let until = |end: u8, from: usize| {
        let length = bytes[from..].iter().position(|byte| *byte == end);
        length.map_or(bytes.len(), |length| from + length + 1)
    };
    let mut at = 0;
    while at < bytes.len() {
        at = match &bytes[at..] {
            [b'-', b'-', ..] => until(b'\n', at),
            // A quote within is two, hence two literals side by side.
            [quote @ (b'\'' | b'"'), ..] => until(*quote, at + 1),
            [b':', b':', ..] => at + 2,
            [b':', first, ..] if is_of_name(first) => {
                let length = bytes[at + 1..].iter().take_while(|byte| is_of_name(byte));
                return Some(at + 1..at + 1 + length.count());
            }
            _ => at + 1,
        };
    }
    None
}

/// The parts of a file, each of which begins behind a line `--- marker`. The file has these markers, in
/// this order, and no others.
pub(super) fn parts<'f, const N: usize>(file: &'f str, markers: [&str; N]) -> [&'f str; N] {
    let parts = file.split("\n--- ").skip(1);
    let parts = parts.map(|part| part.split_once('\n').unwrap_or((part, "")));
    let (found, texts): (Vec<&str>, Vec<&str>) = parts.unzip();
    assert_eq!(found, markers, "markers of a file of SQL");
    std::array::from_fn(|place| texts[place].trim_end())
}

/// `interval '2000 ms'`.
pub(super) fn interval(duration: Duration) -> String {
    format!("interval '{} ms'", duration.as_millis())
}

/// Fails unless every argument of the table has a name of its own, and some statement has it.
#[cfg(test)]
#[track_caller]
pub(super) fn ensure_used<'s, B: Copy + 's>(
    table: &[Argument<B>],
    statements: impl IntoIterator<Item = &'s Numbered<B>>,
) {
    use std::collections::BTreeSet;

    let names: BTreeSet<_> = table.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), table.len(), "a name stands twice: {names:?}");
    let used = statements.into_iter().flat_map(|one| &one.arguments);
    let used: BTreeSet<_> = used.map(|(name, _)| *name).collect();
    assert_eq!(used, names, "names in texts, and names in the table");
}

#[cfg(test)]
mod tests {
    use super::*;

    type Bind = fn(&[i64], Statement) -> Statement;

    const TABLE: [Argument<Bind>; 2] = [
        ("first", |values, statement| statement.bind(values[0])),
        ("second", |values, statement| statement.bind(values[1])),
    ];

    #[track_caller]
    fn check(named: &str, text: &str, arguments: &[&str]) {
        let numbered = Numbered::new(named, &TABLE);
        assert_eq!(&*numbered.text(), text);
        let names = numbered.arguments.iter().map(|(name, _)| *name);
        assert_eq!(names.collect::<Vec<_>>(), arguments);
    }

    #[test]
    fn names_are_numbered_in_the_order_in_which_they_first_stand_in_the_text() {
        check("a = :second", "a = $1", &["second"]);
        check(
            ":second, :first,:second)",
            "$1, $2,$1)",
            &["second", "first"],
        );
    }

    #[test]
    fn a_colon_in_a_cast_or_a_literal_or_a_comment_names_nothing() {
        check(
            "-- It isn't :a.\n':b ''\u{e4} :c' \":d\" :first::text[] x::int a[1:2]",
            "-- It isn't :a.\n':b ''\u{e4} :c' \":d\" $1::text[] x::int a[1:2]",
            &["first"],
        );
        check("-- :a", "-- :a", &[]);
    }

    #[test]
    fn a_name_that_the_table_lacks_is_said() {
        let panic = std::panic::catch_unwind(|| Numbered::new("a = :firsts", &TABLE));
        let panic = panic.unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(said.contains(":firsts,"), "{said}");
    }

    #[test]
    fn a_marker_that_is_missing_or_unknown_or_misplaced_is_no_file_of_ours() {
        let file = "-- What it is.\n--- a\n-- One.\nx\n--- b\ny\n";
        assert_eq!(parts(file, ["a", "b"]), ["-- One.\nx", "y"]);
        for markers in [["b", "a"], ["a", "c"]] {
            assert!(std::panic::catch_unwind(|| parts(file, markers)).is_err());
        }
        assert!(std::panic::catch_unwind(|| parts(file, ["a"])).is_err());
        assert!(std::panic::catch_unwind(|| parts(file, ["a", "b", "c"])).is_err());
    }
}
