//! Style, scripts and the icon, embedded in the binary and served under an address that changes with their content.

use crate::problem::Reply;
use axum::{http::header, response::IntoResponse};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;
use vital_kernel::Error;

/// Cache rule of everything that is not an asset.
pub(crate) const NO_STORE: &str = "no-store";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 10] = [
    Asset { name: "app.css", media_type: CSS, bytes: include_bytes!("../assets/app.css") },
    Asset { name: "app.js", media_type: JS, bytes: include_bytes!("../assets/app.js") },
    Asset { name: "stream.js", media_type: JS, bytes: include_bytes!("../assets/stream.js") },
    Asset { name: "cite.js", media_type: JS, bytes: include_bytes!("../assets/cite.js") },
    Asset { name: "upload.js", media_type: JS, bytes: include_bytes!("../assets/upload.js") },
    Asset { name: "find.js", media_type: JS, bytes: include_bytes!("../assets/find.js") },
    Asset { name: "filter.js", media_type: JS, bytes: include_bytes!("../assets/filter.js") },
    Asset { name: "passkey.js", media_type: JS, bytes: include_bytes!("../assets/passkey.js") },
    Asset { name: "docs.js", media_type: JS, bytes: include_bytes!("../assets/docs.js") },
    Asset { name: "icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("../assets/icon.svg") },
];

/// One version for all: the first 16 hexadecimal digits of the SHA-256 of every asset.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ASSETS.iter().for_each(|a| hash.update(a.bytes));
    hex::encode(&hash.finalize()[..8])
});

/// The address of an asset.
pub(crate) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Serves an asset. A version that is not this binary's is not found, so that no cache pairs old pages with new scripts.
pub(crate) async fn serve(axum::extract::Path((version, name)): axum::extract::Path<(String, String)>) -> Reply<impl IntoResponse> {
    let known = ASSETS.iter().find(|a| a.name == name).filter(|_| version == *VERSION);
    let asset = known.ok_or_else(|| Error::not_found("asset.unknown", "There is no such file. Reload the page."))?;
    Ok(([(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, IMMUTABLE)], asset.bytes))
}

/// Serves the icon where browsers look for it unasked.
pub(crate) async fn favicon() -> impl IntoResponse {
    let icon: &'static [u8] = ASSETS.iter().find(|a| a.name == "icon.svg").map_or(&[], |a| a.bytes);
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], icon)
}
