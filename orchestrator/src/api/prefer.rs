//! The `wait` preference of the `Prefer` header (RFC 7240).

use std::time::Duration;

use axum::http::HeaderMap;

/// How long the client wants to wait for the saga's end, cut to `max`; `None` when it does not.
///
/// The first `wait` counts. What does not read as whole seconds is ignored, as the RFC wants it.
pub(super) fn wait(headers: &HeaderMap, max: Duration) -> Option<Duration> {
    let values = headers.get_all("prefer").iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut waits = texts.flat_map(|text| text.split(',')).filter_map(seconds);
    waits.next().map(|wait| wait.min(max))
}

fn seconds(preference: &str) -> Option<Duration> {
    // Parameters follow a semicolon; `wait` has none.
    let preference = preference.split(';').next()?;
    let (name, value) = preference.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let value = value.trim().trim_matches('"');
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds is for ever, which `max` cuts.
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const MAX: Duration = Duration::from_secs(30);

    fn read(values: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_static(value));
        }
        wait(&headers, MAX).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_first_wait_counts_up_to_the_limit() {
        assert_eq!(read(&["wait=5"]), Some(5));
        assert_eq!(read(&["respond-async, WAIT = 7; x=1"]), Some(7));
        assert_eq!(read(&["handling=strict", "wait=\"3\"", "wait=9"]), Some(3));
        assert_eq!(read(&["wait=31"]), Some(30));
        assert_eq!(read(&["wait=99999999999999999999999"]), Some(30));
    }

    #[test]
    fn what_is_no_wait_is_ignored() {
        for value in [
            "",
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "waiting=3",
            "wait=x",
        ] {
            assert_eq!(read(&[value]), None, "{value:?}");
        }
        assert_eq!(read(&["wait=x, wait=4"]), Some(4));
    }
}
