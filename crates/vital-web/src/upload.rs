//! Reading uploads: the size is refused from `Content-Length` before a byte is read, and counted again while reading.

use crate::{
    extract::{body_too_large, is_over_limit},
    limits::is_door,
    problem::Problem,
};
use axum::{
    extract::{FromRequest, MatchedPath, Multipart, Request, multipart::Field},
    http::{Extensions, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::time::Duration;
use vital_kernel::{Error, limits};
use vital_platform::knowledge::{self, NewDocument};

/// The routes whose body may be as large as an upload.
pub(crate) const UPLOAD_ROUTES: [&str; 2] = ["/api/v1/documents", "/library/upload"];
/// Room for what multipart adds around the file.
const MULTIPART_BYTES: usize = 64 * 1024;
/// Largest body of an upload.
pub(crate) const UPLOAD_BODY_BYTES_MAX: usize = limits::UPLOAD_BYTES_MAX + MULTIPART_BYTES;
/// Longest text field beside a file.
const FIELD_BYTES_MAX: usize = 1_024;

/// Largest refused body that is read and dropped: its sender may look for the reply only after the last byte, and would see a lost
/// connection instead.
const DROPPED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long that may take.
const DROPPED_WITHIN: Duration = Duration::from_secs(2);

async fn drop_body(request: Request) {
    let mut bytes = request.into_body().into_data_stream();
    let rest = async { while let Some(Ok(_)) = bytes.next().await {} };
    // Whether all of it came changes nothing: the reply goes out, and what is left is lost with the connection.
    let _ = tokio::time::timeout(DROPPED_WITHIN, rest).await;
}

/// The most bytes that a body on the request's route may have.
pub(crate) fn limit_of(extensions: &Extensions) -> usize {
    match extensions.get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(route) if UPLOAD_ROUTES.contains(&route) => UPLOAD_BODY_BYTES_MAX,
        Some(route) if is_door(route) => limits::PROMPT_BYTES_MAX,
        _ => limits::BODY_BYTES_MAX,
    }
}

/// The refusal of an upload that could not be read.
pub(crate) fn unread(error: &axum::Error) -> Problem {
    if is_over_limit(error) { knowledge::too_large().into() } else { not_a_form() }
}

/// Refuses a body over the limit of its route, and one far over it before reading any of it.
pub(crate) async fn refuse_early(request: Request, next: Next) -> Response {
    let limit = limit_of(request.extensions());
    let uploads = limit == UPLOAD_BODY_BYTES_MAX;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    match length {
        Some(length) if length > limit as u64 && uploads => Problem::from(knowledge::too_large()).into_response(),
        Some(length) if length > limit as u64 => {
            if length <= DROPPED_BYTES_MAX {
                drop_body(request).await;
            }
            body_too_large(limit).into_response()
        }
        _ => next.run(request).await,
    }
}

/// What a form with files holds.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Slug of the collection, if one was named.
    pub(crate) collection: Option<String>,
    /// Names and bytes of the files.
    pub(crate) files: Vec<(String, Bytes)>,
}

/// A form with files; what is none is refused with a problem like every other request.
pub(crate) struct Files(Multipart);

impl<S: Send + Sync> FromRequest<S> for Files {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Multipart::from_request(request, state).await.map(Self).map_err(|_| not_a_form())
    }
}

impl Upload {
    /// Reads a form with at most `files_max` files in fields named `file`, and optionally `collection` before or after them.
    pub(crate) async fn read(Files(mut form): Files, files_max: usize) -> Result<Self, Problem> {
        let mut upload = Self::default();
        while let Some(field) = form.next_field().await.map_err(broken)? {
            match field.name().unwrap_or_default() {
                "file" if upload.files.len() == files_max => {
                    let detail = format!("This takes at most {files_max} file(s) at a time. Nothing of this request was stored.");
                    return Err(Error::invalid("upload.too_many", detail).into());
                }
                "file" => {
                    let name = field.file_name().unwrap_or_default().to_owned();
                    let bytes = read_field(field, limits::UPLOAD_BYTES_MAX).await?;
                    upload.files.push((name, bytes));
                }
                "collection" => {
                    let bytes = read_field(field, FIELD_BYTES_MAX).await?;
                    upload.collection = Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|c| !c.is_empty());
                }
                other => {
                    let detail = format!(
                        "A field `{}` is not known here; send `file` and optionally `collection`.",
                        other.chars().take(40).collect::<String>()
                    );
                    return Err(Error::invalid("upload.field", detail).into());
                }
            }
        }
        if upload.files.is_empty() {
            return Err(Error::invalid("upload.no_file", "No file came with this request. Choose one and send it again.")
                .with_field("/file", "Add a file.")
                .into());
        }
        Ok(upload)
    }

    /// The documents to add.
    pub(crate) fn documents(self) -> impl Iterator<Item = NewDocument> {
        let collection = self.collection;
        self.files.into_iter().map(move |(file_name, bytes)| NewDocument { file_name, collection: collection.clone(), bytes })
    }
}

async fn read_field(mut field: Field<'_>, limit: usize) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > limit {
            return Err(knowledge::too_large().into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn broken(error: axum::extract::multipart::MultipartError) -> Problem {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return knowledge::too_large().into();
    }
    not_a_form()
}

fn not_a_form() -> Problem {
    Error::malformed("upload.broken", "The upload broke off or is not `multipart/form-data`. Nothing was stored; send it again.").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: String, files_max: usize) -> Result<Upload, u16> {
        let request = Request::builder().header("content-type", "multipart/form-data; boundary=B").body(body.into()).unwrap();
        let form = Files(Multipart::from_request(request, &()).await.unwrap());
        Upload::read(form, files_max).await.map_err(|p| p.status().as_u16())
    }

    fn part(head: &str, body: &str) -> String {
        format!("--B\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n")
    }

    #[tokio::test]
    async fn files_and_their_collection_are_read() {
        let body = part("name=\"file\"; filename=\"a.txt\"", "hello") + &part("name=\"collection\"", "own") + "--B--\r\n";
        let upload = read(body, 1).await.unwrap();
        assert_eq!(upload.files, [("a.txt".to_owned(), Bytes::from_static(b"hello"))]);
        assert_eq!(upload.collection.as_deref(), Some("own"));
    }

    #[tokio::test]
    async fn what_is_missing_or_too_much_is_refused() {
        let file = part("name=\"file\"; filename=\"a.txt\"", "hello");
        assert_eq!(read("--B--\r\n".to_owned(), 1).await.unwrap_err(), 422);
        assert_eq!(read(format!("{file}{file}--B--\r\n"), 1).await.unwrap_err(), 422);
        assert_eq!(read(part("name=\"other\"", "x") + "--B--\r\n", 1).await.unwrap_err(), 422);
        assert_eq!(read(file, 1).await.unwrap_err(), 400, "no end: the upload broke off");
        assert_eq!(read(part("name=\"collection\"", &"x".repeat(2_000)) + "--B--\r\n", 1).await.unwrap_err(), 413);
    }
}
