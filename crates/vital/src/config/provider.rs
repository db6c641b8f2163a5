//! `[provider]`: the model provider that writes answers. Without this section the built-in extractive composer does.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `format` | needed | `openai` (also Ollama, vLLM, llama.cpp and many gateways), `azure_openai`, `anthropic` or `google`. |
//! | `model` | needed | The model, in the provider's own name; for `azure_openai` the deployment. |
//! | `base_url` | the format's own service | Where the provider is, for example `http://127.0.0.1:11434`; needed for `azure_openai`. |
//! | `name` | the format | The name under which people and logs know the provider. |
//! | `api_key_env` | none | Name of the environment variable that holds the key. |
//! | `api_key_file` | none | File (mode 0600) that holds the key; read again when it changes. At most one of the two; local models need none. |
//! | `allow_http` | `false` | Allows plain HTTP to another machine, for a model in a private network. |
//! | `max_output_tokens` | `2048` | Most tokens of one answer. |
//! | `temperature` | `0.2` | Sampling temperature: 0 to 2, for `anthropic` 0 to 1. |
//! | `connect_timeout_s` | `5` | For the connection, TLS included. |
//! | `first_token_timeout_s` | `20` | From the request to the first token. |
//! | `between_tokens_timeout_s` | `15` | Between two tokens. |
//! | `total_timeout_s` | `300` | For the whole answer. Timeouts are 1 to 3600. |
//!
//! A key never stands in the configuration file, so that the file can be shown, copied and kept under version control.

use super::unreadable;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use vital_llm::{ApiKey, ProviderConfig, Timeouts, WireFormat};

/// The section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// The wire format.
    pub(crate) format: WireFormat,
    /// The model's name.
    pub(crate) model: String,
    /// Where the provider is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// The name for people and logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The variable that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_env: Option<String>,
    /// The file that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Allows plain HTTP to another machine.
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// Most tokens of one answer.
    #[serde(default = "max_output_tokens")]
    pub(crate) max_output_tokens: u32,
    /// Sampling temperature.
    #[serde(default = "temperature")]
    pub(crate) temperature: f32,
    /// For the connection, in seconds.
    #[serde(default = "connect_timeout_s")]
    pub(crate) connect_timeout_s: u64,
    /// To the first token, in seconds.
    #[serde(default = "first_token_timeout_s")]
    pub(crate) first_token_timeout_s: u64,
    /// Between two tokens, in seconds.
    #[serde(default = "between_tokens_timeout_s")]
    pub(crate) between_tokens_timeout_s: u64,
    /// For the whole answer, in seconds.
    #[serde(default = "total_timeout_s")]
    pub(crate) total_timeout_s: u64,
}

const fn max_output_tokens() -> u32 {
    2048
}
const fn temperature() -> f32 {
    0.2
}
const fn connect_timeout_s() -> u64 {
    5
}
const fn first_token_timeout_s() -> u64 {
    20
}
const fn between_tokens_timeout_s() -> u64 {
    15
}
const fn total_timeout_s() -> u64 {
    300
}

impl Provider {
    /// Makes the client of the provider; nothing is sent.
    ///
    /// # Errors
    /// When a setting is wrong or the key cannot be read.
    pub(crate) fn open(&self) -> anyhow::Result<vital_llm::Provider> {
        let seconds = Duration::from_secs;
        let settings = ProviderConfig {
            name: self.name.clone().unwrap_or_else(|| self.own_name().to_owned()),
            format: self.format,
            base_url: self.base_url.clone().unwrap_or_else(|| self.own_url().to_owned()),
            allow_http: self.allow_http,
            model: self.model.clone(),
            api_key: self.key()?,
            timeouts: Timeouts {
                connect: seconds(self.connect_timeout_s),
                first_token: seconds(self.first_token_timeout_s),
                between_tokens: seconds(self.between_tokens_timeout_s),
                total: seconds(self.total_timeout_s),
            },
            max_output_tokens: self.max_output_tokens,
            temperature: self.temperature,
        };
        vital_llm::Provider::new(settings).map_err(|error| anyhow::Error::from(error).context("`[provider]` cannot be used"))
    }

    const fn own_name(&self) -> &'static str {
        match self.format {
            WireFormat::OpenAi => "openai",
            WireFormat::AzureOpenAi => "azure-openai",
            WireFormat::Anthropic => "anthropic",
            WireFormat::Google => "google",
        }
    }

    const fn own_url(&self) -> &'static str {
        match self.format {
            WireFormat::OpenAi => "https://api.openai.com/v1",
            WireFormat::Anthropic => "https://api.anthropic.com",
            WireFormat::Google => "https://generativelanguage.googleapis.com",
            // Each customer has an address of their own; the empty one is refused with a word about `base_url`.
            WireFormat::AzureOpenAi => "",
        }
    }

    fn key(&self) -> anyhow::Result<Option<ApiKey>> {
        match (&self.api_key_env, &self.api_key_file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(Failure::new("`provider.api_key_env` and `provider.api_key_file` are both set").hint("keep the one to use").into())
            }
            (Some(variable), None) => match std::env::var(variable) {
                Ok(key) if !key.trim().is_empty() => Ok(Some(ApiKey::new(key))),
                _ => Err(Failure::new(format!("the environment variable `{variable}`, named by `provider.api_key_env`, is not set"))
                    .hint(format!("set `{variable}` to the provider's key, or name a file with `api_key_file`"))
                    .into()),
            },
            (None, Some(file)) => read_key(file).map(Some),
        }
    }
}

fn read_key(path: &Path) -> anyhow::Result<ApiKey> {
    ApiKey::in_file(path).map_err(|error| unreadable("provider.api_key_file", path, &error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(text: &str) -> Provider {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn two_keys_are_enough_and_the_defaults_are_those_of_the_gateway() {
        let section = provider("format = \"openai\"\nmodel = \"m\"");
        let timeouts = Timeouts::default();
        assert_eq!(section.connect_timeout_s, timeouts.connect.as_secs());
        assert_eq!(section.first_token_timeout_s, timeouts.first_token.as_secs());
        assert_eq!(section.between_tokens_timeout_s, timeouts.between_tokens.as_secs());
        assert_eq!(section.total_timeout_s, timeouts.total.as_secs());
        let opened = section.open().unwrap();
        assert_eq!((opened.name(), opened.model(), opened.host()), ("openai", "m", "api.openai.com"));
    }

    #[test]
    fn a_missing_key_names_the_variable_or_the_file() {
        let section = provider("format = \"anthropic\"\nmodel = \"m\"\napi_key_env = \"VITAL_TEST_NO_SUCH_VARIABLE\"");
        assert!(section.open().unwrap_err().to_string().contains("VITAL_TEST_NO_SUCH_VARIABLE"));
        let section = provider("format = \"anthropic\"\nmodel = \"m\"\napi_key_file = \"/nonexistent/key\"");
        assert!(section.open().unwrap_err().to_string().contains("/nonexistent/key"));
        let section = provider("format = \"anthropic\"\nmodel = \"m\"\napi_key_env = \"A\"\napi_key_file = \"b\"");
        assert!(section.open().unwrap_err().to_string().contains("both"));
    }

    #[test]
    fn what_the_gateway_refuses_is_told_with_the_section() {
        let error = provider("format = \"openai\"\nmodel = \"m\"\nbase_url = \"http://10.0.0.5\"").open().unwrap_err();
        assert!(format!("{error:#}").contains("`[provider]`") && format!("{error:#}").contains("allow_http"), "{error:#}");
    }
}
