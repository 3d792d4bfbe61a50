//! The text of a commit's statement: the parts of `commit.sql` that the batch needs.
//!
//! Each combination is put together once and kept, so that a connection knows it by its text and
//! has it prepared. There are a few dozen of them in practice.

use std::sync::{LazyLock, OnceLock};

use crate::store::terms::{self, Arguments};

/// What a batch has, hence which parts it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) starts: bool,
    /// Some start has a key.
    pub(super) keys: bool,
    pub(super) updates: bool,
    /// Sagas that go to the archive.
    pub(super) ends: bool,
    /// Some member ends its saga, wherever that then lies.
    pub(super) tally: bool,
    pub(super) postponements: bool,
    pub(super) events: bool,
    pub(super) deliveries: bool,
    pub(super) letters: bool,
}

const NAMES: [&str; 9] = [
    "starts",
    "keys",
    "updates",
    "ends",
    "tally",
    "postponements",
    "events",
    "deliveries",
    "letters",
];

/// By combination.
static TEXTS: [OnceLock<String>; 1 << NAMES.len()] = [const { OnceLock::new() }; 1 << NAMES.len()];

/// `commit.sql` in its order: when a part is needed, and its text.
static PARTS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let to_archive = terms::to_archive(&Arguments {
        slot: "$58",
        first_day: "$33",
        definitions: "$34",
        kept: "$35",
        steps: "$36",
        other_kept: "$37",
        other_step: "$38",
    });
    let parts = include_str!("commit.sql").split("\n--- ").skip(1);
    let parts = parts.map(|part| {
        let (needed, text) = part.split_once('\n').expect("a part has a text");
        (needed, text.replace(":to_archive", &to_archive))
    });
    parts.collect()
});

impl Parts {
    /// The statement.
    pub(super) fn text(self) -> &'static str {
        let combination = (0..NAMES.len()).filter(|place| self.has()[*place]);
        let combination = combination.fold(0, |sum, place| sum | 1 << place);
        TEXTS[combination].get_or_init(|| self.put_together())
    }

    fn has(self) -> [bool; NAMES.len()] {
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

    fn needs(self, part: &str) -> bool {
        match part {
            "no keys" => self.starts && !self.keys,
            _ => {
                let place = NAMES.iter().position(|name| *name == part);
                self.has()[place.expect("a part is needed when the batch has something")]
            }
        }
    }

    fn put_together(self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut needed = PARTS.iter().filter(|(part, _)| self.needs(part)).peekable();
        let is_of_members =
            |part: &str| ["keys", "no keys", "starts", "updates", "ends"].contains(&part);
        while let Some((_, text)) = needed.next_if(|(part, _)| is_of_members(part)) {
            parts.push(text.clone());
        }
        if let Some(winner) = self.winner() {
            parts.push(winner);
        }
        parts.extend(needed.map(|(_, text)| text.clone()));
        let with = if parts.is_empty() { "" } else { "WITH " };
        let updated = match (self.updates, self.ends) {
            (true, true) => "ARRAY(SELECT id FROM updated) || ARRAY(SELECT id FROM gone)",
            (true, false) => "ARRAY(SELECT id FROM updated)",
            (false, true) => "ARRAY(SELECT id FROM gone)",
            (false, false) => "ARRAY[]::uuid[]",
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
                clock_timestamp() AS database_time",
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
