//! Identities that other systems vouch for: OpenID Connect, signed tokens, SCIM resources.
