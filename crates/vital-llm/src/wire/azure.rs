//! Azure OpenAI: OpenAI's chat completions and embeddings behind another address and another header
//! (<https://learn.microsoft.com/azure/ai-services/openai/reference>).
//!
//! The model is the name of a deployment and stands in the path; `api-version` in the query chooses the contract; the key goes into
//! `api-key`. Bodies and streams are OpenAI's, with two additions that are ignored: the results of the content filter in chunks of their
//! own without choices. A prompt that the filter refuses is status 400 with the code `content_filter`.
//!
//! Azure's newer path `/openai/v1` speaks plain OpenAI and needs `WireFormat::OpenAi` with that base URL.

use crate::{LlmError, config::config};
use vital_outbound::Url;

/// The contract that is asked for where the base URL names none: the newest one that is not a preview.
pub(crate) const API_VERSION: &str = "2024-10-21";
/// The header of the key.
pub(super) const KEY_HEADER: &str = "api-key";
/// Longest version, in bytes.
const VERSION_BYTES_MAX: usize = 32;

/// Takes the resource and the version out of a base URL: as people write it, `https://NAME.openai.azure.com`, or as the portal shows
/// it, with the path of a deployment and the version in the query.
pub(crate) fn endpoint(mut base: Url, deployment: &str, verb: &str) -> Result<Url, LlmError> {
    let version = version(&base)?;
    let path = base.path().trim_end_matches('/');
    let before = path.find("/openai").filter(|at| matches!(path.as_bytes().get(at + 7), None | Some(b'/'))).map_or(path, |at| &path[..at]);
    let path = format!("{before}/openai/deployments/{deployment}/{verb}");
    base.set_path(&path);
    base.set_query(Some(&format!("api-version={version}")));
    Ok(base)
}

fn version(base: &Url) -> Result<String, LlmError> {
    let mut pairs = base.query_pairs();
    let version = match (pairs.next(), pairs.next()) {
        (None, _) => return Ok(API_VERSION.to_owned()),
        (Some((name, version)), None) if name == "api-version" => version.into_owned(),
        _ => return Err(config("the query of `base_url` may have `api-version` alone")),
    };
    let fits = (1..=VERSION_BYTES_MAX).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits { Ok(version) } else { Err(config("`api-version` in `base_url` is not a version such as `2024-10-21`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_and_the_portal_s_address_lead_to_the_same_deployment() {
        for base in [
            "https://n.openai.azure.com",
            "https://n.openai.azure.com/",
            "https://n.openai.azure.com/openai",
            "https://n.openai.azure.com/openai/deployments/other/chat/completions?api-version=2024-10-21",
        ] {
            assert_eq!(
                endpoint(Url::parse(base).unwrap(), "gpt-4o", "chat/completions").unwrap().as_str(),
                "https://n.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
            );
        }
        let gateway = Url::parse("https://apim.example/a?api-version=2025-04-01-preview").unwrap();
        assert_eq!(
            endpoint(gateway, "e", "embeddings").unwrap().as_str(),
            "https://apim.example/a/openai/deployments/e/embeddings?api-version=2025-04-01-preview"
        );
        for bad in ["?key=1", "?api-version=1&key=2", "?api-version=", "?api-version=a%26b"] {
            let base = Url::parse(&format!("https://n.openai.azure.com/{bad}")).unwrap();
            assert!(endpoint(base, "m", "embeddings").is_err(), "{bad}");
        }
    }
}
