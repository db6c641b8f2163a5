//! Every limit of the platform as a named constant. `docs/LIMITS.md` states them for users.

use std::time::Duration;

/// Longest question, in bytes of UTF-8.
pub const QUESTION_BYTES_MAX: usize = 16 * 1024;
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
/// A session ends after this long without a request.
pub const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);
/// A session ends after this long in any case.
pub const SESSION_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long the first-run link stays valid.
pub const SETUP_LINK: Duration = Duration::from_secs(24 * 60 * 60);
/// Failed sign-ins of one account before it must wait.
pub const SIGN_IN_FAILURES_MAX: u32 = 5;
/// How long an account or address waits after too many failed sign-ins.
pub const SIGN_IN_WAIT: Duration = Duration::from_secs(60);
/// Sign-in attempts of one address within the wait.
pub const SIGN_IN_ADDRESS_MAX: u32 = 30;
/// Password hashes computed at once; each takes 64 MiB.
pub const PASSWORD_HASHES_MAX: usize = 2;
/// Generations that run at once in one process; further ones are refused with a clear error.
pub const GENERATIONS_MAX: usize = 256;
/// Statement timeout inside a tenant transaction.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
