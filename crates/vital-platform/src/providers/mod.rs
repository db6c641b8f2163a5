//! Model providers that an organisation sets up for itself, their models in the order in which they are used, and what writes an answer.
//!
//! **Invariants:** a key goes in, is sealed and never comes out; it goes to the address it was given for and to no other, so that whoever
//! changes the address gives the key again. Addresses lead where the operator lets addresses of organisations lead. Content goes to a
//! provider of the organisation, else to the installation's where the organisation allows it, else nowhere: what an organisation
//! has chosen and cannot be used is an error, never another host. What a node holds of an organisation is used only while its number is the one in the
//! database, which every answer reads: a change counts from the next answer on, everywhere.
//!
//! Not here: wire formats, fallback while an answer is written, and limits of a provider (`vital-llm`).

mod choice;
mod model;
mod policy;
mod price;
mod provider;
mod store;
mod test;

pub(crate) use choice::Remembered;
pub use choice::{Choice, Writer, composer, direct_models, for_answer, for_model};
pub use model::{
    ExpertModels, Model, ModelChange, NewModel, add_model, change_model, expert_models, model, models, models_of_experts, move_model,
    order_models, remove_model, set_expert_models,
};
pub use policy::{InstallationProvider, ProviderPolicy, ProviderPolicyChange, policy, set_policy};
pub use price::{ModelPrice, NewPrice, prices, remove_price, set_price};
pub use provider::{
    ModelProvider, ModelProviderChange, NewModelProvider, ProviderFormat, add_provider, change_provider, provider, providers,
    remove_provider,
};
pub use test::{ModelTest, TestState, test_model};

use vital_kernel::{Error, ModelProviderId, Result};
use vital_keys::Place;

/// Where the key of a provider is sealed.
fn key_of(id: ModelProviderId) -> Place {
    Place::of("providers.api_key", id.0)
}

/// What is wrong with the fields of a request, gathered.
struct Faults(Error);

impl Faults {
    fn new() -> Self {
        Self(Error::invalid("provider.invalid", "Some fields need another look. Nothing was stored."))
    }

    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let error = std::mem::replace(&mut self.0, Error::invalid("provider.invalid", ""));
        self.0 = error.with_field(pointer, detail);
    }

    fn outcome(self) -> Result<()> {
        if self.0.fields().is_empty() { Ok(()) } else { Err(self.0) }
    }
}
