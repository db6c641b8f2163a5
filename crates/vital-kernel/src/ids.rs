//! Typed identifiers. All are UUIDs; new ones are version 7, so that they sort by creation time.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new time-ordered id (UUID version 7).
            #[must_use]
            #[allow(clippy::new_without_default, reason = "an id is an act, not a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

id! {
    /// An organisation: the boundary that no data crosses.
    TenantId,
    /// A person or service account within one tenant.
    UserId,
    /// One run of a write that came with an idempotency key.
    AttemptId,
    /// One sign-in of one person.
    SessionId,
    /// A second factor of one person.
    FactorId,
    /// An API key of a person or service account.
    KeyId,
    /// An invitation to a tenant.
    InvitationId,
    /// A group of members.
    GroupId,
    /// A provider of single sign-on, as one tenant configured it.
    ProviderId,
    /// A model provider that one tenant set up.
    ModelProviderId,
    /// A model at a provider of one tenant.
    ModelId,
    /// A limit of what a tenant's requests to models may use.
    BudgetId,
    /// A tool server that one tenant connected.
    ToolServerId,
    /// A webhook: an address that one tenant has notices sent to.
    WebhookId,
    /// A notice; webhooks receive it under this id, however often it is sent.
    WebhookMessageId,
    /// A notice on its way to one webhook.
    WebhookDeliveryId,
    /// One opening of a tenant by an operator.
    BreakGlassId,
    /// An expert of one tenant.
    ExpertId,
    /// A conversation of one member with experts.
    ConversationId,
    /// One question and its answer.
    TurnId,
    /// A set of documents.
    CollectionId,
    /// A document of one tenant.
    DocumentId,
    /// A passage of a document: what retrieval finds and citations point into.
    PassageId,
    /// A unit of background work.
    JobId,
    /// One request, for logs and error bodies.
    RequestId,
}
