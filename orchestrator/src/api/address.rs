//! The address of a request, checked before a handler sees it: a path that is text, and parameters that
//! its route has.
//!
//! Invariant: a route that nobody lists here takes no parameter, so none is ever ignored. The page's own
//! files are left out: what stands before this service may add to a page's address.

use axum::extract::{MatchedPath, Query, Request};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::{Kind, Problem};
use super::query::Parameters;
use super::{dead_letters, list, read, submit};

/// Gives the handler its [`Parameters`] as an extension.
pub(super) async fn check(mut request: Request, next: Next) -> Result<Response, Problem> {
    if !is_text(request.uri().path()) {
        let detail = "the path holds bytes, written with %, that are no UTF-8";
        return Err(Problem::new(Kind::BadPath, detail));
    }
    let route = request.extensions().get::<MatchedPath>();
    let known = route.and_then(|route| known(request.method(), route.as_str()));
    if let Some(known) = known {
        let parameters = Parameters::check(pairs(request.uri())?, known)?;
        request.extensions_mut().insert(parameters);
    }
    Ok(next.run(request).await)
}

/// The parameters of a route; `None` where any may be given.
fn known(method: &Method, route: &str) -> Option<&'static [&'static str]> {
    match route {
        "/" | "/assets/{*path}" => None,
        submit::SUBMISSIONS if method != Method::POST => Some(&list::KNOWN),
        "/v1/sagas/{id}" => Some(&read::KNOWN),
        "/v1/dead-letters" => Some(&dead_letters::KNOWN),
        _ => Some(&[]),
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let read = Query::try_from_uri(uri);
    let Query(pairs) = read.map_err(|error| Problem::parameter(error.to_string()))?;
    Ok(pairs)
}

/// Whether the path is UTF-8 once its `%` are read.
fn is_text(path: &str) -> bool {
    let mut rest = path.as_bytes();
    let mut read = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        let digits = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        let written = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        read.push(written.unwrap_or(*byte));
        rest = written.map_or(after, |_| &after[2..]);
    }
    str::from_utf8(&read).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text_whatever_its_signs_are_written_as() {
        for path in ["/", "/v1/%C3%BC", "/%00", "/%", "/%4", "/%zz", "/100%25"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%FF", "/v1/sagas/%ff", "/%C3", "/%C3%28", "/a%80b"] {
            assert!(!is_text(path), "{path}");
        }
    }
}
