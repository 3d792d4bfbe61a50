//! Reads a JSON request body strictly.

use axum::http::{HeaderMap, HeaderValue, header};
use sagas::json::Canonical;
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::depth::depth;
use super::inputs::cut;
use super::problem::{Kind, PathError, Problem};

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
    check_encoding(headers)?;
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

/// Reads a text as a `T`, which is an object and borrows from the text.
pub(super) fn parse<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, Problem> {
    // A derived reader would take an array for the values of its fields.
    if let Some(found) = no_object(text)? {
        let message = format!("expected an object, found {found}");
        return Err(misfit(String::new(), &message));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() {
            let message = error.to_string();
            // The place in the text says less than the pointer.
            let place = message.rfind(" at line ").unwrap_or(message.len());
            misfit(path, &message[..place])
        } else {
            broken(&error)
        }
    })?;
    reader.end().map_err(|error| broken(&error))?;
    Ok(value)
}

fn broken(error: &serde_json::Error) -> Problem {
    Problem::new(Kind::Malformed, format!("the body: {error}"))
}

/// A value of the body that is JSON and not what its place wants.
fn misfit(path: String, message: &str) -> Problem {
    let message = cut(message);
    let detail = if path.is_empty() {
        format!("the body: {message}")
    } else {
        format!("the body, at {}: {message}", cut(&path))
    };
    Problem::new(Kind::Malformed, detail).with_errors(vec![PathError { path, message }])
}

/// What kind of value the text is, if it is no object.
fn no_object(text: &str) -> Result<Option<&'static str>, Problem> {
    if text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let value = serde_json::from_str(text).map_err(|error| broken(&error))?;
    Ok(match value {
        Value::Object(_) => None,
        Value::Array(_) => Some("an array"),
        Value::String(_) => Some("a string"),
        Value::Number(_) => Some("a number"),
        Value::Bool(_) => Some("a boolean"),
        Value::Null => Some("null"),
    })
}

/// The path as a JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
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

/// A JSON type, in UTF-8 if it says in what.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE);
    let declared = declared.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut parts = declared.as_deref().unwrap_or("").split(';').map(str::trim);
    let essence = parts.next().unwrap_or("").to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_other_charset = parts.any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_utf8 = value.trim_matches('"').eq_ignore_ascii_case("utf-8");
        name.eq_ignore_ascii_case("charset") && !is_utf8
    });
    let wanted = match (is_json, is_other_charset) {
        (true, false) => return Ok(()),
        (true, true) => "send JSON in UTF-8",
        (false, _) => "send application/json",
    };
    let found = declared.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let detail = format!("the Content-Type is {found}; {wanted}");
    Err(Problem::new(Kind::NotJson, detail))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let is_plain = |value: &&HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    match encodings.into_iter().find(|value| !is_plain(value)) {
        None => Ok(()),
        Some(value) => {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let detail = format!("the Content-Encoding is {value:?}; send the body as it is");
            Err(Problem::new(Kind::Encoded, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use sagas::Json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        a: Vec<u8>,
    }

    fn kind_of(content_type: Option<&'static str>, body: &[u8]) -> Result<Vec<u8>, Kind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        }
        let read = read(&headers, body, 4).map(|given: Given| given.a);
        read.map_err(|problem| problem.kind())
    }

    #[test]
    fn json_is_read_whatever_its_parameters() {
        for value in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;Charset=\"UTF-8\" ; v=1",
            "application/x+json",
        ] {
            let read = kind_of(Some(value), br#"{"a":[1]}"#);
            assert_eq!(read, Ok(vec![1]), "{value}");
        }
    }

    #[test]
    fn another_or_no_content_type_is_refused() {
        for value in [
            None,
            Some("text/plain"),
            Some("application/jsonp"),
            Some("application/json; charset=utf-16"),
            Some("application/json;charset"),
            Some(""),
        ] {
            let read = kind_of(value, br#"{"a":[1]}"#);
            assert_eq!(read, Err(Kind::NotJson), "{value:?}");
        }
    }

    #[test]
    fn an_encoded_body_is_refused() {
        let encoded = |encodings: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for encoding in encodings {
                let value = HeaderValue::from_static(encoding);
                headers.append(header::CONTENT_ENCODING, value);
            }
            check_encoding(&headers).map_err(|problem| problem.kind())
        };
        assert_eq!(encoded(&[]), Ok(()));
        assert_eq!(encoded(&["Identity"]), Ok(()));
        assert_eq!(encoded(&["gzip"]), Err(Kind::Encoded));
        assert_eq!(encoded(&["identity", "br"]), Err(Kind::Encoded));
    }

    #[test]
    fn a_value_that_its_place_does_not_take_is_named_with_its_pointer() {
        for (text, path, message) in [
            ("[[1]]", "", "expected an object, found an array"),
            (" null", "", "expected an object, found null"),
            ("\"x\"", "", "expected an object, found a string"),
            ("{}", "", "missing field `a`"),
            (
                r#"{"a":7}"#,
                "/a",
                "invalid type: integer `7`, expected a sequence",
            ),
            (
                r#"{"a":[1,-2]}"#,
                "/a/1",
                "invalid value: integer `-2`, expected u8",
            ),
            (
                r#"{"a":[],"b/c":1}"#,
                "/b~1c",
                "unknown field `b/c`, expected `a`",
            ),
        ] {
            let problem = parse::<Given>(text).unwrap_err();
            assert_eq!(problem.kind(), Kind::Malformed);
            let errors: Vec<_> = problem.errors().iter().collect();
            let found = (errors[0].path.as_str(), errors[0].message.as_str());
            assert_eq!(found, (path, message), "{text}");
            assert!(problem.detail().contains(message), "{}", problem.detail());
        }
        for text in ["", "{", "nul", "{\"a\":[]} 1", "[1"] {
            let problem = parse::<Given>(text).unwrap_err();
            assert!(problem.errors().is_empty(), "{text}");
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
