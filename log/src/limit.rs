//! A limit on log lines of one kind: trouble is said at once, and does not fill the log.
//!
//! Invariant: no line is left out without being counted. The count is said by the next line of the
//! kind, or by [`sum_up`] where none comes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one kind: some within a window, the others are counted.
#[derive(Debug)]
pub struct Limit {
    kind: &'static str,
    lines: u32,
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the window began, in which so many lines were said.
    since: Option<Instant>,
    said: u32,
    left_out: u64,
}

/// The limits that have left something out.
static IN_USE: Mutex<Vec<&'static Limit>> = Mutex::new(Vec::new());

impl Limit {
    /// Trouble that lasts and repeats itself: a line each 5 s.
    pub const fn trouble(kind: &'static str) -> Self {
        Self::new(kind, 1, Duration::from_secs(5))
    }

    /// Things that differ from each other: ten lines a second.
    pub const fn each(kind: &'static str) -> Self {
        Self::new(kind, 10, Duration::from_secs(1))
    }

    const fn new(kind: &'static str, lines: u32, window: Duration) -> Self {
        let state = State {
            since: None,
            said: 0,
            left_out: 0,
        };
        Self {
            kind,
            lines,
            window,
            state: Mutex::new(state),
        }
    }

    /// Whether to say the line; then, how many were left out before it.
    pub fn admits(&'static self, now: Instant) -> Option<u64> {
        let (verdict, is_first) = self.decide(now);
        if is_first {
            let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
            if !in_use.iter().any(|known| std::ptr::eq(*known, self)) {
                in_use.push(self);
            }
        }
        verdict
    }

    /// The verdict, and whether it is the first line that is left out.
    fn decide(&self, now: Instant) -> (Option<u64>, bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since| now.saturating_duration_since(since) >= self.window;
        if state.since.is_none_or(is_over) {
            (state.since, state.said) = (Some(now), 0);
        }
        if state.said < self.lines {
            state.said += 1;
            return (Some(std::mem::take(&mut state.left_out)), false);
        }
        state.left_out += 1;
        (None, state.left_out == 1)
    }

    /// What was left out, if no line of the kind will say it soon.
    fn rest(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A line that comes with the next window says it itself.
        let over_for = now.saturating_duration_since(state.since?);
        let is_due = over_for >= self.window + self.window / 5;
        (is_due && state.left_out > 0).then(|| std::mem::take(&mut state.left_out))
    }
}

/// Says how many lines were left out of kinds that have fallen silent since. To be called now and then.
pub fn sum_up(now: Instant) {
    let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    for limit in in_use.iter() {
        if let Some(left_out) = limit.rest(now) {
            tracing::warn!(left_out, "… and {left_out} more: {}", limit.kind);
        }
    }
}

/// Logs a line of trouble, unless its kind has said enough: a level, what it is, then its fields.
#[macro_export]
macro_rules! trouble {
    ($level:ident, $kind:literal $(, $($fields:tt)+)?) => {{
        static LIMIT: $crate::Limit = $crate::Limit::trouble($kind);
        $crate::limited!(LIMIT, $level, $kind $(, $($fields)+)?);
    }};
}

/// The same for a limit that several places share.
#[macro_export]
macro_rules! limited {
    ($limit:path, $level:ident, $kind:literal $(, $($fields:tt)+)?) => {
        match $limit.admits(std::time::Instant::now()) {
            None => {}
            Some(0) => $crate::tracing::$level!($($($fields)+,)? $kind),
            Some(left_out) => $crate::tracing::$level!($($($fields)+,)? left_out, $kind),
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_line_is_said_at_once_and_the_next_window_counts_what_was_left_out() {
        let (limit, start) = (Limit::trouble("x"), Instant::now());
        assert_eq!(limit.decide(start), (Some(0), false));
        assert_eq!(limit.decide(start + SECOND), (None, true));
        assert_eq!(limit.decide(start + SECOND * 4), (None, false));
        assert_eq!(limit.decide(start + SECOND * 5), (Some(2), false));
        assert_eq!(limit.decide(start + SECOND * 10), (Some(0), false));
    }

    #[test]
    fn things_that_differ_get_ten_lines_a_second() {
        let (limit, start) = (Limit::each("x"), Instant::now());
        let said = |at| (0..100).filter(|_| limit.decide(at).0.is_some()).count();
        assert_eq!(said(start), 10);
        assert_eq!(said(start + SECOND / 2), 0);
        assert_eq!(said(start + SECOND), 10);
    }

    #[test]
    fn a_kind_that_falls_silent_is_summed_up_once() {
        let (limit, start) = (Limit::each("x"), Instant::now());
        for _ in 0..322 {
            limit.decide(start);
        }
        assert_eq!(limit.rest(start + SECOND), None);
        assert_eq!(limit.rest(start + SECOND * 2), Some(312));
        assert_eq!(limit.rest(start + SECOND * 3), None);
    }
}
