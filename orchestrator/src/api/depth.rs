//! How deep a JSON text is nested, without building it.

/// The deepest nesting of arrays and objects in `json`; text inside strings does not count.
///
/// What is not JSON gets some number; the parser that comes next refuses it.
pub(super) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (true, b'"') => in_string = false,
            (false, b'"') => in_string = true,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_nest_and_strings_do_not() {
        assert_eq!(depth(b"1"), 0);
        assert_eq!(depth(br#"{"a":[1,[2]],"b":[]}"#), 3);
        assert_eq!(depth(br#"{"a":"[[[\"[[{{"}"#), 1);
        assert_eq!(depth(br#"["\\",["\\\""]]"#), 2);
        assert_eq!(depth(&b"[".repeat(100_000)), 100_000);
        assert_eq!(depth(b"]]]]{"), 1);
    }
}
