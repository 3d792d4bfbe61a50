//! Strings of the canonical form: their length in bytes, and what they mean without any escape.

use std::fmt;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{Error, Visitor};

/// Writes the string that `text` begins with; gives its length in `text`, and where its content is in
/// `out`.
///
/// The content is UTF-8, in which bytes sort as code points do. Half of a surrogate pair is no code point;
/// it is written as one nevertheless (WTF-8), so that no two strings are written alike.
pub(super) fn write(text: &str, out: &mut Vec<u8>) -> (usize, Range<usize>) {
    let (length, is_escaped) = measure(text.as_bytes());
    let token = &text[..length];
    if is_escaped {
        let content = unescaped(token);
        (length, put(&content, out))
    } else {
        (length, put(&token.as_bytes()[1..length - 1], out))
    }
}

fn put(content: &[u8], out: &mut Vec<u8>) -> Range<usize> {
    out.push(b's');
    out.extend(content.len().to_string().bytes());
    out.push(b':');
    let start = out.len();
    out.extend(content);
    start..out.len()
}

/// The length of the string with its quotes, and whether there is an escape in it.
fn measure(text: &[u8]) -> (usize, bool) {
    let (mut at, mut is_escaped) = (1, false);
    loop {
        match text.get(at) {
            Some(b'\\') => {
                is_escaped = true;
                at += 2;
            }
            Some(b'"') => return (at + 1, is_escaped),
            Some(_) => at += 1,
            None => unreachable!("the text is JSON, where every string ends"),
        }
    }
}

fn unescaped(token: &str) -> Vec<u8> {
    let mut reader = serde_json::Deserializer::from_str(token);
    // Asked for bytes, serde_json keeps half of a surrogate pair; asked for text, it refuses it.
    let content = reader.deserialize_bytes(Bytes);
    content.expect("the text is JSON, where every escape is well formed")
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}
