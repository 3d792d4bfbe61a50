//! The `Idempotency-Key` header, and the parameter that finds a saga by its key.
//!
//! A key is written bare (`order-7`) or as a structured-field string (`"order-7"`, RFC 9651), as the IETF
//! draft of the header has it. Both name the same key.

use axum::http::HeaderMap;

use super::problem::{Kind, Problem};

/// The header's name.
pub(super) const HEADER: &str = "idempotency-key";

/// Bytes of the longest key: what fits into any client's column.
const LENGTH_MAX: usize = 255;

/// The key of a submission; `None` when the client gave none.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::BadIdempotencyKey, detail));
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return refuse("there is more than one Idempotency-Key header".to_owned());
    }
    parse(value.as_bytes()).map(Some).or_else(refuse)
}

/// The key that a text names; otherwise what is wrong with the text.
///
/// A key is 1 to 255 visible ASCII characters, compared as they came; between quotation marks it may hold
/// spaces. Anything else is refused, because a key that proxies may change is no key.
pub(super) fn parse(text: &[u8]) -> Result<String, String> {
    let key = match text {
        [b'"', quoted @ ..] => unquoted(quoted)?,
        bare => {
            if bare.contains(&b'"') {
                return Err("a key that does not begin with a quotation mark holds none".to_owned());
            }
            if !bare.iter().all(u8::is_ascii_graphic) {
                return Err("a key has visible ASCII characters only, without spaces".to_owned());
            }
            bare.to_vec()
        }
    };
    let length = key.len();
    if !(1..=LENGTH_MAX).contains(&length) {
        return Err(format!(
            "a key has 1 to {LENGTH_MAX} characters, this one has {length}"
        ));
    }
    Ok(String::from_utf8(key).expect("ASCII is UTF-8"))
}

/// What a structured-field string holds; `rest` is what follows its opening quotation mark.
fn unquoted(rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut key = Vec::new();
    let mut bytes = rest.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if bytes.as_slice().is_empty() => return Ok(key),
            b'"' => return Err("something follows the key's closing quotation mark".to_owned()),
            b'\\' => match bytes.next() {
                Some(&escaped @ (b'"' | b'\\')) => key.push(escaped),
                _ => {
                    let rule = "in a quoted key, a backslash stands before \" or \\ only";
                    return Err(rule.to_owned());
                }
            },
            b' '..=b'~' => key.push(byte),
            _ => return Err("a quoted key has visible ASCII characters and spaces only".to_owned()),
        }
    }
    Err("the key begins with a quotation mark and has no closing one".to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read_bytes(value: &[u8]) -> Result<Option<String>, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        read(&headers).map_err(|problem| problem.kind())
    }

    #[test]
    fn visible_ascii_up_to_255_characters_is_a_key() {
        let longest = "~".repeat(255);
        for key in ["order-7", "!", longest.as_str()] {
            assert_eq!(read_bytes(key.as_bytes()), Ok(Some(key.to_owned())));
        }
        assert_eq!(read(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_quoted_key_is_the_same_key_as_a_bare_one() {
        let longest = "~".repeat(255);
        for key in ["order-7", "a\\b", longest.as_str()] {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\"));
            assert_eq!(read_bytes(quoted.as_bytes()), read_bytes(key.as_bytes()));
        }
        assert_eq!(parse(br#""a \"b\" \\""#), Ok(r#"a "b" \"#.to_owned()));
    }

    #[test]
    fn malformed_quoting_is_refused_with_what_is_wrong() {
        let too_long = format!("\"{}\"", "a".repeat(256));
        for (key, words) in [
            ("\"order-7", "no closing one"),
            ("\"", "no closing one"),
            ("order-7\"", "does not begin with"),
            ("\"order-7\" ;a=1", "follows"),
            ("\"a\"b\"", "follows"),
            ("\"a\\n\"", "backslash"),
            ("\"a\\", "backslash"),
            ("\"a\tb\"", "visible ASCII"),
            ("\"gr\u{f6}\u{df}e\"", "visible ASCII"),
            ("\"\"", "1 to 255"),
            (too_long.as_str(), "this one has 256"),
        ] {
            let wrong = parse(key.as_bytes()).unwrap_err();
            assert!(wrong.contains(words), "{key}: {wrong}");
            assert_eq!(read_bytes(key.as_bytes()), Err(Kind::BadIdempotencyKey));
        }
    }

    #[test]
    fn every_other_key_is_refused() {
        let too_long = [b'a'; 256];
        for key in [
            &b""[..],
            b"a b",
            b"a\tb",
            "\u{fc}".as_bytes(),
            b"\xff",
            &too_long,
        ] {
            assert_eq!(read_bytes(key), Err(Kind::BadIdempotencyKey), "{key:?}");
        }
    }

    #[test]
    fn two_keys_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("a"));
        headers.append(HEADER, HeaderValue::from_static("a"));
        assert_eq!(read(&headers).unwrap_err().kind(), Kind::BadIdempotencyKey);
    }
}
