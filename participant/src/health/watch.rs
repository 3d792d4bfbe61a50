//! What was last heard of one part. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::{HEARD_EVERY, Trouble};

/// Three times unheard, and a second for a machine that is busy.
const SILENT_AFTER: Duration = HEARD_EVERY
    .saturating_mul(3)
    .saturating_add(Duration::from_secs(1));

/// What was last heard of one part, and when.
#[derive(Debug)]
pub(super) struct Watch {
    heard_at: Instant,
    /// Since when, and what.
    trouble: Option<(Instant, String)>,
}

impl Watch {
    /// Nothing was heard yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            trouble: Some((now, "nothing was heard of it yet".to_owned())),
        }
    }

    /// Takes note. Returns whether the part was fine and is not, or the other way round.
    pub(super) fn hear(&mut self, now: Instant, heard: Result<(), &str>) -> bool {
        self.heard_at = now;
        let was_fine = self.trouble.is_none();
        self.trouble = heard.err().map(|what| {
            let since = self.trouble.as_ref().map_or(now, |(since, _)| *since);
            (since, what.to_owned())
        });
        was_fine != self.trouble.is_none()
    }

    /// What is the matter: what was heard last, or that nothing was heard for too long.
    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        if let Some((since, what)) = &self.trouble {
            let lasted = now.saturating_duration_since(*since);
            let what = what.clone();
            return Some(Trouble { lasted, what });
        }
        let lasted = now.saturating_duration_since(self.heard_at);
        (lasted > SILENT_AFTER).then(|| Trouble {
            lasted,
            what: "nothing was heard of it".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is told of a watch at a second: `for N s: what`, or `fine`.
    fn told(watch: &Watch, at: Instant) -> String {
        let trouble = watch.trouble(at);
        trouble.map_or_else(|| "fine".to_owned(), |trouble| trouble.to_string())
    }

    #[test]
    fn trouble_lasts_from_the_first_word_of_it_until_all_is_well() {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        assert_eq!(told(&watch, start), "for 0 s: nothing was heard of it yet");
        assert!(watch.hear(start, Ok(())));
        assert!(!watch.hear(start + SECOND, Ok(())));
        assert_eq!(told(&watch, start + SECOND), "fine");
        assert!(watch.hear(start + SECOND * 2, Err("away")));
        assert!(!watch.hear(start + SECOND * 5, Err("still away")));
        assert_eq!(told(&watch, start + SECOND * 6), "for 4 s: still away");
        assert!(watch.hear(start + SECOND * 7, Ok(())));
        assert_eq!(told(&watch, start + SECOND * 7), "fine");
    }

    #[test]
    fn a_part_that_falls_silent_is_in_trouble() {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        watch.hear(start, Ok(()));
        assert_eq!(told(&watch, start + SILENT_AFTER), "fine");
        let later = start + SILENT_AFTER + SECOND;
        assert_eq!(told(&watch, later), "for 11 s: nothing was heard of it");
    }
}
