//! What can still be read of a value that is no JSON object: the members of its outermost level.
//!
//! A participant that writes `NaN` into its payload, or cuts it off, makes the whole value unreadable,
//! and yet says in every other member whom it answers. Brackets and quotes are all that is looked at.
//! What a member holds is for the caller to judge.

/// Names and values, as far as they can be told apart.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let mut rest = value.trim_ascii_start().strip_prefix(b"{");
    std::iter::from_fn(move || {
        let (name, after) = until(rest.take()?, b":")?;
        let (json, after) = until(after, b",}").unwrap_or((after, b""));
        rest = Some(after);
        Some((serde_json::from_slice(name).ok()?, json.trim_ascii()))
    })
}

/// The bytes before the first of `ends` that is in no text and no brackets, and those behind it.
fn until<'a>(json: &'a [u8], ends: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (mut depth, mut in_text, mut is_escaped) = (0_u32, false, false);
    for (at, byte) in json.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            end if depth == 0 && ends.contains(end) => return Some((&json[..at], &json[at + 1..])),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
