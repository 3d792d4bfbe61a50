//! What happened, line by line, for a person who looks for the cause of a broken promise.
//!
//! Written only when asked for: a failing seed is run once more with it, and runs the same.

use std::fmt;

use sagas::Timestamp;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// True time.
    pub at: Timestamp,
    /// The saga that it is about, by number; `None` where it is about all.
    pub saga: Option<usize>,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.as_micros() - crate::world::BEGIN.as_micros();
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        write!(f, "{seconds:>4}.{micros:06} ")?;
        match self.saga {
            Some(saga) => write!(f, "saga {saga:<3} {}", self.text),
            None => write!(f, "         {}", self.text),
        }
    }
}

/// The lines so far, if somebody wants them.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<Line>>,
}

impl Trace {
    /// A trace that keeps its lines, or one that keeps none.
    #[must_use]
    pub fn new(is_kept: bool) -> Self {
        Self {
            lines: is_kept.then(Vec::new),
        }
    }

    /// Says something; the text is made only if it is kept.
    pub fn say(&mut self, at: Timestamp, saga: Option<usize>, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let text = text();
            lines.push(Line { at, saga, text });
        }
    }

    /// The lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<Line> {
        self.lines.unwrap_or_default()
    }
}
