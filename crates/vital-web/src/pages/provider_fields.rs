//! The fields of a model provider and of a model, and what a sent form says.

use super::sso_fields::{optional, required};
use crate::components::form::{Field, Fields, Filled};
use maud::{Markup, html};
use vital_kernel::{Error, Result};
use vital_platform::{
    identity::GivenSecret,
    providers::{Model, ModelChange, ModelProvider, ModelProviderChange, NewModel, NewModelProvider, ProviderFormat},
};

/// A provider as people know it: a format with the address and the names that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    OpenAi,
    Azure,
    Anthropic,
    Google,
    Ollama,
    Vllm,
}

impl Preset {
    pub(super) const ALL: [Self; 6] = [Self::OpenAi, Self::Azure, Self::Anthropic, Self::Google, Self::Ollama, Self::Vllm];

    /// The stable name, which is that of the form.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|p| p.as_str() == name).unwrap_or(Self::OpenAi)
    }

    /// What people call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Azure => "Azure OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Google => "Google",
            Self::Ollama => "Ollama",
            Self::Vllm => "vLLM or another server",
        }
    }

    const fn format(self) -> ProviderFormat {
        match self {
            Self::OpenAi | Self::Ollama | Self::Vllm => ProviderFormat::OpenAi,
            Self::Azure => ProviderFormat::Azure,
            Self::Anthropic => ProviderFormat::Anthropic,
            Self::Google => ProviderFormat::Google,
        }
    }

    /// The name that stands there at first.
    const fn name(self) -> &'static str {
        if matches!(self, Self::Vllm) { "vLLM" } else { self.title() }
    }

    /// What helps with the address, the key and the model.
    const fn hints(self) -> [&'static str; 3] {
        match self {
            Self::OpenAi => ["As it is, unless you use a gateway.", "From platform.openai.com, under API keys.", "For example gpt-4.1."],
            Self::Azure => [
                "That of your resource, for example https://your-resource.openai.azure.com, or the one the portal shows, with its api-version.",
                "One of the two keys of the resource.",
                "The name of your deployment, not that of the model behind it.",
            ],
            Self::Anthropic => {
                ["As it is, unless you use a gateway.", "From console.anthropic.com, under API keys.", "For example claude-sonnet-4-5."]
            }
            Self::Google => {
                ["As it is, unless you use a gateway.", "From aistudio.google.com, under API keys.", "For example gemini-2.5-pro."]
            }
            Self::Ollama => [
                "For example https://ollama.example.com. A host in a private network has to be allowed by whoever runs this installation.",
                "Empty, unless a gateway in front of it asks for one.",
                "As “ollama list” shows it, for example llama3.3:70b.",
            ],
            Self::Vllm => [
                "Up to /v1, for example https://llm.example.com/v1. A host in a private network has to be allowed by whoever runs this installation.",
                "The one the server was started with (--api-key of vLLM), if any.",
                "The name under which the server offers it (--served-model-name of vLLM).",
            ],
        }
    }

    /// The address that stands there at first.
    fn address(self) -> &'static str {
        if matches!(self, Self::Ollama | Self::Vllm) { "" } else { self.format().own_address().unwrap_or_default() }
    }
}

/// What people call a format.
pub(super) const fn format(of: ProviderFormat) -> &'static str {
    match of {
        ProviderFormat::OpenAi => "OpenAI and alike",
        ProviderFormat::Azure => "Azure OpenAI",
        ProviderFormat::Anthropic => "Anthropic",
        ProviderFormat::Google => "Google",
    }
}

/// The inputs of a provider to be added.
pub(super) fn of_new<'a>(filled: Filled<'a>, preset: Preset) -> Markup {
    let [address, key, model] = preset.hints();
    let keyed = !matches!(preset, Preset::Ollama | Preset::Vllm);
    let key = Field { name: "api_key", label: "Key", kind: "password", value: "", complete: "off", hint: key };
    html! {
        input type="hidden" name="preset" value=(preset.as_str());
        (required(&filled, &Field { name: "name", label: "Name, as your colleagues see it", kind: "text", value: preset.name(), complete: "off", hint: "" }))
        (required(&filled, &Field { name: "base_url", label: "Address", kind: "url", value: preset.address(), complete: "off", hint: address }))
        @if keyed { (required(&filled, &key)) } @else { (optional(&filled, &key)) }
        (required(&filled, &Field { name: "models", label: "Model", kind: "text", value: "", complete: "off", hint: model }))
    }
}

/// The inputs of a provider that is there.
pub(super) fn of_present(filled: Filled<'_>, p: &ModelProvider) -> Markup {
    let hint = if p.has_key { "Empty: the present one stays. It is never shown, and goes to no other address." } else { "Empty: none." };
    html! {
        (required(&filled, &Field { name: "name", label: "Name, as your colleagues see it", kind: "text", value: &p.name, complete: "off", hint: "" }))
        (required(&filled, &Field { name: "base_url", label: "Address", kind: "url", value: &p.base_url, complete: "off", hint: "Another address needs its own key." }))
        (optional(&filled, &Field { name: "api_key", label: "New key", kind: "password", value: "", complete: "off", hint }))
        @if p.has_key {
            fieldset.boxes {
                legend.sr { "The present key" }
                label { input type="checkbox" name="forget_key" value="yes" checked[filled.ticked("forget_key", "yes", false)]; span { "Forget the present key" } }
            }
        }
    }
}

/// The inputs of a model; of one that is there, its name cannot change.
pub(super) fn of_model(filled: Filled<'_>, present: Option<&Model>) -> Markup {
    let tokens = present.map_or_else(|| "2048".to_owned(), |m| m.max_output_tokens.to_string());
    let temperature = present.map_or_else(|| "0.2".to_owned(), |m| m.temperature.to_string());
    html! {
        @if present.is_none() {
            (required(&filled, &Field { name: "name", label: "Model", kind: "text", value: "", complete: "off", hint: "In the provider's own name; at Azure that of the deployment." }))
        }
        (required(&filled, &Field { name: "max_output_tokens", label: "Most tokens of one answer", kind: "text", value: &tokens, complete: "off", hint: "Models that reason need more: they count what they think." }))
        (required(&filled, &Field { name: "temperature", label: "Temperature", kind: "text", value: &temperature, complete: "off", hint: "0 to 2, at Anthropic 0 to 1. Low stays close to the sources. Write 1 for models that reason: it leaves the choice to them." }))
    }
}

fn key(given: &Fields) -> Option<GivenSecret> {
    Some(given.one("api_key")).filter(|key| !key.is_empty()).map(|key| GivenSecret(key.to_owned()))
}

/// The new provider that a form describes.
pub(super) fn new(given: &Fields) -> NewModelProvider {
    let model = NewModel { name: given.one("models").to_owned(), max_output_tokens: 2_048, temperature: 0.2 };
    NewModelProvider {
        name: given.one("name").to_owned(),
        format: Preset::parse(given.one("preset")).format(),
        base_url: Some(given.one("base_url").to_owned()),
        api_key: key(given),
        models: vec![model],
    }
}

/// The change that a form describes: all of it but the state.
pub(super) fn change(given: &Fields) -> ModelProviderChange {
    ModelProviderChange {
        name: Some(given.one("name").to_owned()),
        base_url: Some(given.one("base_url").to_owned()),
        api_key: key(given),
        forget_key: given.has("forget_key", "yes"),
        enabled: None,
    }
}

/// The new model that a form describes.
pub(super) fn new_model(given: &Fields) -> Result<NewModel> {
    let (max_output_tokens, temperature) = figures(given)?;
    Ok(NewModel { name: given.one("name").to_owned(), max_output_tokens, temperature })
}

/// The change of a model that a form describes.
pub(super) fn model_change(given: &Fields) -> Result<ModelChange> {
    let (max_output_tokens, temperature) = figures(given)?;
    Ok(ModelChange { max_output_tokens: Some(max_output_tokens), temperature: Some(temperature), enabled: None })
}

fn figures(given: &Fields) -> Result<(u32, f32)> {
    let tokens = given.one("max_output_tokens").trim().replace([',', ' '], "").parse().ok();
    let temperature = given.one("temperature").trim().replace(',', ".").parse().ok();
    if let (Some(tokens), Some(temperature)) = (tokens, temperature) {
        return Ok((tokens, temperature));
    }
    let mut error = Error::invalid("provider.invalid", "Some fields need another look. Nothing was stored.");
    if tokens.is_none() {
        error = error.with_field("/max_output_tokens", "Write a whole number of tokens.");
    }
    if temperature.is_none() {
        error = error.with_field("/temperature", "Write a number such as 0.2.");
    }
    Err(error)
}
