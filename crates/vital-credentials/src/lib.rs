//! What a person or a program proves itself with: passwords, one-time codes, passkeys, API keys. Pure: no database, no network.
