//! Every limit of the platform as a named constant. `docs/LIMITS.md` states them for users.

use std::time::Duration;

/// Longest question, in bytes of UTF-8.
pub const QUESTION_BYTES_MAX: usize = 16 * 1024;
/// Longest instructions that a client may send along with a question, in bytes of UTF-8; they have no effect.
pub const CLIENT_INSTRUCTIONS_BYTES_MAX: usize = 64 * 1024;
/// Largest file that can be uploaded, in bytes.
pub const UPLOAD_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Largest body of any other request, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Most files in one browser upload.
pub const UPLOAD_FILES_MAX: usize = 50;
/// Longest file name, in characters; longer ones are refused.
pub const FILE_NAME_CHARS_MAX: usize = 200;
/// Most text one document may yield, in bytes of UTF-8.
pub const DOCUMENT_TEXT_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Most passages one document may yield.
pub const DOCUMENT_PASSAGES_MAX: usize = 40_000;
/// Address space of the parser process, in bytes.
pub const PARSER_MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// CPU time of the parser process.
pub const PARSER_CPU: Duration = Duration::from_secs(30);
/// Wall-clock time of the parser process.
pub const PARSER_WALL: Duration = Duration::from_secs(60);
/// Pages of PDFs that one process draws at once; further ones wait.
pub const PAGES_DRAWN_AT_ONCE: usize = 2;
/// Attempts of a background job before it stays failed.
pub const JOB_ATTEMPTS_MAX: i16 = 3;
/// How long a claimed job stays claimed without a sign of life.
pub const JOB_LEASE: Duration = Duration::from_secs(15);
/// Turns of history handed to a provider.
pub const HISTORY_TURNS_MAX: usize = 6;
/// Most turns in one conversation.
pub const CONVERSATION_TURNS_MAX: i64 = 2_000;
/// Passages handed to the composer or the provider.
pub const EVIDENCE_PASSAGES_MAX: usize = 12;
/// Candidates taken from each of the two searches.
pub const RETRIEVE_CANDIDATES: usize = 100;
/// Longest answer, in bytes of text; a provider that goes on is cut with a typed event.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Passages of one tenant up to which dense search scans exactly instead of through the index.
pub const EXACT_SCAN_PASSAGES_MAX: i64 = 50_000;
/// Page size of lists.
pub const PAGE_SIZE: i64 = 50;
/// Largest page size a caller may ask for.
pub const PAGE_SIZE_MAX: i64 = 200;
/// Shortest password, in characters, while there is no second factor (NIST SP 800-63B-4 section 3.1.1.2).
pub const PASSWORD_CHARS_MIN: usize = 15;
/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Shortest password, in characters, where a second factor stands beside it (same section).
pub const PASSWORD_CHARS_MIN_WITH_FACTOR: usize = 8;
/// A session ends after this long without a request, unless the tenant chose another time (45 CFR 164.312(a)(2)(iii)).
pub const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);
/// Shortest and longest idle time a tenant may choose, in seconds.
pub const SESSION_IDLE_S: (i32, i32) = (120, 3_600);
/// A session ends after this long in any case, unless the tenant chose another time.
pub const SESSION_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// Shortest and longest life of a session that a tenant may choose, in seconds.
pub const SESSION_ABSOLUTE_S: (i32, i32) = (900, 86_400);
/// How long who a token belongs to is remembered: the longest that a revoked token may go on working.
pub const AUTHENTICATION_CACHE: Duration = Duration::from_millis(800);
/// Tokens whose owner is remembered at once.
pub const AUTHENTICATION_CACHE_MAX: u64 = 50_000;
/// How long a proven second factor counts for dangerous verbs.
pub const STEP_UP: Duration = Duration::from_secs(5 * 60);
/// How long a half-finished sign-in or registration waits for its second part.
pub const CEREMONY: Duration = Duration::from_secs(5 * 60);
/// Wrong codes in one half-finished sign-in before it has to begin anew.
pub const CODE_ATTEMPTS_MAX: i16 = 5;
/// Second factors of one person.
pub const FACTORS_MAX: i64 = 10;
/// API keys of one person or service account that work at once.
pub const KEYS_MAX: i64 = 25;
/// Life of an API key unless its maker says otherwise, in days.
pub const KEY_DAYS: i64 = 90;
/// Longest life of an API key, in days.
pub const KEY_DAYS_MAX: i64 = 365;
/// Active service accounts of one tenant.
pub const SERVICE_ACCOUNTS_MAX: i64 = 200;
/// How long an invitation can be taken.
pub const INVITATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Invitations of one tenant that wait at once.
pub const INVITATIONS_MAX: usize = 500;
/// How long a link to reset a password works.
pub const RESET_LINK: Duration = Duration::from_secs(30 * 60);
/// Messages about one account within an hour that anybody can cause without signing in.
pub const RESET_MAILS_PER_HOUR: u32 = 3;
/// Groups of one tenant.
pub const GROUPS_MAX: i64 = 1_000;
/// Members of one group that one request may name.
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// Providers of single sign-on of one tenant.
pub const PROVIDERS_MAX: i64 = 10;
/// Model providers of one tenant.
pub const MODEL_PROVIDERS_MAX: i64 = 20;
/// Models of one tenant, at all its providers.
pub const MODELS_MAX: i64 = 60;
/// Tests of models that one tenant may cause within a minute.
pub const MODEL_TESTS_MAX: u32 = 10;
/// Tool servers of one tenant.
pub const TOOL_SERVERS_MAX: i64 = 20;
/// Times that one tenant may have tool servers tested within a minute.
pub const TOOL_SERVER_TESTS_MAX: u32 = 20;
/// Webhooks of one tenant.
pub const WEBHOOKS_MAX: i64 = 20;
/// Longest exchange with a webhook, from the name of its host to the head of its answer.
pub const WEBHOOK_EXCHANGE: Duration = Duration::from_secs(15);
/// Deliveries to one webhook at once.
pub const WEBHOOK_AT_ONCE: i64 = 4;
/// Deliveries for one tenant at once, over all nodes.
pub const WEBHOOK_TENANT_AT_ONCE: i64 = 8;
/// Deliveries that one process works on at once.
pub const WEBHOOK_NODE_AT_ONCE: usize = 32;
/// How long a former secret of a webhook signs beside the present one.
pub const WEBHOOK_SECRET_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// A webhook that failed for so long without one success is switched off.
pub const WEBHOOK_FAILING_MAX: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long messages of webhooks are kept, with the log of their deliveries.
pub const WEBHOOK_LOG: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Messages that one request sends again.
pub const WEBHOOK_RECOVER_MAX: i64 = 10_000;
/// Tests of webhooks that one tenant may send within a minute.
pub const WEBHOOK_TESTS_MAX: i64 = 10;
/// Values of a claim that one provider maps to roles.
pub const PROVIDER_ROLES_MAX: usize = 200;
/// Further scopes that one provider is asked for.
pub const PROVIDER_SCOPES_MAX: usize = 10;
/// Tenants and providers that one token issuer may be registered for; further ones are not asked.
pub const ISSUER_PROVIDERS_MAX: i64 = 50;
/// Origins of other sites that one tenant may allow.
pub const CORS_ORIGINS_MAX: usize = 40;
/// Collections of one tenant.
pub const COLLECTIONS_MAX: i64 = 1_000;
/// Longest name of a collection, in characters.
pub const COLLECTION_NAME_CHARS_MAX: usize = 120;
/// Groups that one collection or expert can be shared with.
pub const SHARED_GROUPS_MAX: usize = 100;
/// Longest opening of a tenant by an operator.
pub const BREAK_GLASS_MAX: Duration = Duration::from_secs(60 * 60);
/// Shortest and longest reason of an opening, in characters.
pub const BREAK_GLASS_REASON_CHARS: (usize, usize) = (20, 1_000);
/// Longest note of a review, in characters.
pub const REVIEW_NOTE_CHARS_MAX: usize = 2_000;
/// How long an opening may go unreviewed before it counts as overdue.
pub const BREAK_GLASS_REVIEW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Objects that one audit entry names: as many as one request can show.
pub const AUDIT_OBJECTS_MAX: usize = RETRIEVE_CANDIDATES;
/// Entries of the trail in one download from the explorer.
pub const AUDIT_DOWNLOAD_ENTRIES_MAX: usize = 10_000;
/// How long the verification of a trail may take while somebody waits for it.
pub const VERIFYING: Duration = Duration::from_secs(25);
/// How long the pages and polls of one reader on one answer that is being written count as one reading.
pub const READING: Duration = Duration::from_secs(60);
/// How often ended weeks are looked for that have no review yet.
pub const REVIEW_LOOK: Duration = Duration::from_secs(10 * 60);
/// Ended weeks that are looked back at for a review: longer than any outage that nobody notices.
pub const REVIEW_WEEKS_BACK: i64 = 8;
/// How long the review of a week may go unsigned before it counts as overdue.
pub const ACTIVITY_REVIEW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Findings of one kind in one review; the rest is counted in the last one.
pub const REVIEW_FINDINGS_MAX: i64 = 200;
/// Documents that one person opens within an hour without being a finding: more than anybody reads.
pub const BULK_DOCUMENTS_HOUR_MAX: i64 = 40;
/// How many times somebody's own median week makes an unusual week.
pub const UNUSUAL_FACTOR: i64 = 5;
/// Documents in a week below which no week is unusual.
pub const UNUSUAL_DOCUMENTS_MIN: i64 = 40;
/// Weeks of somebody's own past that their median is taken of.
pub const UNUSUAL_WEEKS: i64 = 4;
/// Accounts whose sign-in failed within an hour that make a spray.
pub const SPRAY_ACCOUNTS_MIN: i64 = 5;
/// How often running answers of people who were deactivated are looked for.
pub const DEPROVISION_LOOK: Duration = Duration::from_secs(10);
/// How long the first-run link stays valid.
pub const SETUP_LINK: Duration = Duration::from_secs(24 * 60 * 60);
/// Failed sign-ins of one account before it must wait.
pub const SIGN_IN_FAILURES_MAX: u32 = 5;
/// How long an account or address waits after too many failed sign-ins.
pub const SIGN_IN_WAIT: Duration = Duration::from_secs(60);
/// Password hashes computed at once; each takes 64 MiB.
pub const PASSWORD_HASHES_MAX: usize = 2;
/// How long a sign-in waits for its turn to be hashed before it is told to come back.
pub const PASSWORD_HASH_WAIT: Duration = Duration::from_secs(10);
/// Generations that run at once in one process; further ones are refused with a clear error.
pub const GENERATIONS_MAX: usize = 256;
/// Of these, generations for one organisation: a provider of its own that answers slowly holds nobody else up.
pub const GENERATIONS_TENANT_MAX: usize = 128;
/// Requests of other software to models that are relayed at once in one process, unless configured otherwise; one organisation may have half.
pub const RELAYS_MAX: usize = 1_024;
/// Largest body of a request that may be for a model, in bytes: more than the words of any model's context.
pub const PROMPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests to models under way at once in one process, answers of experts included, unless configured otherwise; further ones wait their turn.
pub const MODEL_REQUESTS_MAX: usize = 512;
/// Of these, requests to one model, unless configured otherwise.
pub const MODEL_REQUESTS_MODEL_MAX: usize = 64;
/// Texts that one request for vectors may bring.
pub const EMBEDDING_TEXTS_MAX: usize = 256;
/// Requests for vectors of callers' own texts that the embedding model works for at once.
pub const EMBEDDINGS_MAX: usize = 4;
/// Of these, requests for one organisation.
pub const EMBEDDINGS_TENANT_MAX: usize = 2;
/// Statement timeout inside a tenant transaction.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests of one network address within a minute; an IPv6 /64 counts as one address.
pub const REQUESTS_ADDRESS_MAX: u32 = 600;
/// Requests of one person within a minute.
pub const REQUESTS_USER_MAX: u32 = 300;
/// Requests of one tenant within a minute.
pub const REQUESTS_TENANT_MAX: u32 = 3_000;
/// Requests with credentials (sign-in, set-up, codes, resets) of one network address within a minute.
pub const CREDENTIALS_ADDRESS_MAX: u32 = 30;
/// Questions of one person within a minute.
pub const ASKING_USER_MAX: u32 = 30;
/// Uploads of one person within a minute.
pub const UPLOADS_USER_MAX: u32 = 60;
/// Requests in work at once in one process; as many again may wait briefly.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 256;
/// Requests with credentials in work at once: each may wait for one of the few password hashes.
pub const CREDENTIALS_IN_FLIGHT_MAX: usize = 32;
/// Uploads in work at once.
pub const UPLOADS_IN_FLIGHT_MAX: usize = 64;
/// Event streams that one person follows at once.
pub const STREAMS_USER_MAX: usize = 32;
/// Event streams in one process.
pub const STREAMS_MAX: usize = 1_024;
/// Connections served at once; further ones wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Connections of one network address; further ones are closed at once.
pub const CONNECTIONS_ADDRESS_MAX: usize = 256;
/// Longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// How long the reply to a request with an idempotency key is kept.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long an equal request waits for the one that runs before it is told to come again.
pub const IDEMPOTENCY_WAIT: Duration = Duration::from_secs(5);
/// Largest reply that is kept for an idempotency key; of a larger one only the head is kept.
pub const IDEMPOTENCY_REPLY_BYTES_MAX: usize = 1024 * 1024;
/// How often replies whose time is over are deleted.
pub const IDEMPOTENCY_LOOK: Duration = Duration::from_secs(600);
