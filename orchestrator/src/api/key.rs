//! The `Idempotency-Key` header.

use axum::http::HeaderMap;

use super::problem::{Kind, Problem};

/// The header's name.
pub(super) const HEADER: &str = "idempotency-key";

/// Bytes of the longest key: what fits into any client's column.
const LENGTH_MAX: usize = 255;

/// The key of a submission; `None` when the client gave none.
///
/// It is 1 to 255 visible ASCII characters, compared as it came; anything else is refused, because
/// a key that proxies may change is no key.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::BadIdempotencyKey, detail));
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return refuse("there is more than one Idempotency-Key header".to_owned());
    }
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() > LENGTH_MAX {
        let length = bytes.len();
        return refuse(format!(
            "a key has 1 to {LENGTH_MAX} characters, this one has {length}"
        ));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(u8::is_ascii_graphic) => Ok(Some(text.to_owned())),
        _ => refuse("a key has visible ASCII characters only, without spaces".to_owned()),
    }
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
