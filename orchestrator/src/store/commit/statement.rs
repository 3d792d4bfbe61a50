//! The text of a commit's statement: the parts of `commit.sql` that the batch needs.
//!
//! Each combination is assembled once and kept, so that a connection knows it by its text and
//! has it prepared. A batch may need 360 of them; in practice it is a few dozen.

use std::sync::{Arc, OnceLock};

use super::arguments::{ARGUMENTS, Bind, Parts};
use crate::store::sql::{self, Numbered};
use crate::store::terms::TO_ARCHIVE;

/// What a batch may have or not: as much as [`Parts`] has fields.
const PARTS: usize = 9;

/// By combination.
static STATEMENTS: [OnceLock<Numbered<Bind>>; 1 << PARTS] = [const { OnceLock::new() }; 1 << PARTS];

impl Parts {
    /// The statement.
    pub(super) fn numbered(self) -> &'static Numbered<Bind> {
        let present = self.present().into_iter().enumerate();
        let combination = present.fold(0, |sum, (place, has)| sum | usize::from(has) << place);
        STATEMENTS[combination].get_or_init(|| Numbered::new(&self.assemble(), &ARGUMENTS))
    }

    const fn present(self) -> [bool; PARTS] {
        [
            self.starts,
            self.keys,
            self.updates,
            self.ends,
            self.tally,
            self.postponements,
            self.events,
            self.deliveries,
            self.letters,
        ]
    }

    fn assemble(self) -> String {
        let file = include_str!("commit.sql");
        #[rustfmt::skip] // Names as the markers.
        let [keys, no_keys, starts, updates, ends, postponements, events, deliveries, letters, tally] =
            sql::parts(file, ["keys", "no keys", "starts", "updates", "ends", "postponements",
                "events", "deliveries", "letters", "tally"]);
        let winner = self.winner();
        let parts = [
            (self.keys, keys),
            (self.starts && !self.keys, no_keys),
            (self.starts, starts),
            (self.updates, updates),
            (self.ends, ends),
            (self.ends, TO_ARCHIVE.trim_end()),
            (winner.is_some(), winner.as_deref().unwrap_or_default()),
            (self.postponements, postponements),
            (self.events, events),
            (self.deliveries, deliveries),
            (self.letters, letters),
            (self.tally, tally),
        ];
        let parts = parts.into_iter().filter(|(is_needed, _)| *is_needed);
        let parts: Vec<&str> = parts.map(|(_, text)| text).collect();
        let with = if parts.is_empty() { "" } else { "WITH " };
        let updated = match (self.updates, self.ends) {
            (true, true) => "ARRAY(SELECT id FROM updated) || ARRAY(SELECT id FROM gone)",
            (true, false) => "ARRAY(SELECT id FROM updated)",
            (false, true) => "ARRAY(SELECT id FROM gone)",
            (false, false) => "ARRAY[]::uuid[]",
        };
        let left_out = match self.letters {
            true => ", ARRAY(SELECT number FROM letter_room WHERE NOT has_room) AS left_out",
            false => "",
        };
        let started = match self.starts {
            true => "ARRAY(SELECT id FROM started)",
            false => "ARRAY[]::uuid[]",
        };
        let outbox = match self.events {
            true => "(SELECT id FROM announced)",
            false => "NULL::uuid",
        };
        format!(
            "{with}{}\nSELECT {started} AS started, {updated} AS updated, {outbox} AS outbox,
                clock_timestamp() AS database_time{left_out}",
            parts.join(",\n")
        )
    }

    /// Who has won, with what they came to be.
    fn winner(self) -> Option<String> {
        let members = [
            (
                self.starts,
                "SELECT id, status, true AS is_start FROM started",
            ),
            (
                self.updates,
                "SELECT id, status, false AS is_start FROM updated",
            ),
            (self.ends, "SELECT id, status, false AS is_start FROM gone"),
        ];
        let members = members.into_iter().filter(|(has, _)| *has);
        let members: Vec<&str> = members.map(|(_, select)| select).collect();
        let is_used = self.events || self.tally;
        (is_used && !members.is_empty())
            .then(|| format!("winner AS ({})", members.join(" UNION ALL ")))
    }
}

/// Every combination that a batch may need.
fn combinations() -> impl Iterator<Item = Parts> {
    let combinations = (0..1_usize << PARTS).map(|combination| {
        let has = |place: usize| combination >> place & 1 == 1;
        Parts {
            starts: has(0),
            keys: has(1),
            updates: has(2),
            ends: has(3),
            tally: has(4),
            postponements: has(5),
            events: has(6),
            deliveries: has(7),
            letters: has(8),
        }
    });
    combinations.filter(|parts| {
        let has_members = parts.starts || parts.updates || parts.ends;
        (parts.starts || !parts.keys) && (has_members || !parts.events && !parts.tally)
    })
}

/// The text of every combination.
pub(in crate::store) fn texts() -> impl Iterator<Item = Arc<str>> {
    combinations().map(|parts| parts.numbered().text())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_argument_of_a_commit_has_a_name_of_its_own_and_is_used() {
        sql::ensure_used(&ARGUMENTS, combinations().map(Parts::numbered));
    }

    #[test]
    fn every_combination_has_a_text_of_its_own() {
        let texts: BTreeSet<_> = texts().collect();
        assert_eq!(texts.len(), combinations().count());
        assert_eq!(
            texts.len(),
            360,
            "each is prepared on every connection that runs it"
        );
    }

    #[test]
    fn a_commit_without_dead_letters_has_no_word_of_them() {
        for parts in combinations() {
            let text = parts.numbered().text();
            assert_eq!(text.contains("letter"), parts.letters, "{text}");
        }
    }

    /// What is bound for a column and what the text calls it: `:starts_id` and `id`.
    #[test]
    fn arrays_stand_in_the_order_of_their_columns() {
        let file = include_str!("commit.sql");
        let mut seen = 0;
        for (at, _) in file.match_indices("unnest(") {
            let rest = &file[at..];
            let (arrays, rest) = rest["unnest(".len()..].split_once(')').unwrap();
            let (_, columns) = rest.split_once('(').unwrap();
            let (columns, _) = columns.split_once(')').unwrap();
            for (array, column) in arrays.split(',').zip(columns.split(',')) {
                let (name, _) = array.trim().split_once("::").unwrap();
                let (_, name) = name.split_once('_').unwrap();
                assert_eq!(name, column.trim(), "{arrays}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }
}
