//! Reads a JSON request body strictly.

use axum::http::{HeaderMap, header};
use sagas::json::Canonical;
use serde::Deserialize;

use super::depth::depth;
use super::inputs::cut;
use super::problem::{Kind, Problem};

/// Reads `body` as a `T`; the value borrows from it, so that raw JSON stays as it came.
pub(super) fn read<'b, T: Deserialize<'b>>(
    headers: &HeaderMap,
    body: &'b [u8],
    depth_max: u8,
) -> Result<T, Problem> {
    let text = text(headers, body)?;
    check_depth(depth(body), depth_max)?;
    parse(text)
}

/// The text of a JSON body, of which nothing is read yet.
pub(super) fn text<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<&'b str, Problem> {
    check_type(headers)?;
    // A byte order mark is no JSON; say so, because nobody sees it.
    if body.starts_with(b"\xef\xbb\xbf") {
        let detail = "the body starts with a byte order mark; JSON has none";
        return Err(Problem::new(Kind::Malformed, detail));
    }
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        let detail = format!("the body is not UTF-8 from byte {at} on");
        Problem::new(Kind::Malformed, detail)
    })
}

/// Refuses what is nested deeper than `max`.
pub(super) fn check_depth(found: usize, max: u8) -> Result<(), Problem> {
    if found <= usize::from(max) {
        return Ok(());
    }
    let detail = format!(
        "arrays and objects are nested {found} deep; at most {max} are read (--json-depth-max)"
    );
    Err(Problem::new(Kind::TooDeep, detail))
}

/// Reads a text as a `T`, which borrows from it.
pub(super) fn parse<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, Problem> {
    serde_json::from_str(text)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body: {error}")))
}

/// Refuses a value, which a client calls `name`, that repeats a key. Of such an object one reader takes the
/// first member, another one the last: the two would not see the same value.
pub(super) fn check_keys(name: &str, value: &Canonical) -> Result<(), Problem> {
    match value.repeated_key() {
        None => Ok(()),
        Some(repeated) => {
            let detail = format!("in {name}, {}", cut(&repeated.to_string()));
            Err(Problem::new(Kind::Malformed, detail))
        }
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE);
    let declared = declared.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let essence = declared.as_deref().unwrap_or("").split(';').next();
    let essence = essence.unwrap_or("").trim().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    let found = declared.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let detail = format!("the Content-Type is {found}; send application/json");
    Err(Problem::new(Kind::NotJson, detail))
}

#[cfg(test)]
mod tests {
    use sagas::Json;

    use axum::http::HeaderValue;

    use super::*;

    fn kind_of(content_type: Option<&'static str>, body: &[u8]) -> Result<Vec<u8>, Kind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        }
        read(&headers, body, 4).map_err(|problem| problem.kind())
    }

    #[test]
    fn json_is_read_whatever_its_parameters() {
        for value in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/x+json",
        ] {
            assert_eq!(kind_of(Some(value), b"[1]"), Ok(vec![1]), "{value}");
        }
    }

    #[test]
    fn another_or_no_content_type_is_refused() {
        for value in [
            None,
            Some("text/plain"),
            Some("application/jsonp"),
            Some(""),
        ] {
            assert_eq!(kind_of(value, b"[1]"), Err(Kind::NotJson), "{value:?}");
        }
    }

    #[test]
    fn a_repeated_key_is_malformed_and_named_in_a_short_text() {
        let key = "k".repeat(10_000);
        let value = Json::parse(format!(r#"[{{"{key}":1,"{key}":2}}]"#)).unwrap();
        let problem = check_keys("the input", &value.canonical()).unwrap_err();
        assert_eq!(problem.kind(), Kind::Malformed);
        let start = r#"in the input, the object at /0 repeats the key "kkk"#;
        assert!(problem.detail().starts_with(start), "{}", problem.detail());
        assert!(problem.detail().len() < 400, "{}", problem.detail());
    }

    #[test]
    fn what_is_broken_is_malformed_and_what_is_deep_is_too_deep() {
        let json = Some("application/json");
        for body in [&b"[1"[..], b"", b"[1] 2", b"\xff", b"\xef\xbb\xbf[1]"] {
            assert_eq!(kind_of(json, body), Err(Kind::Malformed), "{body:?}");
        }
        assert_eq!(kind_of(json, b"[[[[[]]]]]"), Err(Kind::TooDeep));
    }
}
