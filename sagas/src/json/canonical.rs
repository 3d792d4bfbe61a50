//! The canonical form of a JSON text: the same bytes for the same value, other bytes for another one.
//!
//! Keys are sorted by code point, strings are unescaped, numbers are exact decimals. It is made from
//! the text itself, so no feature of a JSON library, and no width of a number, has a say in it. It is
//! stored as a digest, so it never changes: another form would be another function.
//!
//! ```text
//!   null n   true t   false f   "né" s3:né   [1, -0.50] [#1e0;#-5e-1;]   {"b":1,"a":2} {s1:a#2e0;s1:b#1e0;}
//! ```
//!
//! Time and memory are those of a sort, whatever a client sends: the exponent of a number stays text, and
//! nesting takes no stack. A key that an object repeats is kept each time, in the order of the text, and
//! the first such key is named for those who refuse it.

pub(super) mod number;
mod string;

use std::fmt;
use std::ops::Range;

/// The canonical form of one JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    bytes: Vec<u8>,
    repeated: Option<RepeatedKey>,
}

/// A key that an object has more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedKey {
    /// JSON Pointer of the object; empty for the whole value.
    pub path: String,
    /// The key, unescaped.
    pub key: String,
}

impl fmt::Display for RepeatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, key } = self;
        if path.is_empty() {
            write!(f, "the outermost object repeats the key {key:?}")
        } else {
            write!(f, "the object at {path} repeats the key {key:?}")
        }
    }
}

impl Canonical {
    /// The form of `text`, which is one JSON value.
    pub(super) fn of(text: &str) -> Self {
        let mut writer = Writer::default();
        writer.write(text);
        Self {
            repeated: writer.repeated.take(),
            bytes: writer.sorted(),
        }
    }

    /// The form: no form is the beginning of another one.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first object that repeats a key, innermost first.
    #[must_use]
    pub fn repeated_key(&self) -> Option<&RepeatedKey> {
        self.repeated.as_ref()
    }
}

#[derive(Default)]
struct Writer {
    /// The form, but for the order of members.
    out: Vec<u8>,
    open: Vec<Container>,
    unsorted: Vec<Unsorted>,
    repeated: Option<RepeatedKey>,
}

/// An object whose members are not in order.
struct Unsorted {
    /// Where its brackets are.
    at: usize,
    end: usize,
    /// In the order of their keys.
    members: Vec<Range<usize>>,
}

/// An array or an object that is not closed yet.
struct Container {
    /// Where its bracket is in what is written.
    at: usize,
    kind: Kind,
}

enum Kind {
    /// With the index of its current item.
    Array(usize),
    Object {
        members: Vec<Member>,
        /// Whether the next string is one.
        wants_key: bool,
    },
}

/// A member of an object that is open, in what is written.
struct Member {
    start: usize,
    /// Its key's text.
    key: Range<usize>,
}

impl Writer {
    fn write(&mut self, text: &str) {
        let mut at = 0;
        while let Some(byte) = text.as_bytes().get(at) {
            let length = match byte {
                b'"' => self.string(&text[at..]),
                b'-' | b'0'..=b'9' => self.number(&text[at..]),
                b't' => self.literal("true"),
                b'f' => self.literal("false"),
                b'n' => self.literal("null"),
                b'{' | b'[' => self.begin(*byte),
                b'}' | b']' => self.end(*byte),
                b',' => self.next(),
                // Colons and spaces.
                _ => 1,
            };
            at += length;
        }
    }

    fn string(&mut self, text: &str) -> usize {
        let start = self.out.len();
        let (length, content) = string::write(text, &mut self.out);
        if let Some(Container { kind, .. }) = self.open.last_mut()
            && let Kind::Object { members, wants_key } = kind
            && std::mem::take(wants_key)
        {
            members.push(Member {
                start,
                key: content,
            });
        }
        length
    }

    fn number(&mut self, text: &str) -> usize {
        let is_part = |c: char| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
        let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
        self.out.push(b'#');
        number::write(&text[..length], &mut self.out);
        self.out.push(b';');
        length
    }

    fn literal(&mut self, word: &str) -> usize {
        self.out.push(word.as_bytes()[0]);
        word.len()
    }

    fn begin(&mut self, bracket: u8) -> usize {
        let at = self.out.len();
        self.out.push(bracket);
        let kind = if bracket == b'[' {
            Kind::Array(0)
        } else {
            Kind::Object {
                members: Vec::new(),
                wants_key: true,
            }
        };
        self.open.push(Container { at, kind });
        1
    }

    fn next(&mut self) -> usize {
        match self.open.last_mut().map(|container| &mut container.kind) {
            Some(Kind::Array(index)) => *index += 1,
            Some(Kind::Object { wants_key, .. }) => *wants_key = true,
            None => {}
        }
        1
    }

    fn end(&mut self, bracket: u8) -> usize {
        if let Some(Container { at, kind }) = self.open.pop()
            && let Kind::Object { members, .. } = kind
        {
            self.sort(at, members);
        }
        self.out.push(bracket);
        1
    }

    /// Notes where the members of an object belong, and a key that it repeats.
    fn sort(&mut self, at: usize, members: Vec<Member>) {
        let ends: Vec<usize> = members.iter().skip(1).map(|member| member.start).collect();
        let ends = ends.into_iter().chain([self.out.len()]);
        let mut members: Vec<_> = members.into_iter().zip(ends).collect();
        let key = |member: &Member| &self.out[member.key.clone()];
        let is_sorted = members.is_sorted_by(|(one, _), (two, _)| key(one) <= key(two));
        // Stable: what is repeated stays in the order of the text.
        members.sort_by(|(one, _), (two, _)| key(one).cmp(key(two)));
        let mut pairs = members.windows(2);
        let twice = pairs.find(|pair| key(&pair[0].0) == key(&pair[1].0));
        if let Some(pair) = twice
            && self.repeated.is_none()
        {
            let key = String::from_utf8_lossy(key(&pair[0].0)).into_owned();
            let path = self.path();
            self.repeated = Some(RepeatedKey { path, key });
        }
        if !is_sorted {
            let members = members.iter().map(|(member, end)| member.start..*end);
            self.unsorted.push(Unsorted {
                at,
                end: self.out.len(),
                members: members.collect(),
            });
        }
    }

    /// What is written, with the members of every object in order. Each byte moves once, however deep
    /// it lies.
    fn sorted(mut self) -> Vec<u8> {
        if self.unsorted.is_empty() {
            return self.out;
        }
        self.unsorted.sort_by_key(|object| object.at);
        let mut sorted = Vec::with_capacity(self.out.len());
        let mut pieces = Vec::new();
        pieces.push(0..self.out.len());
        while let Some(piece) = pieces.pop() {
            let next = self
                .unsorted
                .partition_point(|object| object.at < piece.start);
            match self.unsorted.get(next) {
                Some(object) if object.at < piece.end => {
                    sorted.extend_from_slice(&self.out[piece.start..=object.at]);
                    pieces.push(object.end..piece.end);
                    pieces.extend(object.members.iter().rev().cloned());
                }
                _ => sorted.extend_from_slice(&self.out[piece]),
            }
        }
        sorted
    }

    /// Where the container lies that was closed last.
    fn path(&self) -> String {
        let mut path = String::new();
        for Container { kind, .. } in &self.open {
            let part = match kind {
                Kind::Array(index) => index.to_string(),
                Kind::Object { members, .. } => members.last().map_or_else(String::new, |member| {
                    let key = String::from_utf8_lossy(&self.out[member.key.clone()]);
                    key.replace('~', "~0").replace('/', "~1")
                }),
            };
            path.push('/');
            path.push_str(&part);
        }
        path
    }
}

#[cfg(test)]
mod tests;
