//! What requests leave for: the closed list of purposes, who gives their addresses, and their limits.
//!
//! docs/EGRESS.md has one row for each; a test compares the two.

use std::time::Duration;

/// Most redirects that any purpose follows.
pub const REDIRECTS_MAX: u32 = 3;

/// What a request leaves the platform for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Questions and passages to the model provider that the configuration names.
    Provider,
    /// Questions and passages to a model provider that an organisation set up.
    OrganisationProvider,
    /// Orders of certificates at the certificate authority that the configuration names.
    CertificateAuthority,
    /// Metadata, keys and tokens of an organisation's identity provider.
    IdentityProvider,
    /// Notices to an address that an organisation gave; of the answer only the head is read.
    Webhook,
    /// Definitions and calls of the tools of a server that an organisation set up.
    Tool,
    /// Queries to the public sources of the built-in tools, at addresses that the configuration can change.
    PublicSource,
    /// A page or document at an address that a person typed.
    UrlFetch,
    /// Spans to the receiver that the configuration names.
    Telemetry,
}

/// Who gave the address that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Whoever runs the platform, in its configuration: private networks and plain HTTP are theirs to choose.
    ByOperator,
    /// Somebody of an organisation: https to public hosts on port 443, and what the operator's list adds.
    ByTenant,
}

/// How much and how long; see [`Purpose::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection: name, TCP and TLS.
    pub connect: Duration,
    /// From sending until the head of the answer is there, the connection included.
    pub first_byte: Duration,
    /// For everything, redirects and body included.
    pub total: Duration,
    /// Largest body of an answer, in bytes.
    pub body_bytes_max: u64,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 9] = [
        Self::Provider,
        Self::OrganisationProvider,
        Self::CertificateAuthority,
        Self::IdentityProvider,
        Self::Webhook,
        Self::Tool,
        Self::PublicSource,
        Self::UrlFetch,
        Self::Telemetry,
    ];

    /// The stable name, for logs and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::OrganisationProvider => "organisation_provider",
            Self::CertificateAuthority => "certificate_authority",
            Self::IdentityProvider => "identity_provider",
            Self::Webhook => "webhook",
            Self::Tool => "tool",
            Self::PublicSource => "public_source",
            Self::UrlFetch => "url_fetch",
            Self::Telemetry => "telemetry",
        }
    }

    /// Who gives its addresses.
    #[must_use]
    pub const fn given(self) -> Given {
        match self {
            Self::Provider | Self::CertificateAuthority | Self::PublicSource | Self::Telemetry => Given::ByOperator,
            Self::OrganisationProvider | Self::IdentityProvider | Self::Webhook | Self::Tool | Self::UrlFetch => Given::ByTenant,
        }
    }

    /// How many redirects are followed, each through the same rules. Where none is, a redirect is an answer like any other.
    #[must_use]
    pub const fn redirects_max(self) -> u32 {
        match self {
            Self::UrlFetch => REDIRECTS_MAX,
            _ => 0,
        }
    }

    /// The limits, unless [`crate::Builder::limits`] sets others.
    #[must_use]
    pub const fn limits(self) -> Limits {
        let (connect_s, total_s, body_bytes_max) = match self {
            Self::Provider | Self::OrganisationProvider => (5, 300, 32 * 1024 * 1024),
            Self::CertificateAuthority => (5, 30, 1024 * 1024),
            Self::IdentityProvider => (3, 5, 256 * 1024),
            Self::Webhook => (3, 15, 1024),
            Self::Telemetry => (3, 10, 64 * 1024),
            Self::Tool => (3, 60, 4 * 1024 * 1024),
            Self::PublicSource => (5, 20, 10 * 1024 * 1024),
            Self::UrlFetch => (3, 30, 32 * 1024 * 1024),
        };
        let total = Duration::from_secs(total_s);
        Limits { connect: Duration::from_secs(connect_s), first_byte: total, total, body_bytes_max }
    }
}
