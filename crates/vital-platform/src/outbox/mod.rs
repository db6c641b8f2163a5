//! What other programs are told: events of an organisation, written as messages for its webhooks.
//!
//! **Invariants:** a message is written in the transaction of the change it tells of, so that neither is there without the other; it is
//! tenant-fenced; it holds ids and states and never content, which a receiver fetches through the API with rights of its own; its bytes
//! never change afterwards, however often they are sent. An organisation without a webhook for an event costs one statement that stores nothing.
//!
//! Not here: who receives messages and how they get there (`webhooks`). This stands left of all capabilities, so that each can tell.

mod store;

use serde::Serialize;
use serde_json::{Value, json};
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{ConversationId, DocumentId, Error, KeyId, Result, TurnId, UserId, WebhookId, WebhookMessageId, iso, now};
use vital_store::{TenantTx, Write};

/// Version of the payloads: it grows when a field goes or changes its meaning. New fields and types do not count.
pub const VERSION: u32 = 1;

macro_rules! event_types {
    ($($variant:ident $name:tt $meaning:literal;)+) => {
        /// What can be told of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
        #[allow(missing_docs, reason = "each says what it means in `meaning`")]
        pub enum EventType {
            $(#[serde(rename = $name)] $variant,)+
        }

        impl EventType {
            /// All of them, in the order of the documentation.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The stable dotted name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// When it is sent, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

event_types! {
    TurnFinished "turn.finished" "A question has its answer, or ended without one";
    DocumentReady "document.ready" "A document was read and can be found";
    DocumentFailed "document.failed" "A document could not be read";
    DocumentStatus "document.status" "A document was superseded, retracted or withdrawn, or holds again";
    DocumentDeleted "document.deleted" "A document was deleted";
    MemberAdded "member.added" "A person or service account became a member";
    MemberDeactivated "member.deactivated" "A member lost their access, or was removed";
    KeyCreated "key.created" "An API key was made";
    KeyRevoked "key.revoked" "An API key was revoked";
    BudgetThreshold "budget.threshold" "A budget crossed its warning threshold; once in each period";
    Test "webhook.test" "Somebody asked for a test; it goes to the webhook it was asked for, whatever that receives";
}

impl EventType {
    /// The type of a stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == name)
    }
}

/// Something that happened: ids and states.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    TurnFinished {
        turn: TurnId,
        conversation: ConversationId,
        state: &'static str,
    },
    DocumentReady {
        document: DocumentId,
    },
    DocumentFailed {
        document: DocumentId,
    },
    DocumentDeleted {
        document: DocumentId,
    },
    /// Its status by its stable name, and how many answers cite it.
    DocumentStatus {
        document: DocumentId,
        status: &'static str,
        answers: i64,
    },
    MemberAdded {
        member: UserId,
    },
    MemberDeactivated {
        member: UserId,
    },
    KeyCreated {
        key: KeyId,
        member: UserId,
    },
    KeyRevoked {
        key: KeyId,
    },
    /// `scope` and `period` by their stable names, the day the period began, and whose budget it is where it is one's own.
    BudgetThreshold {
        scope: &'static str,
        period: &'static str,
        began: Date,
        member: Option<Uuid>,
        expert: Option<Uuid>,
    },
}

impl Event {
    const fn kind(self) -> EventType {
        match self {
            Self::TurnFinished { .. } => EventType::TurnFinished,
            Self::DocumentReady { .. } => EventType::DocumentReady,
            Self::DocumentFailed { .. } => EventType::DocumentFailed,
            Self::DocumentDeleted { .. } => EventType::DocumentDeleted,
            Self::DocumentStatus { .. } => EventType::DocumentStatus,
            Self::MemberAdded { .. } => EventType::MemberAdded,
            Self::MemberDeactivated { .. } => EventType::MemberDeactivated,
            Self::KeyCreated { .. } => EventType::KeyCreated,
            Self::KeyRevoked { .. } => EventType::KeyRevoked,
            Self::BudgetThreshold { .. } => EventType::BudgetThreshold,
        }
    }

    fn data(self) -> Value {
        match self {
            Self::TurnFinished { turn, conversation, state } => json!({ "turn_id": turn, "conversation_id": conversation, "state": state }),
            Self::DocumentReady { document } | Self::DocumentFailed { document } | Self::DocumentDeleted { document } => {
                json!({ "document_id": document })
            }
            Self::DocumentStatus { document, status, answers } => json!({ "document_id": document, "status": status, "answers": answers }),
            Self::MemberAdded { member } | Self::MemberDeactivated { member } => json!({ "member_id": member }),
            Self::KeyCreated { key, member } => json!({ "key_id": key, "member_id": member }),
            Self::KeyRevoked { key } => json!({ "key_id": key }),
            Self::BudgetThreshold { scope, period, began, member, expert } => {
                json!({ "scope": scope, "period": period, "began": began.to_string(), "member_id": member, "expert_id": expert })
            }
        }
    }
}

/// The payload that the specification recommends, with its version.
#[derive(Serialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    version: u32,
    data: Value,
}

fn body(kind: EventType, data: Value) -> Result<String> {
    serde_json::to_string(&Payload { kind: kind.as_str(), timestamp: iso(now()), version: VERSION, data }).map_err(Error::internal)
}

/// Writes a message for every webhook of the organisation that receives the event, in the transaction of what happened.
///
/// # Errors
/// `Unavailable` when the database does not answer; the transaction must be dropped then.
pub(crate) async fn enqueue(tx: &mut TenantTx<Write>, event: Event) -> Result<()> {
    store::insert(tx, WebhookMessageId::new(), event.kind(), &body(event.kind(), event.data())?, now()).await
}

/// Writes a test for one webhook. Returns the message.
///
/// # Errors
/// As [`enqueue`].
pub(crate) async fn enqueue_test(tx: &mut TenantTx<Write>, webhook: WebhookId) -> Result<WebhookMessageId> {
    let id = WebhookMessageId::new();
    store::insert_for(tx, id, webhook, &body(EventType::Test, json!({ "webhook_id": webhook }))?, now()).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_the_recommended_one_with_ids_and_states_alone() {
        let event = Event::TurnFinished { turn: TurnId::new(), conversation: ConversationId::new(), state: "answered" };
        let told: Value = serde_json::from_str(&body(event.kind(), event.data()).unwrap()).unwrap();
        assert_eq!((&told["type"], &told["version"], &told["data"]["state"]), (&json!("turn.finished"), &json!(1), &json!("answered")));
        assert!(told["timestamp"].as_str().unwrap().ends_with('Z'));
        let names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["data", "timestamp", "type", "version"]);
    }

    #[test]
    fn every_type_reads_back_from_its_name_and_is_documented() {
        let page = include_str!("../../../../docs/WEBHOOKS.md");
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            assert!(page.contains(&format!("| `{}` | {} |", kind.as_str(), kind.meaning())), "docs/WEBHOOKS.md lacks {}", kind.as_str());
        }
    }
}
