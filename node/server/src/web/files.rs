//! Files over HTTP: put where a slot says so (XEP-0363), posted where a pass does (IRCv3 `draft/FILEHOST`), and got by whoever has the URL.
//!
//! What people share is shown by browsers under this node's name, so nothing that could run there is served as what it says it is: only what is media
//! keeps its type, and the rest is to be saved.

use super::Web;
use super::copies::{self, Peers};
use crate::files::{Coming, FileError, Files, Record};
use crate::identity::random;
use crate::shell::clock::wall_ms;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use lavina_protocols::slot::{Pass, SLOT_SECONDS, Slot, SlotError, Upload, clean_media, clean_name, file_path};
use std::sync::Arc;
use std::time::Duration;

/// Longest silence of who puts a file.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// What pages and what is in a file may do where it is shown: nothing.
const POLICY: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";
/// Media types that browsers show and cannot run, beside sound and video.
const SHOWN: [&str; 7] =
    ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "text/plain"];

/// Where files are kept, and what proves that they may be.
#[derive(Debug)]
pub(crate) struct FileService {
    /// The files.
    pub(crate) files: Files,
    /// As sessions know it.
    pub(crate) upload: Upload,
    /// Other nodes that have copies.
    pub(crate) peers: Peers,
}

/// What comes of a request that cannot be answered as it wants.
pub(super) struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        with_cors((self.0, format!("{}\n", self.1)).into_response())
    }
}

impl From<SlotError> for Refused {
    fn from(error: SlotError) -> Self {
        Self(StatusCode::FORBIDDEN, error.to_string())
    }
}

impl From<FileError> for Refused {
    fn from(error: FileError) -> Self {
        let status = match &error {
            FileError::Exists => StatusCode::CONFLICT,
            FileError::Quota => StatusCode::PAYLOAD_TOO_LARGE,
            FileError::Length | FileError::Content => StatusCode::BAD_REQUEST,
            FileError::Disk(error) => {
                tracing::warn!(%error, "a file cannot be kept");
                StatusCode::INSUFFICIENT_STORAGE
            }
        };
        Self(status, error.to_string())
    }
}

fn not_here() -> Refused {
    Refused(StatusCode::NOT_FOUND, "there is no such file, or its time is over".to_owned())
}

fn service(web: &Web) -> Result<&Arc<FileService>, Refused> {
    web.files.as_ref().ok_or_else(not_here)
}

fn now_s() -> u64 {
    wall_ms() / 1000
}

/// Scripts of any page may put and get: what they can do is in the URL.
fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("location"));
    response
}

fn preflight(methods: &'static str) -> Response {
    let allowed = [
        (header::ALLOW, methods),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, content-disposition"),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    with_cors((StatusCode::NO_CONTENT, allowed).into_response())
}

/// OPTIONS of a file.
pub(super) async fn file_options() -> Response {
    preflight("OPTIONS, HEAD, GET, PUT")
}

/// OPTIONS of where files are posted.
pub(super) async fn upload_options() -> Response {
    preflight("OPTIONS, POST")
}

/// PUT, into a slot.
pub(super) async fn put(
    State(web): State<Arc<Web>>,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Refused> {
    let service = service(&web)?;
    let slot = Slot::read(&service.upload.key, &id, &name, &query.unwrap_or_default(), now_s())?;
    if length(request.headers())? != slot.size {
        return Err(FileError::Length.into());
    }
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(clean_media);
    if media.is_some_and(|media| media != slot.media) {
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{} was said", slot.media)));
    }
    take(service, slot, request).await?;
    Ok(with_cors(StatusCode::CREATED.into_response()))
}

/// POST, with a pass.
pub(super) async fn post(
    State(web): State<Arc<Web>>,
    Path((account, until, proof)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Refused> {
    let service = service(&web)?;
    let pass = Pass::read(&service.upload.key, &account, &until, &proof, now_s())?;
    let size = length(request.headers())?;
    if size > service.upload.bytes_max {
        let words = format!("files may have {} bytes", service.upload.bytes_max);
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, words));
    }
    let slot = slot_of(pass, size, request.headers());
    let url = slot.get_url(&service.upload);
    take(service, slot, request).await?;
    Ok(with_cors((StatusCode::CREATED, [(header::LOCATION, url)]).into_response()))
}

/// A slot for what a request says of its file.
fn slot_of(pass: Pass, size: u64, headers: &HeaderMap) -> Slot {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Slot {
        id: random(),
        name: clean_name(file_name(text(header::CONTENT_DISPOSITION))),
        account: pass.account,
        size,
        media: clean_media(text(header::CONTENT_TYPE)),
        until_s: now_s() + SLOT_SECONDS,
    }
}

fn length(headers: &HeaderMap) -> Result<u64, Refused> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.filter(|length| *length > 0).ok_or_else(|| {
        Refused(StatusCode::LENGTH_REQUIRED, "the length of the file is to be said in Content-Length".to_owned())
    })
}

/// The name in a `Content-Disposition` (RFC 6266 section 4.1); empty when there is none.
fn file_name(disposition: &str) -> &str {
    let named = disposition.split(';').filter_map(|part| part.trim().strip_prefix("filename="));
    named.map(|name| name.trim_matches('"')).next().unwrap_or_default()
}

/// Reads a file to its end and keeps it.
async fn take(service: &Arc<FileService>, slot: Slot, request: Request) -> Result<(), Refused> {
    let path = file_path(&slot.id, &slot.name);
    let mut coming: Coming = service.files.begin(slot)?;
    let mut body = request.into_body();
    loop {
        let broken = || Refused(StatusCode::REQUEST_TIMEOUT, "the file did not come to its end".to_owned());
        let frame = tokio::time::timeout(BODY_WAIT, body.frame()).await.map_err(|_| broken())?;
        let Some(frame) = frame else { break };
        if let Ok(bytes) = frame.map_err(|_| broken())?.into_data() {
            coming.write(&bytes)?;
        }
    }
    // Waiting for the disk is not for the thread that takes connections.
    let kept = tokio::task::spawn_blocking(move || coming.finish(wall_ms())).await;
    kept.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    copies::offer(service, path);
    Ok(())
}

/// GET and HEAD.
pub(super) async fn get(
    State(web): State<Arc<Web>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let service = service(&web)?;
    let found = || service.files.find(&id, wall_ms()).filter(|(record, _)| record.name == name);
    let is_node = copies::is_node(&service.upload.key, &id, &headers);
    if found().is_none() && !is_node {
        copies::fetch(service, &id, &name).await;
    }
    let (record, path) = found().ok_or_else(not_here)?;
    let tag = format!("\"{}\"", record.hash);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(with_cors((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()));
    }
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).map(|text| range(text, record.size));
    let (status, start, length) = match range {
        None | Some(Range::Whole) => (StatusCode::OK, 0, record.size),
        Some(Range::Part(start, length)) => (StatusCode::PARTIAL_CONTENT, start, length),
        Some(Range::Outside) => {
            let size = format!("bytes */{}", record.size);
            return Ok(with_cors((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, size)]).into_response()));
        }
    };
    let body = super::body::FileBody::open(&path, start, length).await.map_err(|_| not_here())?;
    let mut response = (status, Body::new(body)).into_response();
    let answers = response.headers_mut();
    let left_s = service.files.ends_ms(&record).saturating_sub(wall_ms()) / 1000;
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answers.insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, length.to_string());
    set(header::CONTENT_TYPE, served_as(&record.media).to_owned());
    set(header::CONTENT_DISPOSITION, disposition(&record));
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, format!("public, max-age={left_s}, immutable"));
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CONTENT_SECURITY_POLICY, POLICY.to_owned());
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    set(header::REFERRER_POLICY, "no-referrer".to_owned());
    set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin".to_owned());
    if is_node {
        copies::told(&service.upload.key, &id, &record).into_iter().for_each(|(name, value)| set(name, value));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, format!("bytes {start}-{}/{}", start + length - 1, record.size));
    }
    Ok(with_cors(response))
}

fn is_shown(media: &str) -> bool {
    media.starts_with("audio/") || media.starts_with("video/") || SHOWN.contains(&media)
}

fn served_as(media: &str) -> &str {
    match media {
        "text/plain" => "text/plain; charset=utf-8",
        media if is_shown(media) => media,
        _ => lavina_protocols::slot::MEDIA_UNKNOWN,
    }
}

/// RFC 6266: what is not shown is saved, under its name.
fn disposition(record: &Record) -> String {
    let kind = if is_shown(&record.media) { "inline" } else { "attachment" };
    let plain: String = record.name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let path = lavina_protocols::slot::file_path(&[0; 16], &record.name);
    let encoded = path.rsplit('/').next().unwrap_or_default().to_owned();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// What a client wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// All of it; also for what is not understood (RFC 9110 section 14.2).
    Whole,
    /// So many bytes from there.
    Part(u64, u64),
    /// Something that it does not have.
    Outside,
}

/// RFC 9110 section 14.1.2, one range.
fn range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    let part = |start: u64, end: u64| {
        if start < size { Range::Part(start, end.min(size - 1) - start + 1) } else { Range::Outside }
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => part(first, last),
        (Ok(first), Err(_)) if last.is_empty() => part(first, u64::MAX),
        (Err(_), Ok(0)) if first.is_empty() => Range::Outside,
        (Err(_), Ok(last)) if first.is_empty() => part(size.saturating_sub(last), u64::MAX),
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_what_is_not_understood_is_the_whole() {
        for (text, expected) in [
            ("bytes=0-0", Range::Part(0, 1)),
            ("bytes=0-999", Range::Part(0, 10)),
            ("bytes=3-5", Range::Part(3, 3)),
            ("bytes=7-", Range::Part(7, 3)),
            ("bytes=-4", Range::Part(6, 4)),
            ("bytes=-400", Range::Part(0, 10)),
            ("bytes=10-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-3", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
            ("bytes=-", Range::Whole),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn what_could_run_is_saved() {
        for media in ["text/html", "image/svg+xml", "application/pdf", "application/javascript", "text/xml"] {
            assert_eq!(served_as(media), "application/octet-stream");
        }
        assert_eq!(served_as("image/png"), "image/png");
        assert_eq!(served_as("video/mp4"), "video/mp4");
        assert_eq!(file_name("attachment; filename=\"a b.png\""), "a b.png");
        assert_eq!(file_name("attachment"), "");
    }
}
