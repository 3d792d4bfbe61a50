//! The dashboard's files, as they were built into this binary, and the headers that keep browsers
//! strict.
//!
//! `dashboard/dist` is no part of the sources. Without it (`build.rs` decides), the page says which
//! command builds it, and everything else works.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response as Answer, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::{Kind, Problem};

/// Everything comes from here, nothing runs that is not a file of ours, nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// A name that holds the digest of its content never changes its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// May be kept, must be asked for again: a new binary has new names in it.
const ASK_AGAIN: &str = "no-cache";

/// A file, compressed when the binary was built.
pub(super) struct File {
    plain: Vec<u8>,
    /// The same, as a browser with `zstd` takes it.
    zstd: Option<Vec<u8>>,
    digest: [u8; 32],
}

pub(super) async fn index(headers: HeaderMap) -> Response {
    match built::file("index.html") {
        Some(file) => serve("index.html", file, ASK_AGAIN, &headers),
        None => serve("index.html", absent(), ASK_AGAIN, &headers),
    }
}

pub(super) async fn asset(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = format!("assets/{path}");
    match built::file(&path) {
        Some(file) => Ok(serve(&path, file, FOR_EVER, &headers)),
        None => Err(Problem::new(Kind::NotFound, format!("no file /{path}"))),
    }
}

/// The headers of every answer, whatever it is.
pub(super) async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let always = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is asked for twice is read twice: a saga's state is never a cached one.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn serve(path: &str, file: File, cache: &'static str, asked: &HeaderMap) -> Response {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (encoding, bytes) = match file.zstd {
        Some(zstd) if takes_zstd(asked) => (Some("zstd"), zstd),
        _ => (None, file.plain),
    };
    let variant = encoding.unwrap_or("plain");
    let tag = format!("\"{}-{variant}\"", hex(&file.digest[..12]));
    let mut answer = Answer::builder()
        .header(header::CACHE_CONTROL, cache)
        .header(header::VARY, "accept-encoding")
        .header(header::ETAG, &tag);
    if is_known(asked, &tag) {
        let answer = answer.status(StatusCode::NOT_MODIFIED).body(Body::empty());
        return answer.expect("all headers are visible ASCII");
    }
    answer = answer.header(header::CONTENT_TYPE, media_type(path));
    if let Some(encoding) = encoding {
        answer = answer.header(header::CONTENT_ENCODING, encoding);
    }
    let answer = answer.body(Body::from(bytes));
    answer
        .expect("all headers are visible ASCII")
        .into_response()
}

fn takes_zstd(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut codings = texts.flat_map(|text| text.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_zstd = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("zstd"));
        let is_refused = parts.any(|part| {
            let weight = part
                .strip_prefix("q=")
                .and_then(|q| q.trim().parse::<f32>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        });
        is_zstd && !is_refused
    })
}

/// Whether the client has what the tag names: `If-None-Match` compares weakly (RFC 9110, 13.1.2).
pub(super) fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    known.is_some_and(|known| {
        let mut tags = known.split(',').map(str::trim);
        tags.any(|one| one == "*" || strong(one) == strong(tag))
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The page of a binary that was built without the dashboard.
fn absent() -> File {
    let plain = include_bytes!("absent.html").to_vec();
    File {
        plain,
        zstd: None,
        digest: [0; 32],
    }
}

#[cfg(dashboard)]
mod built {
    use rust_embed::Embed;

    use super::File;

    #[derive(Embed)]
    #[folder = "../dashboard/dist"]
    #[compression = "zstd"]
    struct Dist;

    pub(super) fn file(path: &str) -> Option<File> {
        let file = Dist::compressed(path)?;
        Some(File {
            plain: file.data.decoded(),
            zstd: (file.content_encoding() == "zstd").then(|| file.data.compressed().to_vec()),
            digest: file.metadata.sha256_hash(),
        })
    }
}

#[cfg(not(dashboard))]
mod built {
    use super::File;

    pub(super) fn file(_path: &str) -> Option<File> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File {
            plain: b"plain".to_vec(),
            zstd: Some(b"small".to_vec()),
            digest: [7; 32],
        }
    }

    fn asked(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_the_index_is_asked_for_again() {
        let asset = serve("assets/index-abc.js", file(), FOR_EVER, &HeaderMap::new());
        assert_eq!(asset.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(
            asset.headers()[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        let index = serve("index.html", file(), ASK_AGAIN, &HeaderMap::new());
        assert_eq!(index.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn the_compressed_bytes_go_only_to_who_takes_them() {
        for (given, encoding) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("ZSTD;q=0.5", Some("zstd")),
            ("zstd;q=0", None),
            ("gzip", None),
        ] {
            let asked = asked(&[(header::ACCEPT_ENCODING, given)]);
            let answer = serve("assets/a.css", file(), FOR_EVER, &asked);
            let found = answer.headers().get(header::CONTENT_ENCODING);
            assert_eq!(
                found.map(|value| value.to_str().unwrap()),
                encoding,
                "{given}"
            );
            assert_eq!(answer.headers()[header::VARY], "accept-encoding");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let first = serve("index.html", file(), ASK_AGAIN, &HeaderMap::new());
        let tag = first.headers()[header::ETAG].clone();
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, tag);
        let answer = serve("index.html", file(), ASK_AGAIN, &again);
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        again.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("zstd"));
        let other = serve("index.html", file(), ASK_AGAIN, &again);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn the_page_of_a_binary_without_dashboard_names_the_command() {
        let text = String::from_utf8(absent().plain).unwrap();
        assert!(text.contains("cargo xtask dashboard"));
        assert!(
            !text.contains("<script") && !text.contains("style="),
            "the policy forbids both"
        );
    }
}
